//! Keys and certificates: one authority, and who it vouches for.

use std::fs;
use std::net::IpAddr;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};

use crate::address;
use crate::layout::{self, pki};

/// Who gets a certificate: file name, user name, group (which RBAC knows), addresses and names.
struct Subject {
    file: String,
    user: String,
    group: Option<&'static str>,
    names: Vec<SanType>,
}

/// Makes the authority, the certificates of all daemons and of `nodes` nodes, the kubeconfig files, and the key that
/// signs the service accounts' tokens.
pub fn make(nodes: u8) -> Result<()> {
    fs::create_dir_all(layout::path("pki"))?;
    let key = KeyPair::generate()?;
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "httpserver-cluster");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    write("ca", "crt", &authority.self_signed(&key)?.pem())?;
    let issuer = Issuer::new(authority, key);
    for subject in subjects(nodes)? {
        issue(&subject, &issuer)?;
    }
    let tokens = KeyPair::generate()?;
    write("sa", "key", &tokens.serialize_pem())?;
    write("sa", "pub", &tokens.public_key_pem())
}

fn subjects(nodes: u8) -> Result<Vec<Subject>> {
    let subject = |file: &str, user: &str, group| Subject {
        file: file.to_owned(),
        user: user.to_owned(),
        group,
        names: Vec::new(),
    };
    let address = |address: &str| -> Result<SanType> { Ok(SanType::IpAddress(address.parse::<IpAddr>()?)) };
    let mut subjects = vec![
        Subject {
            names: vec![
                address(&address::CONTROL.to_string())?,
                address(address::API_SERVICE)?,
                SanType::DnsName("kubernetes.default.svc".try_into()?),
            ],
            ..subject("apiserver", "kube-apiserver", None)
        },
        subject("apiserver-kubelet", "apiserver-kubelet", Some("system:masters")),
        subject("front-proxy", "front-proxy", None),
        subject("admin", "admin", Some("system:masters")),
        subject("kube-controller-manager", "system:kube-controller-manager", None),
        subject("kube-scheduler", "system:kube-scheduler", None),
        subject("kube-proxy", "system:kube-proxy", None),
    ];
    for number in 1..=nodes {
        let name = format!("node{number}");
        subjects.push(Subject {
            names: vec![address(&address::node(number).to_string())?, SanType::DnsName(name.as_str().try_into()?)],
            ..subject(&name, &format!("system:node:{name}"), Some("system:nodes"))
        });
    }
    Ok(subjects)
}

fn issue(subject: &Subject, issuer: &Issuer<KeyPair>) -> Result<()> {
    let key = KeyPair::generate()?;
    let mut certificate = CertificateParams::default();
    certificate.distinguished_name.push(DnType::CommonName, &subject.user);
    if let Some(group) = subject.group {
        certificate.distinguished_name.push(DnType::OrganizationName, group);
    }
    certificate.subject_alt_names.clone_from(&subject.names);
    certificate.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    write(&subject.file, "crt", &certificate.signed_by(&key, issuer)?.pem())?;
    write(&subject.file, "key", &key.serialize_pem())?;
    write(&subject.file, "kubeconfig", &kubeconfig(&subject.file))
}

fn kubeconfig(name: &str) -> String {
    let [ca, certificate, key] =
        [pki("ca", "crt"), pki(name, "crt"), pki(name, "key")].map(|path| path.display().to_string());
    format!(
        "apiVersion: v1\n\
         kind: Config\n\
         clusters: [{{name: httpserver, cluster: {{server: \"https://{}:6443\", certificate-authority: {ca}}}}}]\n\
         users: [{{name: {name}, user: {{client-certificate: {certificate}, client-key: {key}}}}}]\n\
         contexts: [{{name: httpserver, context: {{cluster: httpserver, user: {name}}}}}]\n\
         current-context: httpserver\n",
        address::CONTROL
    )
}

fn write(name: &str, extension: &str, text: &str) -> Result<()> {
    let file = pki(name, extension);
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}

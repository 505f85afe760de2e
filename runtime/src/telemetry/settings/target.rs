//! Where one signal is sent to, and how.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::attributes::pairs;
use super::{Environment, MILLISECONDS, Signal, invalid, milliseconds, one_of};
use crate::tls;

/// How long one export may take, by default: of the specification.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A collector, and the way to it.
#[derive(Clone)]
pub(crate) struct Target {
    /// The name or address to connect to.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The URL that requests are sent to.
    pub(crate) url: Uri,
    pub(crate) protocol: Protocol,
    /// Fields of each request, such as credentials.
    pub(crate) headers: HeaderMap,
    /// How long one export may take, with all its attempts.
    pub(crate) timeout: Duration,
    pub(crate) gzip: bool,
    pub(crate) tls: Option<TlsConnector>,
}

/// How messages are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    HttpProtobuf,
    Grpc,
}

impl Target {
    /// `None` if nothing says where to send this signal to, or that it is to be sent.
    pub(super) fn read(environment: &Environment<'_>, signal: Signal) -> Result<Option<Self>> {
        let exporter = match signal {
            Signal::Traces => "OTEL_TRACES_EXPORTER",
            Signal::Metrics => "OTEL_METRICS_EXPORTER",
        };
        if environment.one_of(exporter, &["otlp", "none"])? == Some(1) {
            return Ok(None);
        }
        let Some((variable, endpoint)) = environment.of_exporter(signal, "ENDPOINT") else { return Ok(None) };
        let protocol = protocol(environment, signal)?;
        let expected = match protocol {
            Protocol::HttpProtobuf => "a URL, such as http://collector:4318",
            Protocol::Grpc => "a URL, such as http://collector:4317",
        };
        let for_signal = variable == signal.variable("ENDPOINT");
        let url =
            url(&endpoint, protocol, signal, for_signal).ok_or_else(|| invalid(&variable, &endpoint, expected))?;
        let secure = url.scheme() == Some(&Scheme::HTTPS);
        Ok(Some(Self {
            host: url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
            port: url.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            tls: if secure { Some(connector(environment, signal, protocol)?) } else { None },
            url,
            protocol,
            headers: headers(environment, signal)?,
            timeout: timeout(environment, signal)?,
            gzip: gzip(environment, signal)?,
        }))
    }
}

impl std::fmt::Debug for Target {
    /// Without the fields, which are often secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("url", &self.url).field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

fn protocol(environment: &Environment<'_>, signal: Signal) -> Result<Protocol> {
    let Some((variable, value)) = environment.of_exporter(signal, "PROTOCOL") else {
        return Ok(Protocol::HttpProtobuf);
    };
    match one_of(&value, &["http/protobuf", "grpc"]) {
        Some(0) => Ok(Protocol::HttpProtobuf),
        Some(_) => Ok(Protocol::Grpc),
        // Spin has none of the third, http/json, either.
        None => Err(invalid(&variable, &value, "http/protobuf or grpc")),
    }
}

/// The URL of a signal: an endpoint for all signals is a base, one for this signal is taken as it is; gRPC has paths of its own.
fn url(endpoint: &str, protocol: Protocol, signal: Signal, for_signal: bool) -> Option<Uri> {
    let mut parts = endpoint.parse::<Uri>().ok()?.into_parts();
    let is_known = |scheme: &Scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS;
    // Credentials belong into a header.
    let is_plain = parts.authority.as_ref()?.as_str().bytes().all(|byte| byte != b'@');
    (parts.scheme.as_ref().is_some_and(is_known) && is_plain).then_some(())?;
    let path = parts.path_and_query.as_ref().map_or("/", PathAndQuery::as_str);
    let path = match (protocol, signal) {
        (Protocol::Grpc, Signal::Traces) => "/opentelemetry.proto.collector.trace.v1.TraceService/Export".to_owned(),
        (Protocol::Grpc, Signal::Metrics) => {
            "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export".to_owned()
        }
        (Protocol::HttpProtobuf, _) if for_signal => path.to_owned(),
        (Protocol::HttpProtobuf, Signal::Traces) => format!("{}/v1/traces", path.trim_end_matches('/')),
        (Protocol::HttpProtobuf, Signal::Metrics) => format!("{}/v1/metrics", path.trim_end_matches('/')),
    };
    parts.path_and_query = Some(path.parse().ok()?);
    Uri::from_parts(parts).ok()
}

fn headers(environment: &Environment<'_>, signal: Signal) -> Result<HeaderMap> {
    let Some((variable, value)) = environment.of_exporter(signal, "HEADERS") else { return Ok(HeaderMap::new()) };
    let parse = || {
        let fields = pairs(&value)?.into_iter().map(|(name, value)| {
            let mut value = HeaderValue::try_from(value).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::try_from(name).ok()?, value))
        });
        fields.collect::<Option<HeaderMap>>()
    };
    // The value may be a secret, and the error ends up in a log.
    parse().with_context(|| {
        format!("invalid {variable}: expected NAME=VALUE pairs with commas between, such as api-key=1234")
    })
}

fn timeout(environment: &Environment<'_>, signal: Signal) -> Result<Duration> {
    let Some((variable, value)) = environment.of_exporter(signal, "TIMEOUT") else { return Ok(TIMEOUT) };
    milliseconds(&value).ok_or_else(|| invalid(&variable, &value, MILLISECONDS))
}

fn gzip(environment: &Environment<'_>, signal: Signal) -> Result<bool> {
    let Some((variable, value)) = environment.of_exporter(signal, "COMPRESSION") else { return Ok(false) };
    let index = one_of(&value, &["none", "gzip"]).ok_or_else(|| invalid(&variable, &value, "none or gzip"))?;
    Ok(index == 1)
}

/// What is needed to trust a collector, and to be trusted by it.
fn connector(environment: &Environment<'_>, signal: Signal, protocol: Protocol) -> Result<TlsConnector> {
    let authorities = environment.of_exporter(signal, "CERTIFICATE").map(certificates).transpose()?;
    let chain = environment.of_exporter(signal, "CLIENT_CERTIFICATE").map(certificates).transpose()?;
    let key = environment.of_exporter(signal, "CLIENT_KEY").map(private_key).transpose()?;
    ensure!(
        chain.is_some() == key.is_some(),
        "invalid OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE or OTEL_EXPORTER_OTLP_CLIENT_KEY: expected both or none"
    );
    let alpn = match protocol {
        Protocol::HttpProtobuf => tls::ALPN_HTTP_1,
        Protocol::Grpc => tls::ALPN_H2,
    };
    tls::connector(authorities, chain.zip(key), alpn)
        .context("invalid files of OTEL_EXPORTER_OTLP_CERTIFICATE, …_CLIENT_CERTIFICATE or …_CLIENT_KEY")
}

fn certificates((variable, path): (String, String)) -> Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(&path).and_then(|all| all.collect::<Result<Vec<_>, _>>());
    let certificates = certificates.ok().filter(|certificates| !certificates.is_empty());
    certificates.ok_or_else(|| invalid(&variable, &path, "a file with certificates in PEM, such as /etc/ssl/ca.pem"))
}

fn private_key((variable, path): (String, String)) -> Result<PrivateKeyDer<'static>> {
    let key = PrivateKeyDer::from_pem_file(&path);
    key.map_err(|_| invalid(&variable, &path, "a file with a private key in PEM, such as /etc/ssl/client.key"))
}

//! The runtime's options in containerd's configuration, which containerd sends with each container.

use anyhow::{Context, Result, ensure};
use containerd_shim::api::Empty;
use containerd_shim::protos::protobuf::well_known_types::any::Any;
use containerd_shim::protos::protobuf::{Message, UnknownValueRef};
use serde::Deserialize;

use crate::cgroup::Driver;

/// The type in which containerd sends the table `options` of a runtime that it does not know.
const TYPE: &str = "runtimeoptions.v1.Options";

/// The field `config_body` of that message: the table, as TOML.
const CONFIG_BODY: u32 = 3;

/// The options of this runtime.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RuntimeOptions {
    /// Whether systemd makes the control groups, in the words of runc's options. Only compared: the path of a container decides.
    #[serde(rename = "SystemdCgroup", alias = "systemd_cgroup")]
    pub systemd_cgroup: Option<bool>,
}

impl RuntimeOptions {
    /// Reads the options that containerd `sent`; the defaults if it sent none.
    ///
    /// # Errors
    /// They are another runtime's, or a value has the wrong type.
    pub fn read(sent: Option<&Any>) -> Result<Self> {
        let Some(sent) = sent else {
            return Ok(Self::default());
        };
        ensure!(
            sent.type_url == TYPE,
            "invalid type \"{}\" of the runtime's options: expected \"{TYPE}\"",
            sent.type_url
        );
        // No crate here has the message's type. `Empty` has no fields, so it reads all of them as unknown fields.
        let message = Empty::parse_from_bytes(&sent.value).context("the runtime's options cannot be read")?;
        let body = match message.special_fields.unknown_fields().get(CONFIG_BODY) {
            Some(UnknownValueRef::LengthDelimited(body)) => std::str::from_utf8(body)?,
            _ => "",
        };
        toml::from_str(body).context(
            "invalid options of the runtime in containerd's configuration: expected SystemdCgroup, true or false",
        )
    }

    /// Logs if the options name another driver than the container's path is for.
    pub fn warn_unless(&self, driver: Driver) {
        if self.systemd_cgroup.is_some_and(|systemd| systemd != (driver == Driver::Systemd)) {
            log::warn!(
                "containerd's configuration has SystemdCgroup = {}, but the kubelet's control groups are for {driver:?}; the \
                 kubelet's driver is used, and its `cgroupDriver` decides",
                driver != Driver::Systemd
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(type_url: &str, body: &str) -> Result<RuntimeOptions> {
        let mut message = Empty::new();
        message.special_fields.mut_unknown_fields().add_length_delimited(1, b"a type".to_vec());
        message.special_fields.mut_unknown_fields().add_length_delimited(CONFIG_BODY, body.into());
        let value = message.write_to_bytes().unwrap();
        RuntimeOptions::read(Some(&Any { type_url: type_url.to_owned(), value, ..Any::default() }))
    }

    #[test]
    fn the_option_for_systemd_is_read() {
        assert_eq!(RuntimeOptions::read(None).unwrap().systemd_cgroup, None);
        assert_eq!(read(TYPE, "").unwrap().systemd_cgroup, None);
        assert_eq!(read(TYPE, "SystemdCgroup = true\nOther = 1\n").unwrap().systemd_cgroup, Some(true));
        let error = format!("{:#}", read(TYPE, "SystemdCgroup = \"yes\"").unwrap_err());
        assert!(error.contains("SystemdCgroup"), "{error}");
        let error = read("containerd.runc.v1.Options", "").unwrap_err().to_string();
        assert!(error.contains("containerd.runc.v1.Options") && error.contains(TYPE), "{error}");
    }
}

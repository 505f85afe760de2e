//! The container's environment, as Spin's shim reads it, and one variable of our own.

use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Result, anyhow};
use httpserver_runtime::options::{Limits, Listen, Options, Timeouts};
use oci_spec::runtime::Spec;

/// The default address: the port of Spin's shim, for IPv6 and IPv4. On a kernel without IPv6 the runtime listens on 0.0.0.0.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 80);

/// The default time limit of a drain: it leaves 10 s of Kubernetes' default grace period of 30 s for a `preStop` hook.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// The environment variables of the container. The process itself has those of the shim.
pub struct Environment<'a>(&'a [String]);

impl<'a> Environment<'a> {
    /// The environment of the process in `spec`.
    pub fn from_spec(spec: &'a Spec) -> Self {
        Self(spec.process().as_ref().and_then(|process| process.env().as_deref()).unwrap_or_default())
    }

    /// The value of `name`; the last one if there are two.
    pub fn get(&self, name: &str) -> Option<String> {
        let values = self.0.iter().rev().filter_map(|pair| pair.split_once('='));
        values.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    }

    fn parse<T: FromStr>(&self, name: &str, default: T, expected: impl Display) -> Result<T> {
        match self.get(name) {
            None => Ok(default),
            Some(value) => value.parse().map_err(|_| anyhow!("invalid {name} \"{value}\": expected {expected}")),
        }
    }
}

/// How to serve.
///
/// # Errors
/// A variable has an invalid value.
pub fn options(spec: &Spec) -> Result<Options> {
    let environment = &Environment::from_spec(spec);
    let drain = environment.parse(
        "HTTPSERVER_DRAIN_TIMEOUT",
        DRAIN_TIMEOUT.as_secs(),
        "whole seconds, less than terminationGracePeriodSeconds, such as 20",
    )?;
    Ok(Options {
        listen: Listen::Address(environment.parse("SPIN_HTTP_LISTEN_ADDR", LISTEN, "IP:PORT, such as [::]:8080")?),
        tls: None,
        threads: threads(spec),
        timeouts: Timeouts { drain: Duration::from_secs(drain), ..Timeouts::DEFAULT },
        limits: limits(environment)?,
    })
}

/// One thread for each CPU that the container may use, rounded up: more threads would only be throttled.
fn threads(spec: &Spec) -> NonZeroUsize {
    // It reads the limit, too, but only if the container has the cgroups mounted.
    let available = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    cpu_limit(spec).map_or(available, |limit| available.min(limit))
}

fn cpu_limit(spec: &Spec) -> Option<NonZeroUsize> {
    let cpu = spec.linux().as_ref()?.resources().as_ref()?.cpu().as_ref()?;
    // -1 means that there is no limit.
    let quota = u64::try_from(cpu.quota()?).ok()?;
    let period = cpu.period().filter(|&period| period > 0)?;
    NonZeroUsize::new(usize::try_from(quota.div_ceil(period)).ok()?)
}

/// Limits for the guests.
///
/// # Errors
/// A variable has an invalid value.
pub fn limits(environment: &Environment<'_>) -> Result<Limits> {
    let Limits { instances, memory } = Limits::DEFAULT;
    Ok(Limits {
        instances: environment.parse("SPIN_MAX_INSTANCE_COUNT", instances, "a number of at least 1, such as 1000")?,
        memory: environment.parse("SPIN_MAX_INSTANCE_MEMORY", memory, "bytes, at least 1, such as 67108864")?,
    })
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::{LinuxBuilder, LinuxCpuBuilder, LinuxResourcesBuilder, ProcessBuilder, SpecBuilder};

    use super::*;

    fn address(options: &Options) -> SocketAddr {
        match options.listen {
            Listen::Address(address) => address,
            Listen::Inherited(_) => panic!("a container inherits no socket"),
        }
    }

    fn read(pairs: &[&str]) -> Result<Options> {
        let pairs: Vec<_> = pairs.iter().map(|&pair| pair.to_owned()).collect();
        let process = ProcessBuilder::default().env(pairs).build().unwrap();
        options(&SpecBuilder::default().process(process).build().unwrap())
    }

    #[test]
    fn the_cpu_limit_bounds_the_threads() {
        let limit = |quota: i64| {
            let cpu = LinuxCpuBuilder::default().quota(quota).period(100_000_u64).build().unwrap();
            let resources = LinuxResourcesBuilder::default().cpu(cpu).build().unwrap();
            let linux = LinuxBuilder::default().resources(resources).build().unwrap();
            cpu_limit(&SpecBuilder::default().linux(linux).build().unwrap()).map(NonZeroUsize::get)
        };
        assert_eq!([100_000, 20_000, 150_000, 400_000, -1].map(limit), [Some(1), Some(1), Some(2), Some(4), None]);
    }

    #[test]
    fn the_defaults_are_those_of_spins_shim_for_both_families() {
        let options = read(&["PATH=/bin"]).unwrap();
        assert_eq!(address(&options).to_string(), "[::]:80");
        assert_eq!(options.limits.instances.get(), 1000);
        assert_eq!(options.timeouts.drain, Duration::from_secs(20));
    }

    #[test]
    fn each_variable_has_its_effect() {
        let options = read(&[
            "SPIN_HTTP_LISTEN_ADDR=1.2.3.4:5",
            "SPIN_HTTP_LISTEN_ADDR=[::]:8080",
            "SPIN_MAX_INSTANCE_COUNT=7",
            "SPIN_MAX_INSTANCE_MEMORY=65536",
            "HTTPSERVER_DRAIN_TIMEOUT=3",
        ])
        .unwrap();
        assert_eq!(address(&options).to_string(), "[::]:8080", "the last of two");
        assert_eq!((options.limits.instances.get(), options.limits.memory.get()), (7, 65536));
        assert_eq!(options.timeouts.drain, Duration::from_secs(3));
    }

    #[test]
    fn a_bad_value_is_named_with_what_was_expected() {
        for (pair, expected) in [
            ("SPIN_HTTP_LISTEN_ADDR=localhost", "invalid SPIN_HTTP_LISTEN_ADDR \"localhost\": expected IP:PORT"),
            ("SPIN_MAX_INSTANCE_COUNT=0", "invalid SPIN_MAX_INSTANCE_COUNT \"0\": expected a number"),
            ("SPIN_MAX_INSTANCE_MEMORY=64M", "invalid SPIN_MAX_INSTANCE_MEMORY \"64M\": expected bytes"),
            ("HTTPSERVER_DRAIN_TIMEOUT=-1", "invalid HTTPSERVER_DRAIN_TIMEOUT \"-1\": expected whole seconds"),
        ] {
            let error = read(&[pair]).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}

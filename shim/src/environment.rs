//! The container's environment, as Spin's shim reads it, and variables of our own.

use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use httpserver_runtime::budget::{self, Budget};
use httpserver_runtime::limits::{HEAD_EXPECTED, Limits, is_head};
use httpserver_runtime::options::{Listen, Options, Timeouts};
use httpserver_runtime::telemetry;
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

    fn parse<T: FromStr>(&self, name: &str, expected: impl Display) -> Result<Option<T>> {
        let parse =
            |value: String| value.parse().map_err(|_| anyhow!("invalid {name} \"{value}\": expected {expected}"));
        self.get(name).map(parse).transpose()
    }

    fn seconds(&self, name: &str, default: Duration, expected: impl Display) -> Result<Duration> {
        Ok(self.parse(name, expected)?.map_or(default, Duration::from_secs))
    }
}

/// How to serve.
///
/// # Errors
/// A variable has an invalid value, or one that the memory limit cannot hold.
pub fn options(spec: &Spec) -> Result<Options> {
    let environment = &Environment::from_spec(spec);
    let drain = "whole seconds, less than terminationGracePeriodSeconds, such as 20";
    let timeouts = Timeouts {
        drain: environment.seconds("HTTPSERVER_DRAIN_TIMEOUT", DRAIN_TIMEOUT, drain)?,
        read: environment.seconds("HTTPSERVER_READ_TIMEOUT", Timeouts::DEFAULT.read, "whole seconds, such as 30")?,
        response: environment.seconds(
            "HTTPSERVER_RESPONSE_TIMEOUT",
            Timeouts::DEFAULT.response,
            "whole seconds, such as 3600",
        )?,
        ..Timeouts::DEFAULT
    };
    let listen = environment.parse("SPIN_HTTP_LISTEN_ADDR", "IP:PORT, such as [::]:8080")?.unwrap_or(LISTEN);
    let metrics = environment.parse("HTTPSERVER_METRICS_LISTEN", "IP:PORT, such as [::]:9464")?;
    let limits = limits(environment)?;
    Ok(Options {
        listen: Listen::Address(listen),
        tls: None,
        threads: threads(spec),
        timeouts,
        limits,
        budget: Budget::new(&limits, memory_of(spec))?,
        // As Spin's shim does, of the container's environment.
        telemetry: telemetry::Settings::from_environment(&|name| environment.get(name))?,
        metrics,
    })
}

/// The memory that the container may use, bytes. The specification has its limit; the control groups, if they are mounted, those of
/// the pod.
fn memory_of(spec: &Spec) -> u64 {
    let limit = || spec.linux().as_ref()?.resources().as_ref()?.memory().as_ref()?.limit();
    // -1 means that there is no limit.
    let limit = limit().and_then(|limit| u64::try_from(limit).ok()).unwrap_or(u64::MAX);
    limit.min(budget::memory::available())
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
fn limits(environment: &Environment<'_>) -> Result<Limits> {
    let number = "a number of at least 1, such as 1000";
    let head = environment.parse("HTTPSERVER_MAX_HEAD", HEAD_EXPECTED)?;
    ensure!(
        head.is_none_or(is_head),
        "invalid HTTPSERVER_MAX_HEAD \"{}\": expected {HEAD_EXPECTED}",
        head.unwrap_or(0)
    );
    Ok(Limits {
        instances: environment.parse("SPIN_MAX_INSTANCE_COUNT", number)?,
        memory: environment.parse("SPIN_MAX_INSTANCE_MEMORY", "bytes, at least 1, such as 67108864")?,
        connections: environment.parse("HTTPSERVER_MAX_CONNECTIONS", number)?,
        head: head.unwrap_or(Limits::DEFAULT.head),
        rate: environment.parse("HTTPSERVER_MIN_RATE", "bytes a second, such as 500")?.unwrap_or(Limits::DEFAULT.rate),
        store: Limits::DEFAULT.store,
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use oci_spec::runtime::{
        LinuxBuilder, LinuxCpuBuilder, LinuxMemoryBuilder, LinuxResourcesBuilder, ProcessBuilder, SpecBuilder,
    };

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
        assert_eq!(options.limits, Limits::DEFAULT);
        assert_eq!(options.timeouts, Timeouts { drain: Duration::from_secs(20), ..Timeouts::DEFAULT });
        assert_eq!(options.metrics, None);
    }

    #[test]
    fn each_variable_has_its_effect() {
        let options = read(&[
            "SPIN_HTTP_LISTEN_ADDR=1.2.3.4:5",
            "SPIN_HTTP_LISTEN_ADDR=[::]:8080",
            "SPIN_MAX_INSTANCE_COUNT=7",
            "SPIN_MAX_INSTANCE_MEMORY=65536",
            "HTTPSERVER_DRAIN_TIMEOUT=3",
            "HTTPSERVER_READ_TIMEOUT=4",
            "HTTPSERVER_RESPONSE_TIMEOUT=5",
            "HTTPSERVER_MAX_CONNECTIONS=9",
            "HTTPSERVER_MAX_HEAD=8192",
            "HTTPSERVER_MIN_RATE=0",
            "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318",
            "HTTPSERVER_METRICS_LISTEN=[::]:9464",
        ])
        .unwrap();
        assert!(options.telemetry.is_some());
        assert_eq!(address(&options).to_string(), "[::]:8080", "the last of two");
        assert_eq!(options.metrics.unwrap().to_string(), "[::]:9464");
        let limits = Limits {
            instances: NonZeroU32::new(7),
            memory: NonZeroUsize::new(65536),
            connections: NonZeroU32::new(9),
            head: 8192,
            rate: 0,
            store: Limits::DEFAULT.store,
        };
        assert_eq!(options.limits, limits);
        let Timeouts { drain, read, response, .. } = options.timeouts;
        assert_eq!([drain, read, response], [3, 4, 5].map(Duration::from_secs));
    }

    /// A container with this memory limit, bytes, and this environment.
    fn limited(limit: i64, pairs: &[&str]) -> Spec {
        let memory = LinuxMemoryBuilder::default().limit(limit).build().unwrap();
        let resources = LinuxResourcesBuilder::default().memory(memory).build().unwrap();
        let linux = LinuxBuilder::default().resources(resources).build().unwrap();
        let pairs: Vec<_> = pairs.iter().map(|&pair| pair.to_owned()).collect();
        let process = ProcessBuilder::default().env(pairs).build().unwrap();
        SpecBuilder::default().linux(linux).process(process).build().unwrap()
    }

    #[test]
    fn the_containers_memory_limit_bounds_the_budget() {
        assert_eq!(memory_of(&limited(96 << 20, &[])), 96 << 20);
        assert_eq!(memory_of(&limited(-1, &[])), budget::memory::available());
    }

    #[test]
    fn an_instance_that_the_memory_limit_cannot_hold_is_refused() {
        let with = |memory| options(&limited(96 << 20, &[&format!("SPIN_MAX_INSTANCE_MEMORY={memory}")]));
        with(96 << 20).unwrap();
        let error = with((96 << 20) + 1).unwrap_err().to_string();
        assert!(
            error.contains("(SPIN_MAX_INSTANCE_MEMORY) \"100663297\": expected bytes below the memory limit"),
            "{error}"
        );
    }

    #[test]
    fn a_bad_value_is_named_with_what_was_expected() {
        for (pair, expected) in [
            ("SPIN_HTTP_LISTEN_ADDR=localhost", "invalid SPIN_HTTP_LISTEN_ADDR \"localhost\": expected IP:PORT"),
            ("HTTPSERVER_METRICS_LISTEN=9464", "invalid HTTPSERVER_METRICS_LISTEN \"9464\": expected IP:PORT"),
            ("SPIN_MAX_INSTANCE_COUNT=0", "invalid SPIN_MAX_INSTANCE_COUNT \"0\": expected a number"),
            ("SPIN_MAX_INSTANCE_MEMORY=64M", "invalid SPIN_MAX_INSTANCE_MEMORY \"64M\": expected bytes"),
            ("HTTPSERVER_MAX_CONNECTIONS=0", "invalid HTTPSERVER_MAX_CONNECTIONS \"0\": expected a number"),
            ("HTTPSERVER_MAX_HEAD=100", "invalid HTTPSERVER_MAX_HEAD \"100\": expected bytes, 8192 to 65536"),
            ("HTTPSERVER_MIN_RATE=fast", "invalid HTTPSERVER_MIN_RATE \"fast\": expected bytes a second"),
            (
                "HTTPSERVER_RESPONSE_TIMEOUT=never",
                "invalid HTTPSERVER_RESPONSE_TIMEOUT \"never\": expected whole seconds",
            ),
            ("HTTPSERVER_READ_TIMEOUT=1.5", "invalid HTTPSERVER_READ_TIMEOUT \"1.5\": expected whole seconds"),
            (
                "OTEL_EXPORTER_OTLP_ENDPOINT=collector",
                "invalid OTEL_EXPORTER_OTLP_ENDPOINT \"collector\": expected a URL",
            ),
            ("HTTPSERVER_DRAIN_TIMEOUT=-1", "invalid HTTPSERVER_DRAIN_TIMEOUT \"-1\": expected whole seconds"),
        ] {
            let error = read(&[pair]).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}

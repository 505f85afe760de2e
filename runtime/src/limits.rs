//! How much clients and guests may take, as an operator sets it.

use std::num::{NonZeroU32, NonZeroUsize};

use clap::Args;

/// The longest head, bytes. Browsers and proxies send less than 8 KiB, and most servers refuse more than 8 to 16 KiB.
const HEAD: usize = 16 << 10;

/// Bytes of the key-value store. This repository's component takes 1.3 MB at the most: 7,554 counters of less than 168 bytes
/// (`src/metrics.rs`).
const STORE: usize = 4 << 20;

/// The least rate of a body that the other side waits for, bytes/s: 4 kbit/s, which any modem has.
const RATE: u32 = 500;

// The comments on the fields below are also the text of `httpserver up --help`.

/// Limits for clients and guests. The first three, if they are not set, follow from the memory limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Limits {
    /// Requests that run at one time, each in an instance of its own; one more waits, then gets 503 [default: by memory, at most 1000]
    #[arg(id = "max-instances", long, value_name = "N", env = "SPIN_MAX_INSTANCE_COUNT")]
    pub instances: Option<NonZeroU32>,

    /// Linear memory of one instance [default: by memory, at most 67108864]
    #[arg(id = "max-instance-memory", long, value_name = "BYTES", env = "SPIN_MAX_INSTANCE_MEMORY")]
    pub memory: Option<NonZeroUsize>,

    /// Connections that are open at one time; for one more, an idle one is closed [default: by memory, at most 10000]
    #[arg(id = "max-connections", long, value_name = "N")]
    pub connections: Option<NonZeroU32>,

    /// The longest head of a request; a longer one gets 431
    #[arg(id = "max-head", long, value_name = "BYTES", value_parser = head, default_value_t = Self::DEFAULT.head)]
    pub head: usize,

    /// The least bytes a second of a body, in either direction, after the first --read-timeout seconds; 0 for none
    #[arg(id = "min-rate", long, value_name = "BYTES", default_value_t = Self::DEFAULT.rate)]
    pub rate: u32,

    /// Keys and values of the key-value store, and 128 for each pair; the application gets an error for more
    #[arg(id = "max-store", long, value_name = "BYTES", default_value_t = Self::DEFAULT.store)]
    pub store: usize,
}

impl Limits {
    /// The defaults of `httpserver up`.
    pub const DEFAULT: Self =
        Self { instances: None, memory: None, connections: None, head: HEAD, rate: RATE, store: STORE };
}

/// What [`is_head`] accepts.
pub const HEAD_EXPECTED: &str = "bytes, 8192 to 65536";

/// Whether that may be the limit of a head, bytes: at least what hyper takes for a buffer, at most half of what wasmtime takes for the
/// fields of a request, which it counts in a way of its own.
#[must_use]
pub fn is_head(bytes: usize) -> bool {
    (8 << 10..=64 << 10).contains(&bytes)
}

fn head(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&bytes| is_head(bytes)).ok_or_else(|| format!("expected {HEAD_EXPECTED}"))
}

//! What is measured: one entry for each scenario.

use crate::contenders::{Contender, HTTP2, ONE_IN_TEN, TLS};

/// Something to measure, and who takes part.
#[derive(Debug)]
pub struct Scenario {
    /// What `--only` and the tables call it.
    pub name: &'static str,
    /// What a client does.
    pub what: &'static str,
    /// What is measured.
    pub kind: Kind,
    /// The requests.
    pub load: Load,
    /// Which contenders are measured when `--only` names scenarios alone, or is not given.
    pub who: Who,
    /// Whether it takes a minute or more: then it has one round.
    pub is_long: bool,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Closed loop: a request is sent on each connection as soon as the response to the one before is there.
    Closed,
    /// Closed loop over HTTP/2, with that many streams on each connection.
    Streams(u32),
    /// Open loop: this number of requests a second, whatever comes back. A late response makes those behind it late, too.
    Open(u32),
    /// The time from the start of the process to its first response with 200.
    Start {
        /// Whether nothing is there from an earlier start.
        is_cold: bool,
    },
    /// Memory: after the start, under load, and after this number of requests.
    Memory(u64),
    /// The load, while this number of other connections are open and idle.
    Idle(u32),
    /// One request with a body of this number of bytes.
    Large(u64),
    /// Open loop at twice the rate that the server can do, for that many seconds.
    Overload(u32),
}

/// Requests over a number of connections.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// The target.
    pub path: &'static str,
    /// Header fields of a request, with `host`.
    pub fields: usize,
    /// Connections at one time.
    pub connections: u32,
    /// Bytes of the body, which is sent by POST; 0 for GET.
    pub body: usize,
    /// Whether each request has a connection of its own.
    pub closes: bool,
    /// Whether the connections have TLS.
    pub tls: bool,
    /// Another target for each hundredth request, whose response is an error.
    pub trap: Option<&'static str>,
}

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody, also the variants of the runtime, and also with `--quick`.
    AllAlsoQuick,
    /// Everybody, also the variants of the runtime.
    All,
    /// One of each kind.
    Main,
    /// The component that misbehaves.
    Guest,
}

/// `GET /` with five fields over 32 connections.
const ROOT: Load = Load { path: "/", fields: 5, connections: 32, body: 0, closes: false, tls: false, trap: None };

/// `GET /healthz` with five fields over 32 connections.
const HEALTH: Load = Load { path: "/healthz", ..ROOT };

/// The request to the component that misbehaves which it responds to.
const WELL: Load = Load { path: ONE_IN_TEN, ..ROOT };

/// All scenarios, in the order in which they are measured.
pub const SCENARIOS: &[Scenario] = &[
    closed("root-32", "GET / with 5 fields, 32 connections", ROOT, Who::AllAlsoQuick),
    closed("healthz-32", "GET /healthz, 32 connections", HEALTH, Who::AllAlsoQuick),
    closed("root-1", "GET / with 5 fields, one connection", Load { connections: 1, ..ROOT }, Who::All),
    closed("healthz-1", "GET /healthz, one connection", Load { connections: 1, ..HEALTH }, Who::All),
    closed("fields-40", "GET / with 40 fields, 32 connections", Load { fields: 40, ..ROOT }, Who::Main),
    closed("root-8", "GET / with 5 fields, 8 connections", Load { connections: 8, ..ROOT }, Who::Main),
    closed("root-256", "GET / with 5 fields, 256 connections", Load { connections: 256, ..ROOT }, Who::Main),
    closed("root-2000", "GET / with 5 fields, 2,000 connections", Load { connections: 2000, ..ROOT }, Who::Main),
    closed(
        "close",
        "GET / with 5 fields, a connection a request, 32 at a time",
        Load { closes: true, ..ROOT },
        Who::Main,
    ),
    closed("tls", "GET / with 5 fields, 32 connections with TLS", Load { tls: true, ..ROOT }, Who::Main),
    closed("tls-close", "the same, a connection a request", Load { tls: true, closes: true, ..ROOT }, Who::Main),
    closed(
        "echo-1k",
        "POST /echo with 1 KiB, 32 connections",
        Load { path: "/echo", body: 1 << 10, ..ROOT },
        Who::Main,
    ),
    closed(
        "echo-1m",
        "POST /echo with 1 MiB, 8 connections",
        Load { path: "/echo", body: 1 << 20, connections: 8, ..ROOT },
        Who::Main,
    ),
    closed("no-trap", "GET of a page of the component that misbehaves, 32 connections", WELL, Who::Guest),
    closed("trap", "the same, and each hundredth request traps", Load { trap: Some("/trap"), ..WELL }, Who::Guest),
    Scenario {
        kind: Kind::Streams(8),
        ..closed(
            "http2",
            "GET / with 5 fields, HTTP/2, 4 connections with 8 streams",
            Load { connections: 4, ..ROOT },
            Who::Main,
        )
    },
    Scenario {
        kind: Kind::Open(5000),
        ..closed("open-5000", "GET / with 5 fields, 5,000 requests a second, open loop", ROOT, Who::Main)
    },
    Scenario {
        kind: Kind::Start { is_cold: false },
        ..closed("start", "from the start to the first 200, compiled before", HEALTH, Who::Main)
    },
    Scenario {
        kind: Kind::Start { is_cold: true },
        ..closed("start-cold", "from the start to the first 200, nothing compiled before", HEALTH, Who::Main)
    },
    Scenario {
        kind: Kind::Large(1 << 30),
        ..closed("echo-1g", "POST /echo with 1 GiB, one connection", Load { path: "/echo", body: 1, ..ROOT }, Who::Main)
    },
    Scenario {
        kind: Kind::Idle(9_900),
        ..closed("idle-10000", "GET / with 5 fields, 32 connections beside 9,900 idle ones", ROOT, Who::Main)
    },
    Scenario {
        kind: Kind::Memory(1_000_000),
        is_long: true,
        ..closed("memory", "resident memory before, under and after 1,000,000 GET /, 32 connections", ROOT, Who::Main)
    },
    Scenario {
        kind: Kind::Overload(60),
        is_long: true,
        ..closed(
            "overload",
            "GET / at twice the peak rate for 60 s, open loop, 2,000 connections; server and client on different cores",
            Load { connections: 2000, ..ROOT },
            Who::Main,
        )
    },
];

const fn closed(name: &'static str, what: &'static str, load: Load, who: Who) -> Scenario {
    Scenario { name, what, kind: Kind::Closed, load, who, is_long: false }
}

impl Scenario {
    /// Whether this contender can be measured here, and is if nothing else is asked for.
    pub fn suits(&self, contender: &Contender) -> bool {
        let has_all = matches!(self.who, Who::All | Who::AllAlsoQuick);
        self.can(contender) && contender.is_default && (has_all || contender.is_main)
    }

    /// Whether this contender can be measured here.
    pub fn can(&self, contender: &Contender) -> bool {
        let is_http2 = matches!(self.kind, Kind::Streams(_));
        let needs = [Some(self.load.path), self.load.tls.then_some(TLS), is_http2.then_some(HTTP2)];
        let lacks = needs.iter().flatten().any(|need| contender.lacks.contains(need));
        !lacks && contender.is_guest() == (self.who == Who::Guest)
    }
}

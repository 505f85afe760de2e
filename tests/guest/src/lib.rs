//! A component that misbehaves on request. Each path is one thing that a guest can do to its host.
//!
//! | path | what the guest does |
//! |---|---|
//! | `/ok`, and any path not in this table | 200 `ok` |
//! | `/dump`, paths below it, and `*` | 200, what it sees of the request, one thing a line (see `report.rs`) |
//! | `/print` | prints a line on stdout and one on stderr, then 200 `ok` |
//! | `/print-pieces/{text}` | prints `pieces of {text}` on stdout in pieces and without an end of the line, then 200 `ok` |
//! | `/trap` | traps |
//! | `/one-in-ten/{number}` | traps if the number ends in 0, else 200 with the number |
//! | `/exit` | calls `wasi:cli/exit` |
//! | `/no-response` | returns without a response |
//! | `/loop` | uses CPU without an end |
//! | `/loop-after-head` | hands over its head, then uses CPU without an end |
//! | `/wait` | waits without an end |
//! | `/wait-after-head` | hands over its head, then waits without an end |
//! | `/pause/{milliseconds}` | waits that long, then 200 `ok` |
//! | `/memory` | allocates and touches memory until there is no more |
//! | `/memory/{bytes}` | allocates and touches that much, then 200 `ok` |
//! | `/resources/{number}` | takes that many resources of the host at one time, then 200 `ok` |
//! | `/trap-after-head` | hands over its head and half a body, reads the request to its end, then traps |
//! | `/hold` | prints `holding` on stdout, reads the request to its end, then 200 with its length in bytes |
//! | `/hold/{bytes}` | reads the request to its end, then the same as `/large/{bytes}` |
//! | `/head-first` | hands over its head, reads the request to its end, then writes `first half, second half` in two writes |
//! | `/large/{bytes}` | 200 with a `content-length` and that many bytes `x` |
//! | `/environment` | 200, its environment variables, arguments and working directory |
//! | `/folders` | 200, the folders that the host gives it |
//! | `/outgoing` | 200, the result of an outgoing request |
//! | `/keyvalue` | 200, the results of calls to the key-value store |
//! | `/fields` | 200, the result of setting each header that a host may forbid |
//!
//! On other targets than WebAssembly the crate is empty.

#[cfg(target_arch = "wasm32")]
mod guest;

//! Why requests are refused, and the words for it in metrics and traces.

use crate::named::named;

named! {
    /// Why a request was refused, or a connection or bytes that did not become one.
    pub(crate) enum Refusal {
        /// It violates RFC 9110 or 9112: 400.
        Malformed = "malformed",
        /// It is not HTTP: 400.
        NotHttp = "not_http",
        /// A header's value is not UTF-8: 500.
        NotUtf8 = "not_utf8",
        /// Its head is too large: 431. In HTTP/2 the library refuses it, and does not tell.
        HeadTooLarge = "head_too_large",
        /// Its head did not end in time: 408.
        SlowHead = "slow_head",
        /// Its body came too slowly: 408.
        SlowBody = "slow_body",
        /// All instances were at work: 503.
        Busy = "busy",
        /// Its connection could not be accepted.
        NotAccepted = "not_accepted",
    }
}

impl Refusal {
    /// Whether the server failed, not the client.
    pub(crate) fn is_failure(self) -> bool {
        matches!(self, Self::NotUtf8 | Self::Busy)
    }
}

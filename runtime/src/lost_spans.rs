//! How many spans were lost since the start: counted where that happens, and shown among the metrics.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::named::named;

named! {
    /// Why a span was lost.
    pub(crate) enum Loss {
        /// Too many waited already.
        QueueFull = "queue_full",
        /// The collector could not be reached, or did not take the message.
        NotSent = "not_sent",
        /// The collector took the message, and refused the span for what it is.
        Refused = "refused",
    }
}

impl Loss {
    /// Counts that many.
    pub(crate) fn add(self, spans: u64) {
        COUNTS[self as usize].fetch_add(spans, Ordering::Relaxed);
    }

    /// All counts with their names; none if no traces are sent.
    pub(crate) fn counts() -> impl Iterator<Item = (&'static str, u64)> {
        let losses = if SENT.load(Ordering::Relaxed) { &Self::ALL[..] } else { &[] };
        losses.iter().map(|loss| (loss.name(), loss.count()))
    }

    /// How many there were.
    pub(crate) fn count(self) -> u64 {
        COUNTS[self as usize].load(Ordering::Relaxed)
    }
}

static COUNTS: [AtomicU64; Loss::ALL.len()] = [const { AtomicU64::new(0) }; Loss::ALL.len()];

/// Whether traces are sent.
static SENT: AtomicBool = AtomicBool::new(false);

/// Says that traces are sent, so that their losses are to be shown.
pub(crate) fn show() {
    SENT.store(true, Ordering::Relaxed);
}

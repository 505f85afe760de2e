//! How long a client may make the server wait, in either direction.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// How often a wait looks whether others need what it holds.
pub(crate) const LOOK: Duration = Duration::from_millis(500);

/// From here on a client is behind, and has to go if others need what it holds: more than a packet that is lost and sent again costs.
const BEHIND: Duration = Duration::from_secs(1);

/// What holds for all clients of a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// How long a client may make the server wait.
    pub(crate) limit: Duration,
    /// The bytes that give a client a second of patience back; 0 if any byte gives all of it back.
    pub(crate) rate: u32,
    pub(crate) pressure: &'static Pressure,
}

/// The patience with one client. It lasts for [`Terms::limit`]. Each second in which the server waits for the client takes a second
/// away, and each [`Terms::rate`] bytes that the client sends or takes give one back. So a client may pause, and be slow for a while, but
/// not be slower than the rate for ever. While the server waits for itself, nothing changes.
#[derive(Debug)]
pub(crate) struct Patience {
    terms: Terms,
    left: Duration,
    /// Since when the server waits for the client.
    since: Option<Instant>,
    /// Counts those that are behind on one connection, of which this is one if `behind`.
    all_behind: Arc<AtomicU32>,
    behind: bool,
    /// Made at the first wait: most clients cause none. It goes on after a wait, and is set again only when it has fired.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Counts itself in `all_behind` while the client is behind.
    pub(crate) fn new(terms: &Terms, all_behind: Arc<AtomicU32>) -> Self {
        Self { left: terms.limit, terms: *terms, since: None, all_behind, behind: false, timer: None }
    }

    /// To be called while the server waits for the client. Ready when the patience is over; or, if others need what this client
    /// holds, already when it is behind.
    pub(crate) fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let end = since + self.left;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end.min(since + LOOK))));
        loop {
            if timer.deadline() > end {
                timer.as_mut().reset(end);
            }
            ready!(timer.as_mut().poll(context));
            let now = Instant::now();
            let left = end.saturating_duration_since(now);
            let behind = self.terms.limit - left >= BEHIND;
            if left.is_zero() || (behind && self.terms.pressure.claim()) {
                return Poll::Ready(());
            }
            if behind && !self.behind {
                self.behind = true;
                self.all_behind.fetch_add(1, Ordering::Relaxed);
            }
            timer.as_mut().reset(end.min(now + LOOK));
        }
    }

    /// The client has sent or taken that many bytes.
    pub(crate) fn progress(&mut self, bytes: usize) {
        let Some(since) = self.since.take() else { return };
        let left = self.left.saturating_sub(since.elapsed());
        self.left = match self.terms.rate {
            0 => self.terms.limit,
            rate => (left + Duration::from_secs_f64(bytes as f64 / f64::from(rate))).min(self.terms.limit),
        };
        if self.behind && self.terms.limit - self.left < BEHIND {
            self.catch_up();
        }
    }

    fn catch_up(&mut self) {
        self.behind = false;
        self.all_behind.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        if self.behind {
            self.catch_up();
        }
    }
}

/// Who needs an instance while there is none left, so that slow clients have to go.
#[derive(Debug, Default)]
pub(crate) struct Pressure {
    waiting: AtomicUsize,
    claimed: AtomicUsize,
}

/// One who waits; dropped when the wait is over.
pub(crate) struct Waiting<'a>(&'a Pressure);

impl Pressure {
    /// One for a server, and the process. A counter of references would be one more that all threads change for each request.
    pub(crate) fn new() -> &'static Self {
        Box::leak(Box::default())
    }

    /// Begins a wait.
    pub(crate) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(self)
    }

    /// Whether somebody waits for whom nobody has gone yet. If so, the caller has to go.
    pub(crate) fn claim(&self) -> bool {
        let waiting = self.waiting.load(Ordering::Relaxed);
        let claim = |claimed: usize| (claimed < waiting).then_some(claimed + 1);
        waiting > 0 && self.claimed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim).is_ok()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        let _ = self.0.claimed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |claimed| claimed.checked_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{sleep, timeout};

    use super::*;

    /// A rate that gives a millisecond back for each byte.
    const BYTE_PER_MS: u32 = 1000;

    fn patience(limit: Duration, rate: u32) -> (Patience, &'static Pressure) {
        let pressure = Pressure::new();
        (Patience::new(&Terms { limit, rate, pressure }, Arc::default()), pressure)
    }

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// Waits for that time; whether the patience is over then.
    async fn over_within(patience: &mut Patience, time: Duration) -> bool {
        timeout(time, poll_fn(|context| patience.poll_over(context))).await.is_ok()
    }

    #[tokio::test]
    async fn a_pause_lasts_at_most_the_limit() {
        let (mut patience, _) = patience(ms(2000), BYTE_PER_MS);
        assert!(!over_within(&mut patience, ms(500)).await);
        assert!(over_within(&mut patience, ms(10_000)).await);
    }

    #[tokio::test]
    async fn a_byte_now_and_then_does_not_keep_the_patience() {
        let (mut patience, _) = patience(ms(300), BYTE_PER_MS);
        let start = Instant::now();
        while !over_within(&mut patience, ms(40)).await {
            patience.progress(1);
            assert!(start.elapsed() < ms(5000), "it goes on");
        }
    }

    #[tokio::test]
    async fn a_slow_client_at_the_rate_may_go_on_and_a_slow_server_costs_it_nothing() {
        let (mut patience, _) = patience(ms(2000), BYTE_PER_MS);
        for _ in 0..25 {
            assert!(!over_within(&mut patience, ms(100)).await);
            // More than the wait took, also on a busy machine.
            patience.progress(1000);
            sleep(ms(20)).await;
        }
    }

    #[tokio::test]
    async fn without_a_rate_any_byte_is_enough() {
        let (mut patience, _) = patience(ms(2000), 0);
        for _ in 0..25 {
            assert!(!over_within(&mut patience, ms(100)).await);
            patience.progress(1);
        }
    }

    #[tokio::test]
    async fn who_is_behind_is_counted_until_it_catches_up_or_ends() {
        let (mut first, _) = patience(ms(60_000), BYTE_PER_MS);
        let count = first.all_behind.clone();
        let mut second = Patience::new(&first.terms, count.clone());
        assert!(!over_within(&mut first, ms(300)).await);
        assert_eq!(count.load(Ordering::Relaxed), 0);
        assert!(!over_within(&mut first, ms(1700)).await && !over_within(&mut second, ms(1700)).await);
        assert_eq!(count.load(Ordering::Relaxed), 2);
        first.progress(60_000);
        assert_eq!(count.load(Ordering::Relaxed), 1);
        drop(second);
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn one_slow_client_goes_for_each_who_waits() {
        let (mut first, pressure) = patience(ms(60_000), 500);
        let mut second = Patience::new(&first.terms, Arc::default());
        assert!(!over_within(&mut first, ms(100)).await);
        let waiting = pressure.wait();
        assert!(over_within(&mut first, ms(3000)).await, "it is behind");
        assert!(!over_within(&mut second, ms(1700)).await, "one is enough");
        drop(waiting);
        assert!(!over_within(&mut second, ms(600)).await, "nobody waits");
        let _waiting = pressure.wait();
        assert!(over_within(&mut second, ms(3000)).await);
    }
}

//! How many connections there may be, and which one of a thread is closed to make room for another.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// How long to wait for the connections that were asked to go, before others are asked, and how long these may take to go.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// How long a handshake or a head that has begun may still take when the server drains: some round trips across the world.
const LAST_HEAD: Duration = Duration::from_secs(1);

/// The most that are asked at one time, as a part of all: all of them within 0.8 s.
const ASKED: usize = 8;

/// What a request that was responded to pays for: the longest head by default.
const REQUEST: u32 = 16 << 10;

/// What a request costs that its client has reset before there was a response: an instance for nothing, as much work as 60 pings.
const ABORTED: u32 = 1 << 10;

/// The seats of a server, one for each connection that it may have, and those of them that one thread has taken.
#[derive(Clone)]
pub(crate) struct Seats {
    free: Arc<Semaphore>,
    taken: Arc<Taken>,
}

struct Taken {
    connections: Mutex<Connections>,
    /// Counts what happens on the thread. So idle connections have an order without a clock.
    events: AtomicU64,
    draining: CancellationToken,
}

#[derive(Default)]
struct Connections {
    all: HashMap<u64, Connection>,
    /// When some were asked to go, and how many.
    asked: Option<(Instant, usize)>,
}

#[derive(Clone)]
struct Connection {
    activity: Arc<Activity>,
    ending: CancellationToken,
}

/// What a connection does.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// Requests without a whole response.
    running: AtomicU32,
    /// Those of them, or pieces of the connection, for which the client is behind.
    pub(crate) behind: Arc<AtomicU32>,
    /// Its last event.
    last: AtomicU64,
    /// What the client has sent and what has come of it: see [`Activity::owe`].
    debt: AtomicU32,
}

/// The seat of one connection.
pub(crate) struct Seat {
    number: u64,
    connection: Connection,
    taken: Arc<Taken>,
    _permit: Option<OwnedSemaphorePermit>,
}

/// A request that runs.
pub(crate) struct Running {
    seat: Arc<Seat>,
    answered: bool,
}

impl Seats {
    /// `draining` is cancelled when the drain begins.
    pub(crate) fn new(most: usize, draining: CancellationToken) -> Self {
        Self { free: Arc::new(Semaphore::new(most)), taken: Taken::none(draining) }
    }

    /// The same seats for another thread, which has taken none. A thread knows its own connections only: so none waits for another,
    /// which may be stuck.
    pub(crate) fn for_thread(&self) -> Self {
        Self { free: self.free.clone(), taken: Taken::none(self.draining().clone()) }
    }

    /// Cancelled when the drain begins.
    pub(crate) fn draining(&self) -> &CancellationToken {
        &self.taken.draining
    }

    /// Waits for a free seat. If all are taken, asks other connections of the thread to end: see [`Self::ask`].
    pub(crate) async fn free(&self) -> OwnedSemaphorePermit {
        loop {
            if let Ok(permit) = self.free.clone().try_acquire_owned() {
                return permit;
            }
            self.ask();
            if let Ok(Ok(permit)) = timeout(ASK_AGAIN, self.free.clone().acquire_owned()).await {
                return permit;
            }
        }
    }

    /// Takes a seat; without a `permit` one more than there are, which only a drain does.
    pub(crate) fn take(&self, permit: Option<OwnedSemaphorePermit>) -> Arc<Seat> {
        let number = self.taken.event();
        let activity = Activity { last: AtomicU64::new(number), ..Activity::default() };
        let connection = Connection { activity: Arc::new(activity), ending: self.draining().child_token() };
        self.taken.lock().all.insert(number, connection.clone());
        Arc::new(Seat { number, connection, taken: self.taken.clone(), _permit: permit })
    }

    /// Asks connections to end: those without a request, the most idle first; then those whose requests wait for their client. The first
    /// time one, then twice as many each time.
    pub(crate) fn ask(&self) {
        let mut connections = self.taken.lock();
        let most = (connections.all.len() / ASKED).max(1);
        let before = connections.asked.filter(|(when, _)| when.elapsed() < 10 * ASK_AGAIN);
        let number = before.map_or(1, |(_, asked)| (2 * asked).min(most));
        connections.asked = Some((Instant::now(), number));
        let mut idle: Vec<_> = connections
            .all
            .values()
            .filter(|connection| connection.activity.is_stuck() && !connection.ending.is_cancelled())
            .collect();
        let number = number.min(idle.len());
        if number > 0 {
            idle.select_nth_unstable_by_key(number - 1, |connection| {
                (!connection.activity.is_idle(), connection.activity.last())
            });
        }
        let asked: Vec<_> = idle[..number].iter().map(|connection| connection.ending.clone()).collect();
        // What they wake may take the lock.
        drop(connections);
        asked.iter().for_each(CancellationToken::cancel);
    }
}

impl Taken {
    fn none(draining: CancellationToken) -> Arc<Self> {
        Arc::new(Self { connections: Mutex::default(), events: AtomicU64::new(0), draining })
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        // Nothing that holds the lock can leave the map half changed.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn event(&self) -> u64 {
        self.events.fetch_add(1, Ordering::Relaxed)
    }
}

impl Activity {
    /// Whether no request runs.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.load(Ordering::Relaxed) == 0
    }

    /// Whether the client is behind with each request that runs.
    fn is_stuck(&self) -> bool {
        self.running.load(Ordering::Relaxed) <= self.behind.load(Ordering::Relaxed)
    }

    /// Adds to what the client has sent without a request that came of it, bytes.
    pub(crate) fn owe(&self, bytes: u32) {
        let _ = self.debt.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |debt| Some(debt.saturating_add(bytes)));
    }

    /// Takes away from it.
    pub(crate) fn pay(&self, bytes: u32) {
        if self.debt() > 0 {
            let pay = |debt: u32| Some(debt.saturating_sub(bytes));
            let _ = self.debt.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay);
        }
    }

    /// What is left of it.
    pub(crate) fn debt(&self) -> u32 {
        self.debt.load(Ordering::Relaxed)
    }

    /// Changes with each request that ends.
    pub(crate) fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }
}

impl Seat {
    /// Cancelled when the connection has to end: its requests still get their responses.
    pub(crate) fn ending(&self) -> &CancellationToken {
        &self.connection.ending
    }

    /// How long what has begun may still take after that.
    pub(crate) fn grace(&self) -> Duration {
        if self.is_draining() { LAST_HEAD } else { ASK_AGAIN }
    }

    /// Whether the connection ends because the server does; else it ends because another one needs its seat.
    pub(crate) fn is_draining(&self) -> bool {
        self.taken.draining.is_cancelled()
    }

    /// Whether the connection has nothing to do that the end of it may wait for.
    pub(crate) fn may_end(&self) -> bool {
        if self.is_draining() { self.activity().is_idle() } else { self.activity().is_stuck() }
    }

    pub(crate) fn activity(&self) -> &Arc<Activity> {
        &self.connection.activity
    }

    /// Begins a request; it ends when the result is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Running {
        self.activity().running.fetch_add(1, Ordering::Relaxed);
        Running { seat: self.clone(), answered: false }
    }
}

impl Running {
    /// Where to count what waits for the client of this request.
    pub(crate) fn behind(&self) -> Arc<AtomicU32> {
        self.seat.activity().behind.clone()
    }

    /// There is a response.
    pub(crate) fn answered(&mut self) {
        self.answered = true;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.taken.lock().all.remove(&self.number);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Seat { connection, taken, .. } = &*self.seat;
        if self.answered {
            connection.activity.pay(REQUEST);
        } else {
            connection.activity.owe(ABORTED);
        }
        connection.activity.last.store(taken.event(), Ordering::Relaxed);
        connection.activity.running.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn taken(seats: &Seats) -> Arc<Seat> {
        seats.take(Some(seats.free().await))
    }

    fn asked<const N: usize>(seats: [&Arc<Seat>; N]) -> [bool; N] {
        seats.map(|seat| seat.ending().is_cancelled())
    }

    #[tokio::test]
    async fn the_most_idle_connection_goes_if_there_is_no_room_for_another() {
        let seats = Seats::new(3, CancellationToken::new());
        let (first, second, third) = (taken(&seats).await, taken(&seats).await, taken(&seats).await);
        drop(first.begin());
        let _running = third.begin();
        assert!(timeout(ASK_AGAIN / 2, seats.free()).await.is_err(), "no room yet");
        assert_eq!(asked([&first, &second, &third]), [false, true, false]);
        drop(second);
        drop(seats.free().await);
    }

    #[tokio::test]
    async fn a_connection_with_a_request_goes_only_if_its_client_is_behind() {
        let seats = Seats::new(2, CancellationToken::new());
        let (first, second) = (taken(&seats).await, taken(&seats).await);
        let _running = [first.begin(), first.begin(), second.begin()];
        first.activity().behind.store(1, Ordering::Relaxed);
        assert!(timeout(3 * ASK_AGAIN, seats.free()).await.is_err());
        assert_eq!(asked([&first, &second]), [false, false]);
        first.activity().behind.store(2, Ordering::Relaxed);
        assert!(timeout(ASK_AGAIN / 2, seats.free()).await.is_err());
        assert_eq!(asked([&first, &second]), [true, false]);
    }

    #[tokio::test]
    async fn twice_as_many_go_each_time() {
        let seats = Seats::new(1000, CancellationToken::new());
        let all: Vec<_> = (0..1000).map(|_| seats.take(None)).collect();
        let asked = |_| {
            seats.ask();
            all.iter().filter(|seat| seat.ending().is_cancelled()).count()
        };
        assert_eq!([1, 2, 3, 4, 5, 6, 7, 8].map(asked), [1, 3, 7, 15, 31, 63, 127, 252]);
        assert!(all[..252].iter().all(|seat| seat.ending().is_cancelled()), "the first ones are the most idle");
    }

    #[tokio::test]
    async fn a_drain_ends_every_connection() {
        let seats = Seats::new(1, CancellationToken::new());
        let (first, extra) = (taken(&seats).await, seats.take(None));
        seats.draining().cancel();
        assert_eq!(asked([&first, &extra]), [true, true]);
    }
}

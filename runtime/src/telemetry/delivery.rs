//! Messages to one collector: sent again if it cannot take them, up to the time that one export may take.

use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::settings::Target;
use super::transport::{Client, Failure, Retry, pack};
use crate::log::Limiter;

/// The pause before a message is sent for the second time; it doubles with each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Sends messages to one collector.
pub(super) struct Delivery<'a> {
    client: Client<'a>,
    target: &'a Target,
    stop: &'a CancellationToken,
}

impl<'a> Delivery<'a> {
    /// After `stop`, no message is sent twice.
    pub(super) fn new(target: &'a Target, stop: &'a CancellationToken) -> Self {
        Self { client: Client::new(target), target, stop }
    }

    /// Sends `message`, which has `count` of `what`. Returns how many of them the collector refused; or `None` if it did not take the
    /// message, of which a line in the log tells.
    pub(super) async fn send(&mut self, message: &impl Message, count: usize, what: &str) -> Option<u64> {
        static FAILED: Limiter = Limiter::new("times telemetry could not be sent");
        let sent = match pack(self.target, message) {
            Ok(packed) => self.send_packed(&packed).await,
            Err(error) => Err(error.to_string()),
        };
        match sent {
            Ok(refused) => Some(refused),
            Err(reason) => {
                FAILED.line(format_args!("cannot send {count} {what} to {}: {reason}", self.target.url));
                None
            }
        }
    }

    async fn send_packed(&mut self, packed: &Bytes) -> Result<u64, String> {
        let deadline = Instant::now() + self.target.timeout;
        let mut pause = FIRST_PAUSE;
        loop {
            let Failure { reason, retry } = match timeout_at(deadline, self.client.send(packed)).await {
                Ok(Ok(refused)) => return Ok(refused),
                Ok(Err(failure)) => failure,
                Err(_) => {
                    // A response that comes later is not for the next message.
                    self.client = Client::new(self.target);
                    return Err(format!("no response within {:?}", self.target.timeout));
                }
            };
            let again = match retry {
                Retry::No => return Err(reason),
                Retry::Yes => Instant::now() + pause,
                Retry::After(pause) => Instant::now() + pause,
            };
            if again >= deadline || self.stop.is_cancelled() {
                return Err(reason);
            }
            tokio::select! {
                () = sleep_until(again) => {}
                () = self.stop.cancelled() => {}
            }
            pause *= 2;
        }
    }
}

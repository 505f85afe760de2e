//! Spans that wait to be sent: a fixed number of them. One more is dropped and counted, so that no request waits for a collector.

use opentelemetry_sdk::trace::SpanData;
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::lost_spans::Loss;

/// The end into which requests put their spans.
#[derive(Debug)]
pub(super) struct Queue {
    sender: Sender<SpanData>,
    /// With how many spans it is time to send.
    batch: usize,
    full: Notify,
}

impl Queue {
    /// At most `size` spans, of which `batch` are sent together.
    pub(super) fn new(size: usize, batch: usize) -> (Self, Receiver<SpanData>) {
        let (sender, receiver) = mpsc::channel(size);
        (Self { sender, batch, full: Notify::new() }, receiver)
    }

    pub(super) fn push(&self, span: SpanData) {
        if self.sender.try_send(span).is_err() {
            Loss::QueueFull.add(1);
        }
        // One span alone wakes nobody: that would be a system call for each.
        if self.waiting() >= self.batch {
            self.full.notify_one();
        }
    }

    /// Waits until there is a batch.
    pub(super) async fn full(&self) {
        self.full.notified().await;
    }

    /// Spans that wait.
    pub(super) fn waiting(&self) -> usize {
        self.sender.max_capacity() - self.sender.capacity()
    }
}

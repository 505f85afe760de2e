//! Sends events to containerd: a task was created, started, ended, deleted.
//!
//! The publisher of `containerd-shim` has one connection, which ends with the containerd that started the shim. The shim continues
//! after a restart of containerd, so it connects again.

use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use containerd_shim::event::Event;
use containerd_shim::protos::api::{Envelope, ForwardRequest};
use containerd_shim::protos::ttrpc::{self, context};
use containerd_shim::protos::{Client, EventsClient};
use containerd_shim::util::{convert_to_any, timestamp};

/// How long containerd may take for one event.
const FORWARD_TIMEOUT: Duration = Duration::from_secs(5);

/// How often and when an event is sent again. A containerd that is away for longer asks for all states when it is back.
const RETRIES: u32 = 5;
const INTERVAL: Duration = Duration::from_secs(2);

/// How long the last events may take before the shim ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// A queue of events. One thread sends them, in their order.
pub struct Events {
    namespace: String,
    queue: Sender<Entry>,
}

enum Entry {
    Event(Box<ForwardRequest>),
    /// Gets a message when everything before it was sent or dropped.
    Flush(SyncSender<()>),
}

impl Events {
    /// For the containerd that listens at `address`, a socket's path.
    pub fn new(namespace: String, address: String) -> Self {
        let (queue, entries) = mpsc::channel();
        thread::spawn(move || send_all(&entries, &address));
        Self { namespace, queue }
    }

    /// Queues `event`.
    pub fn publish(&self, event: impl Event) {
        match self.request(event) {
            Ok(request) => drop(self.queue.send(Entry::Event(Box::new(request)))),
            Err(error) => log::error!("cannot make an event: {error:#}"),
        }
    }

    fn request(&self, event: impl Event) -> Result<ForwardRequest> {
        let envelope = Envelope {
            timestamp: Some(timestamp()?).into(),
            namespace: self.namespace.clone(),
            topic: event.topic(),
            event: Some(convert_to_any(Box::new(event))?).into(),
            ..Envelope::default()
        };
        Ok(ForwardRequest { envelope: Some(envelope).into(), ..ForwardRequest::default() })
    }

    /// Waits until everything is sent, at most for [`FLUSH_TIMEOUT`].
    pub fn flush(&self) {
        let (done, flushed) = mpsc::sync_channel(1);
        let _ = self.queue.send(Entry::Flush(done));
        let _ = flushed.recv_timeout(FLUSH_TIMEOUT);
    }
}

fn send_all(entries: &Receiver<Entry>, address: &str) {
    let mut client = None;
    for entry in entries {
        match entry {
            Entry::Event(request) => {
                if let Err(error) = send(&mut client, address, &request) {
                    log::warn!("cannot publish {}: {error:#}", request.envelope.topic);
                }
            }
            Entry::Flush(done) => drop(done.send(())),
        }
    }
}

/// Sends `request`, over a new connection if there is none or it broke.
fn send(client: &mut Option<EventsClient>, address: &str, request: &ForwardRequest) -> Result<()> {
    let mut tries = 0;
    loop {
        match send_once(client, address, request) {
            Err(_) if tries < RETRIES => *client = None,
            result => return result,
        }
        // The first error may come from the connection to an old containerd; a new one may be there already.
        if tries > 0 {
            thread::sleep(INTERVAL);
        }
        tries += 1;
    }
}

fn send_once(client: &mut Option<EventsClient>, address: &str, request: &ForwardRequest) -> Result<()> {
    if client.is_none() {
        let connected = Client::connect(&format!("unix://{address}"));
        *client = Some(EventsClient::new(connected.with_context(|| format!("cannot connect to {address}"))?));
    }
    let client = client.as_ref().expect("connected above");
    match client.forward(context::with_duration(FORWARD_TIMEOUT), request) {
        // containerd received it and does not want it.
        Err(error @ ttrpc::Error::RpcStatus(_)) => {
            log::warn!("containerd refuses {}: {error}", request.envelope.topic);
            Ok(())
        }
        result => Ok(result.map(drop)?),
    }
}

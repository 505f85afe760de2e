//! OpenTelemetry: traces and metrics, sent to a collector as the standard variables `OTEL_*` say ([`Settings`]). Without them nothing
//! of this runs.
//!
//! A request puts its span into a queue, and waits for nobody. A thread of its own empties the queue; it is the only one that may
//! connect to another machine.

mod delivery;
mod metrics;
mod queue;
mod settings;
mod spans;
mod tracer;
mod transport;

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData};
use opentelemetry_semantic_conventions::resource;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use crate::lost_spans::Loss;
use crate::metrics::Metrics;
use crate::observation::Observer;
use crate::{confinement, log};
use queue::Queue;
pub use settings::Settings;
use tracer::Tracer;

/// The name of what makes spans and metrics, and of what sends them.
const NAME: &str = env!("CARGO_PKG_NAME");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What sends telemetry, while it runs.
#[derive(Debug)]
pub(crate) struct Telemetry {
    tracer: Option<&'static Tracer>,
    stop: CancellationToken,
    /// Ends with the thread.
    ended: mpsc::Receiver<()>,
}

/// What the thread works with.
struct Exporter {
    settings: Settings,
    resource: ResourceAttributesWithSchema,
    spans: Option<(&'static Tracer, Receiver<SpanData>)>,
    metrics: Option<&'static Metrics>,
    stop: CancellationToken,
}

impl Telemetry {
    /// Starts the thread, for an application of that name and version, whose figures are in `metrics`. The thread can read only the
    /// files by which names of machines are looked up. To be called before the process gives up its files.
    ///
    /// # Errors
    /// The thread cannot be started, or the kernel refuses to confine it.
    pub(crate) fn start(
        settings: Settings,
        name: &str,
        version: &str,
        metrics: Option<&'static Metrics>,
    ) -> Result<Self> {
        let stop = CancellationToken::new();
        let spans = settings.traces.as_ref().map(|traces| {
            let (queue, spans) = Queue::new(traces.queue, traces.batch);
            // One for the process: a counter of references would be one more that all threads change for each request.
            let tracer: &'static Tracer = Box::leak(Box::new(Tracer::new(traces.sampling.clone(), queue)));
            (tracer, spans)
        });
        let tracer = spans.as_ref().map(|(tracer, _)| *tracer);
        let resource = (&resource(&settings, name, version)).into();
        let exporter = Exporter { settings, resource, spans, metrics, stop: stop.clone() };
        let (begun, begins) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let thread = thread::Builder::new().name("telemetry".to_owned());
        thread.spawn(move || exporter.run(&begun, end)).context("cannot start a thread for telemetry")?;
        begins.recv().context("the thread for telemetry panicked")??;
        Ok(Self { tracer, stop, ended })
    }

    /// What traces requests, if they are to be traced.
    pub(crate) fn observer(&self) -> Option<&'static dyn Observer> {
        self.tracer.map(|tracer| tracer as &dyn Observer)
    }

    /// Sends what waits, and then ends. To be called after the last request.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits for the end for so long. Returns whether it has come.
    pub(crate) fn ends_within(&self, time: Duration) -> bool {
        self.ended.recv_timeout(time) != Err(RecvTimeoutError::Timeout)
    }

    /// Tells the log what was not sent `within` that time.
    pub(crate) fn give_up(&self, within: Duration) {
        let left = self.tracer.map_or(0, |tracer| tracer.queue.waiting());
        let dropped = Loss::QueueFull.count();
        log::line(format_args!(
            "the collector did not take all telemetry within {within:?}: {left} spans are left, and {dropped} found no place before"
        ));
    }
}

impl Exporter {
    /// Runs to the end of `stop`. `_end` ends with it.
    fn run(self, begun: &Sender<Result<()>>, _end: Sender<()>) {
        // Nobody waits for it if the process is ending.
        match self.prepare() {
            Err(error) => drop(begun.send(Err(error))),
            Ok(runtime) => {
                drop(begun.send(Ok(())));
                runtime.block_on(self.export());
            }
        }
    }

    fn prepare(&self) -> Result<Runtime> {
        confinement::leave_all_but_collectors(self.settings.ports())?;
        // Names are looked up in a thread beside it, one at a time.
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
        runtime.context("cannot start an executor")
    }

    async fn export(self) {
        let Self { settings, resource, spans, metrics, stop } = self;
        let spans = async {
            if let (Some(settings), Some((tracer, receiver))) = (&settings.traces, spans) {
                spans::send(&tracer.queue, receiver, settings, &resource, &stop).await;
            }
        };
        let metrics = async {
            if let (Some(settings), Some(metrics)) = (&settings.metrics, metrics) {
                metrics::send(metrics, settings, &resource, &stop).await;
            }
        };
        // The collector of one may be slow, and not that of the other.
        tokio::join!(spans, metrics);
    }
}

/// What sends, as attributes: what the settings say, or else what the application says.
fn resource(settings: &Settings, name: &str, version: &str) -> Resource {
    // Two servers of one service have series of metrics of their own.
    let instance = RandomIdGenerator::default().new_trace_id().to_string();
    let defaults = [
        (resource::SERVICE_NAME, name.to_owned()),
        (resource::SERVICE_VERSION, version.to_owned()),
        (resource::SERVICE_INSTANCE_ID, instance),
        (resource::TELEMETRY_SDK_NAME, NAME.to_owned()),
        (resource::TELEMETRY_SDK_LANGUAGE, "rust".to_owned()),
        (resource::TELEMETRY_SDK_VERSION, VERSION.to_owned()),
    ];
    let is_set = |name: &str| settings.resource.iter().any(|(known, _)| known == name);
    let defaults = defaults.into_iter().filter(|(name, value)| !is_set(name) && !value.is_empty());
    let defaults = defaults.map(|(name, value)| KeyValue::new(name, value));
    let set = settings.resource.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    Resource::builder_empty().with_attributes(defaults.chain(set)).build()
}

/// Who makes spans and metrics.
fn scope() -> InstrumentationScope {
    InstrumentationScope::builder(NAME).with_version(VERSION).build()
}

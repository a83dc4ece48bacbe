//! From spans that have ended, and a source of metrics, to a collector; on a thread of its own.
//!
//! What waits is bounded: what has no room, and what the collector does not take, is dropped and counted by its reason.

mod collector;
mod queue;
mod sampling;

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use crate::metrics::{Family, Source, otlp};
use crate::settings::Settings;
use crate::span::TRACER;
use collector::{Collector, Refusal};
pub use queue::counts;
use queue::{Dropped, Queue, SENT};

/// How long a program that ends waits until what is left is sent.
const PATIENCE: Duration = Duration::from_secs(3);

/// Times that a batch of spans is sent that the collector does not take.
const ATTEMPTS: u32 = 3;

/// Before the second time; before the third it is twice as long.
const PAUSE: Duration = Duration::from_secs(1);

/// Why telemetry cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system's reason.
    #[error("cannot start the thread of telemetry: {0}")]
    Thread(#[from] io::Error),
    /// It was switched on before: there is one for a process.
    #[error("telemetry is on already")]
    Twice,
}

/// Telemetry is sent until [`Exporting::finish`].
#[derive(Debug)]
pub struct Exporting {
    queue: Queue,
    stop: watch::Sender<()>,
    thread: JoinHandle<()>,
}

/// Switches telemetry on for this process.
///
/// # Errors
/// [`StartError`].
pub fn start(settings: Settings, source: Option<Arc<dyn Source>>) -> Result<Exporting, StartError> {
    let resource = resource(&settings);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (queue, spans) = Queue::new(settings.queue);
    let mut provider = SdkTracerProvider::builder()
        .with_resource(resource.clone())
        .with_span_processor(queue.clone());
    if let Some((name, share)) = &settings.sampler {
        provider = provider.with_sampler(sampling::sampler(name, share));
    }
    let provider = provider.build();
    let (stop, stopped) = watch::channel(());
    let mut sending = Sending {
        collector: Collector::new(&settings)?,
        resource: ResourceAttributesWithSchema::from(&resource),
        // Without a place for spans there is nobody to take them.
        source: source.filter(|_| settings.metrics.is_some()),
        settings,
    };
    let thread = thread::Builder::new().name("telemetry".to_owned());
    let thread = thread.spawn(move || runtime.block_on(sending.run(spans, stopped)))?;
    let is_first = TRACER.set(provider.tracer("tidegate")).is_ok();
    match is_first {
        true => Ok(Exporting {
            queue,
            stop,
            thread,
        }),
        false => Err(StartError::Twice),
    }
}

impl Exporting {
    /// Sends what is left, within a few seconds. Blocks.
    pub fn finish(self) {
        // What ends from now on is late. The provider stays as it is: one that was shut down drops spans without a word.
        self.queue.close();
        drop(self.stop);
        let _panicked = self.thread.join();
    }
}

fn resource(settings: &Settings) -> Resource {
    let detected = Resource::builder().build();
    let has_name = std::env::var_os("OTEL_SERVICE_NAME").is_some()
        || detected
            .get(&"service.name".into())
            .is_some_and(|it| !it.as_str().starts_with("unknown_service"));
    let instance = KeyValue::new("service.instance.id", settings.instance.clone());
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let own = Resource::builder_empty().with_attributes([instance, version]);
    let own = match has_name {
        true => own,
        false => own.with_service_name(settings.service),
    };
    // The environment wins.
    let told = detected
        .iter()
        .filter(|(key, _)| has_name || key.as_str() != "service.name");
    let told: Vec<_> = told
        .map(|(key, value)| KeyValue::new(key.clone(), value.clone()))
        .collect();
    own.with_attributes(told).build()
}

/// What the thread does.
struct Sending {
    collector: Collector,
    resource: ResourceAttributesWithSchema,
    source: Option<Arc<dyn Source>>,
    settings: Settings,
}

impl Sending {
    async fn run(&mut self, mut spans: mpsc::Receiver<SpanData>, mut stopped: watch::Receiver<()>) {
        let start = Instant::now() + self.settings.interval;
        let mut ticks = interval_at(start, self.settings.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(self.settings.batch);
        loop {
            let limit = self.settings.batch;
            tokio::select! {
                () = ended(&mut stopped) => break,
                _ = ticks.tick() => self.send_metrics().await,
                count = self.gather(&mut spans, &mut batch), if batch.len() < limit => {
                    if count == 0 { break }
                }
            }
            if !batch.is_empty() {
                tokio::select! {
                    () = self.send_spans(&mut batch, ATTEMPTS) => {}
                    // What is being sent may arrive, so it is not sent again.
                    () = long_ended(&mut stopped) => {
                        Dropped::Unreachable.add(batch.len() as u64);
                        batch.clear();
                        break;
                    }
                }
            }
        }
        let last = async {
            while !batch.is_empty() || spans.recv_many(&mut batch, self.settings.batch).await > 0 {
                self.send_spans(&mut batch, 1).await;
            }
            self.send_metrics().await;
        };
        if timeout(PATIENCE, last).await.is_err() {
            tracing::warn!("the collector did not take the last telemetry in time");
        }
    }

    /// Waits for a span, and a moment for those that follow it.
    async fn gather(
        &self,
        spans: &mut mpsc::Receiver<SpanData>,
        batch: &mut Vec<SpanData>,
    ) -> usize {
        let Some(first) = spans.recv().await else {
            return 0;
        };
        batch.push(first);
        let end = Instant::now() + self.settings.delay;
        while batch.len() < self.settings.batch {
            match tokio::time::timeout_at(end, spans.recv()).await {
                Ok(Some(span)) => batch.push(span),
                Ok(None) | Err(_) => break,
            }
        }
        batch.len()
    }

    /// Sends spans, or drops them.
    async fn send_spans(&self, batch: &mut Vec<SpanData>, attempts: u32) {
        let count = batch.len() as u64;
        if self.settings.traces.is_none() {
            return batch.clear();
        }
        let spans = group_spans_by_resource_and_scope(batch.clone(), &self.resource);
        let mut attempt = 1;
        let outcome = loop {
            match self.collector.send_spans(spans.clone()).await {
                Err(Refusal::Later(_)) if attempt < attempts => {
                    sleep(PAUSE * attempt).await;
                    attempt += 1;
                }
                outcome => break outcome,
            }
        };
        match outcome {
            Ok(()) => SENT.add(count),
            Err(refusal) => {
                Dropped::of(&refusal).add(count);
                queue::complain(&refusal, count);
            }
        }
        batch.clear();
    }

    async fn send_metrics(&self) {
        let Some(source) = &self.source else { return };
        let families: Vec<Family> = source.families();
        let metrics = otlp::resource_metrics(&families, &self.resource, self.collector.since());
        if let Err(refusal) = self.collector.send_metrics(metrics).await {
            Dropped::Metrics.add(1);
            queue::complain(&refusal, families.len() as u64);
        }
    }
}

/// Waits until the program ends.
async fn ended(stopped: &mut watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}

/// Waits until the program should not have to wait any more.
async fn long_ended(stopped: &mut watch::Receiver<()>) {
    ended(stopped).await;
    sleep(PATIENCE).await;
}

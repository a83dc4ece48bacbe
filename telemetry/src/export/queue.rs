//! Spans that have ended and wait to be sent, and what becomes of all of them in numbers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::collector::Refusal;
use crate::metrics::Family;

/// At least this long between two complaints.
const COMPLAINTS: Duration = Duration::from_secs(30);

/// A number of this process.
#[derive(Debug)]
pub(super) struct Tally(AtomicU64);

impl Tally {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(super) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Spans that a collector has taken.
pub(super) static SENT: Tally = Tally::new();

static DROPPED: [Tally; 5] = [const { Tally::new() }; 5];

/// Why something did not reach a collector.
#[derive(Debug, Clone, Copy)]
pub(super) enum Dropped {
    /// Spans: too many waited.
    QueueFull,
    /// Spans: the collector did not answer, or not in time.
    Unreachable,
    /// Spans: the collector does not want them.
    Refused,
    /// Spans that ended after the program had begun to end.
    Late,
    /// Pages of metrics, for whatever reason.
    Metrics,
}

impl Dropped {
    pub(super) fn of(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Later(_) => Self::Unreachable,
            Refusal::Never(_) => Self::Refused,
        }
    }

    pub(super) fn add(self, n: u64) {
        DROPPED[self as usize].add(n);
    }

    fn get(self) -> u64 {
        DROPPED[self as usize].get()
    }
}

/// The exporter's own metrics.
#[must_use]
pub fn counts() -> Vec<Family> {
    let mut dropped = Family::counter(
        "tidegate_spans_dropped",
        "Spans that did not reach the collector.",
    );
    for (reason, dropping) in [
        ("queue_full", Dropped::QueueFull),
        ("unreachable", Dropped::Unreachable),
        ("refused", Dropped::Refused),
        ("late", Dropped::Late),
    ] {
        dropped.add(&[("reason", reason)], dropping.get());
    }
    let mut sent = Family::counter("tidegate_spans_sent", "Spans that the collector has taken.");
    sent.add(&[], SENT.get());
    let mut failed = Family::counter(
        "tidegate_metric_exports_failed",
        "Times that the collector did not take the metrics.",
    );
    failed.add(&[], Dropped::Metrics.get());
    vec![sent, dropped, failed]
}

/// Says now and then that the collector does not take what it is sent.
pub(super) fn complain(refusal: &Refusal, count: u64) {
    static LAST: Mutex<Option<Instant>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if last.is_none_or(|last| last.elapsed() > COMPLAINTS) {
        *last = Some(Instant::now());
        drop(last);
        tracing::warn!(%refusal, count, "the collector of telemetry does not take what it is sent");
    }
}

/// Takes spans as they end, as long as there is room. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Queue(Arc<RwLock<Option<mpsc::Sender<SpanData>>>>);

impl Queue {
    /// With room for so many.
    pub(super) fn new(room: usize) -> (Self, mpsc::Receiver<SpanData>) {
        let (sender, receiver) = mpsc::channel(room);
        (Self(Arc::new(RwLock::new(Some(sender)))), receiver)
    }

    /// Takes no more, so that who sends knows when all are sent.
    pub(super) fn close(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        let sender = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let room = sender.as_ref().map(mpsc::Sender::try_reserve);
        match room {
            Some(Ok(place)) => place.send(span),
            Some(Err(TrySendError::Full(()))) => Dropped::QueueFull.add(1),
            Some(Err(TrySendError::Closed(()))) | None => Dropped::Late.add(1),
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        self.close();
        Ok(())
    }
}

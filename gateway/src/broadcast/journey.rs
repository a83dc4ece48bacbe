//! What is traced of one publication on this node: from its arrival until every worker has queued it for its subscribers.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tidegate_backbone::{Channel, TraceContext};
use tidegate_telemetry::{Kind, Span, is_on};

/// Two spans: the node receives it, and fans it out. It ends with the last worker that holds it.
#[derive(Debug)]
pub(super) struct Journey {
    // The inner one ends first.
    fan_out: OnceLock<Span>,
    receive: Span,
    subscribers: AtomicU64,
}

impl Journey {
    /// Begins where the trace is recorded.
    pub(super) fn begin(channel: &Channel, cause: Option<TraceContext>) -> Option<Self> {
        let cause = cause.filter(|it| it.is_sampled && is_on());
        let receive = Span::accept(Kind::Consumer, Some(cause?), || {
            format!("receive {}", channel.namespace().unwrap_or("_")).into()
        });
        receive.set_channel(channel);
        Some(Self {
            fan_out: OnceLock::new(),
            receive,
            subscribers: AtomicU64::new(0),
        })
    }

    /// A worker takes it up.
    pub(super) fn taken(&self) {
        let begin = || self.receive.child(Kind::Internal, || "fan out".into());
        self.fan_out.get_or_init(begin);
    }

    /// It was queued for so many more.
    pub(super) fn queued(&self, subscribers: usize) {
        self.subscribers
            .fetch_add(subscribers as u64, Ordering::Relaxed);
    }
}

impl Drop for Journey {
    fn drop(&mut self) {
        if let Some(fan_out) = self.fan_out.get() {
            let subscribers = self.subscribers.load(Ordering::Relaxed);
            fan_out.set(
                "tidegate.subscribers",
                i64::try_from(subscribers).unwrap_or(i64::MAX),
            );
        }
    }
}

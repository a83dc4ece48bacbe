//! What the application's backend decides or is told: hooks.
//!
//! In: a [`Question`] of a session. Out: the backend's [`Answer`], or why there is none, always within the time that is
//! configured. Backends are asked over HTTP or on the bus, on a thread of their own, so that a slow one costs no worker
//! anything. Nothing here knows sessions: what an answer means is theirs to say.

mod answer;
mod breaker;
mod client;
mod dispatch;
mod endpoint;
mod envelope;
mod grpc;
mod headers;
mod json;
mod meter;
mod notices;
pub(crate) mod plan;
mod question;
mod relay;
mod rules;
mod service;
mod store;
mod target;
mod teller;
mod tls;
mod web;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tidegate_backbone::Backbone;
use tidegate_telemetry::metrics::Family;
use tidegate_telemetry::{Kind, Span};
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

use crate::config::Config;
pub use answer::{Answer, Grant, Unanswered};
pub(crate) use client::{Protocol, client, unanswered};
pub(crate) use endpoint::Endpoint;
pub use headers::{Headers, Wanted};
use meter::Meter;
pub(crate) use notices::now_ms;
use notices::{Pending, Queue};
pub use question::{Caller, ChannelState, Event, Question, Subject, TargetId, Transition, Via};
pub use rules::{Callee, ChannelHooks, HookRules};
use target::Target;
pub(crate) use teller::{Happened, Teller};

/// How long a node that stops waits for backends to take what they are to be told.
const PATIENCE: Duration = Duration::from_secs(5);

/// The backends of one node.
pub(crate) struct Hooks {
    targets: HashMap<TargetId, Arc<Target>>,
    /// Of those that may be told something.
    queues: HashMap<TargetId, Queue>,
    pending: Arc<Pending>,
    runtime: Handle,
    /// The thread ends when this is dropped.
    _stop: watch::Sender<()>,
}

impl Hooks {
    /// Makes ready to ask; `None` when no backend is configured.
    ///
    /// # Errors
    /// One text a fault, each naming its option.
    pub(crate) fn start(
        config: &Config,
        bus: &Arc<dyn Backbone>,
    ) -> Result<Option<Self>, Vec<String>> {
        let (mut targets, mut faults) = (HashMap::new(), Vec::new());
        for planned in plan::planned(config) {
            match Target::new(planned.id, planned.name, planned.config, bus) {
                Ok(target) => {
                    targets.insert(planned.id, Arc::new(target));
                }
                Err(fault) => faults.push(format!("{}: {fault}", planned.path)),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        if targets.is_empty() {
            return Ok(None);
        }
        let (stop, stopped) = watch::channel(());
        let runtime = start_thread(stopped)
            .map_err(|error| vec![format!("proxies: cannot start their thread: {error}")])?;
        let pending = Arc::<Pending>::default();
        let queues = targets.iter();
        let queues = queues.map(|(id, target)| {
            let (target, pending) = (Arc::clone(target), Arc::clone(&pending));
            (*id, Queue::start(&runtime, target, pending))
        });
        for (id, target) in targets.iter().filter(|(id, _)| plan::is_told(config, **id)) {
            runtime.spawn(dispatch::run(Arc::clone(target), *id));
        }
        Ok(Some(Self {
            queues: queues.collect(),
            targets,
            pending,
            runtime,
            _stop: stop,
        }))
    }

    /// Asks a backend, as work of a [`span`].
    pub(crate) async fn ask(
        &self,
        question: Question,
        via: Via<'static>,
        span: Span,
    ) -> Result<Answer, Unanswered> {
        let target = self.targets.get(&question.target);
        let target = Arc::clone(target.expect("rules name backends that are planned"));
        let asked = async move { span.around(target.ask(&question, via, &span)).await };
        let answer = self.runtime.spawn(asked).await;
        answer.unwrap_or_else(|_| Err(Unanswered::Broken("the node is stopping".to_owned())))
    }

    /// Tells a backend, now or later.
    pub(crate) fn tell(&self, notice: Question, via: Via<'static>) {
        let (target, queue) = (
            self.targets.get(&notice.target),
            self.queues.get(&notice.target),
        );
        let (target, queue) = target
            .zip(queue)
            .expect("rules name backends that are planned");
        queue.push(notice, via, target);
    }

    /// Tells backends of channels.
    pub(crate) fn teller(&self) -> Teller {
        Teller::new(self.targets.clone())
    }

    /// Where backends are asked.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Waits a while for backends to take what they are to be told.
    pub(crate) async fn finish(&self) {
        self.pending.drained(PATIENCE).await;
    }

    /// Their figures.
    pub(crate) fn families(&self) -> [Family; 4] {
        let mut meters: Vec<&Meter> = self.targets.values().map(|it| &it.meter).collect();
        meters.sort_by(|one, other| one.name().cmp(other.name()));
        meter::families(meters.into_iter())
    }
}

/// The span of a question, inside of what this task works for.
pub(crate) fn span(question: &Question) -> Span {
    let event = question.subject.event().name();
    Span::begin(Kind::Client, || format!("hook {event}").into())
}

/// Starts the thread that asks, until the sender of `stopped` is dropped.
fn start_thread(mut stopped: watch::Receiver<()>) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let run = move || {
        runtime.block_on(async { while stopped.changed().await.is_ok() {} });
    };
    thread::Builder::new().name("hooks".to_owned()).spawn(run)?;
    Ok(handle)
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let targets: Vec<_> = self.targets.keys().collect();
        f.debug_struct("Hooks").field("targets", &targets).finish()
    }
}

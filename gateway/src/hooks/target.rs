//! One backend and what it costs at most: time, calls under way, bytes of an answer, and failures in a row.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tidegate_backbone::{Backbone, TRACE_HEADER};
use tidegate_telemetry::Span;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::answer::{Answer, Outcome, Unanswered};
use super::breaker::Breaker;
use super::endpoint::Endpoint;
use super::grpc::Grpc;
use super::headers::Wanted;
use super::json::{self, Style};
use super::meter::Meter;
use super::notices::{Notice, Stamp};
use super::question::{Event, Question, TargetId, Via};
use super::relay::Relay;
use super::service::Service;
use super::web::Web;
use crate::config::ProxyConfig;

/// Time before what could not be sent is sent once more, as when a backend is being restarted.
const RETRY: Duration = Duration::from_millis(50);

/// A backend that can be asked.
pub(super) struct Target {
    name: Box<str>,
    carrier: Carrier,
    style: Style,
    wanted: Wanted,
    timeout: Duration,
    room: Semaphore,
    breaker: Mutex<Breaker>,
    pub(super) meter: Meter,
    /// Where notices wait, unless the backend hears on the bus.
    pub(super) relay: Option<Relay>,
}

/// How it is asked.
enum Carrier {
    Web(Box<Web>),
    Service(Service),
    Grpc(Box<Grpc>),
}

/// A question on its way.
struct Asked<'a> {
    question: &'a Question,
    via: Via<'a>,
    body: Bytes,
    headers: Vec<(&'a str, &'a str)>,
    end: Instant,
}

impl Target {
    /// # Errors
    /// What is wrong with an option.
    pub(super) fn new(
        id: TargetId,
        name: &str,
        config: &ProxyConfig,
        bus: &Arc<dyn Backbone>,
    ) -> Result<Self, String> {
        let style = Style {
            is_binary: config.binary_encoding,
            has_meta: config.include_connection_meta,
        };
        let carrier = match Endpoint::parse(&config.endpoint)? {
            Endpoint::Http(uri) => Carrier::Web(Box::new(Web::new(uri, config)?)),
            Endpoint::Bus(topic) => {
                let limit = config.response_size_limit;
                Carrier::Service(Service::new(Arc::clone(bus), topic, limit))
            }
            Endpoint::Grpc(host) => Carrier::Grpc(Box::new(Grpc::new(host, config, style)?)),
        };
        let relay = match carrier {
            Carrier::Web(_) | Carrier::Grpc(_) => {
                Some(Relay::new(Arc::clone(bus), id.in_streams(name)))
            }
            Carrier::Service(_) => None,
        };
        Ok(Self {
            name: name.into(),
            relay,
            carrier,
            style,
            wanted: Wanted::new(&config.http_headers, &config.emulated_headers),
            timeout: config.timeout,
            room: Semaphore::new(config.concurrency_limit),
            breaker: Mutex::new(Breaker::new(config.breaker_failures, config.breaker_pause)),
            meter: Meter::new(name),
        })
    }

    /// Asks a question, within its time.
    pub(super) async fn ask(
        &self,
        question: &Question,
        via: Via<'_>,
        span: &Span,
    ) -> Result<Answer, Unanswered> {
        let event = question.subject.event();
        let start = Instant::now();
        let result = self.ask_within(question, via, start).await;
        self.meter.end(event, Outcome::of(&result), start.elapsed());
        if let Err(unanswered) = &result {
            span.fail(unanswered);
            self.log(event, &question.caller.client, unanswered);
        }
        result
    }

    /// Loud about the backend, of which there is not much to say before it is left alone; quiet about what clients can cause
    /// as often as they like.
    fn log(&self, event: Event, client: &str, unanswered: &Unanswered) {
        let (target, event) = (&*self.name, event.name());
        match unanswered.is_failure() {
            true => tracing::warn!(target, event, client, %unanswered, "a backend did not answer"),
            false => {
                tracing::debug!(target, event, client, %unanswered, "a backend did not answer")
            }
        }
    }

    /// Takes a notice, for the backend or until it is there again.
    pub(super) async fn take(&self, notice: &Notice) -> Result<(), Unanswered> {
        match &self.relay {
            Some(relay) if relay.is_kept().await? => relay.put(notice, &self.wanted).await,
            _ => self.tell(notice).await,
        }
    }

    /// Whether notices are stored before the backend gets them.
    pub(super) fn stores(&self) -> bool {
        match (&self.relay, &self.carrier) {
            (Some(relay), _) => relay.was_kept(),
            (None, Carrier::Service(service)) => service.stores(),
            (None, _) => false,
        }
    }

    /// Makes the place where a backend on the bus fetches its notices, where there can be one.
    pub(super) async fn prepare(&self) -> Result<(), Unanswered> {
        match &self.carrier {
            Carrier::Service(service) => service.prepare().await,
            Carrier::Web(_) | Carrier::Grpc(_) => Ok(()),
        }
    }

    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Gives a notice once. It is taken when the backend answers at all, whatever it says.
    pub(super) async fn tell(&self, notice: &Notice) -> Result<(), Unanswered> {
        let event = notice.question.subject.event();
        let start = Instant::now();
        let told = timeout(self.timeout, self.tell_once(notice)).await;
        let result = told.unwrap_or(Err(Unanswered::Late(self.timeout)));
        let outcome = match &result {
            Ok(()) => Outcome::Granted,
            Err(unanswered) => unanswered.outcome(),
        };
        self.meter.end(event, outcome, start.elapsed());
        if let Err(unanswered) = &result {
            let (target, event) = (&*self.name, event.name());
            tracing::debug!(target, event, %unanswered, "a notice was not taken yet");
        }
        result
    }

    async fn tell_once(&self, notice: &Notice) -> Result<(), Unanswered> {
        let (question, stamp) = (&notice.question, &notice.stamp);
        let event = question.subject.event();
        let body = self.body(question, notice.via(), Some(stamp))?;
        let headers = self.headers(question, None);
        match &self.carrier {
            Carrier::Web(web) => web.tell(body, &headers).await,
            Carrier::Service(service) => service.tell(event, &stamp.id, body, &headers).await,
            Carrier::Grpc(grpc) => grpc.tell(notice, &headers).await,
        }
    }

    /// The client's headers that the backend may see, and the trace that it is asked in.
    fn headers<'a>(
        &self,
        question: &'a Question,
        trace: Option<&'a str>,
    ) -> Vec<(&'a str, &'a str)> {
        let headers = question.caller.headers.as_deref();
        let mut headers = headers.map_or_else(Vec::new, |it| it.allowed(&self.wanted));
        if let Some(trace) = trace {
            headers.retain(|(name, _)| *name != TRACE_HEADER);
            headers.push((TRACE_HEADER, trace));
        }
        headers
    }

    async fn ask_within(
        &self,
        question: &Question,
        via: Via<'_>,
        start: Instant,
    ) -> Result<Answer, Unanswered> {
        let event = question.subject.event();
        let _room = self.room.try_acquire().map_err(|_| Unanswered::Busy)?;
        let trace = tidegate_telemetry::current().map(|it| it.to_string());
        let asked = Asked {
            question,
            via,
            body: self.body(question, via, None)?,
            headers: self.headers(question, trace.as_deref()),
            end: start + self.timeout,
        };
        if !self.breaker().allows(start.into_std()) {
            return Err(Unanswered::Resting);
        }
        let _under_way = self.meter.begin(event);
        let result = timeout_at(asked.end, self.send(&asked)).await;
        let result = result.unwrap_or(Err(Unanswered::Late(self.timeout)));
        self.judge(&result);
        result
    }

    /// Sends a question, and once more if it was not sent. What may have been heard is never sent again.
    async fn send(&self, asked: &Asked<'_>) -> Result<Answer, Unanswered> {
        let first = self.send_once(asked).await;
        if !matches!(first, Err(Unanswered::Unreachable(_))) {
            return first;
        }
        sleep(RETRY).await;
        self.send_once(asked).await
    }

    async fn send_once(&self, asked: &Asked<'_>) -> Result<Answer, Unanswered> {
        let Asked {
            question,
            via,
            body,
            headers,
            end,
        } = asked;
        match &self.carrier {
            Carrier::Web(web) => web.ask(body.clone(), headers).await,
            Carrier::Service(service) => {
                let within = end.saturating_duration_since(Instant::now());
                let event = question.subject.event();
                service.ask(event, body.clone(), headers, within).await
            }
            Carrier::Grpc(grpc) => grpc.ask(question, *via, headers).await,
        }
    }

    /// As JSON, where that is what is sent.
    fn body(
        &self,
        question: &Question,
        via: Via<'_>,
        stamp: Option<&Stamp>,
    ) -> Result<Bytes, Unanswered> {
        match &self.carrier {
            Carrier::Grpc(_) => Ok(Bytes::new()),
            Carrier::Web(_) | Carrier::Service(_) => json::encode(question, via, self.style, stamp),
        }
    }

    fn judge(&self, result: &Result<Answer, Unanswered>) {
        let target = &*self.name;
        let is_failure = result.as_ref().is_err_and(Unanswered::is_failure);
        let mut breaker = self.breaker();
        if is_failure {
            if breaker.failed(Instant::now().into_std()) {
                tracing::error!(
                    target,
                    "a backend fails again and again, and is left alone for a while"
                );
            }
        } else if breaker.succeeded() {
            tracing::info!(target, "a backend answers again");
        }
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

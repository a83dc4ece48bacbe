//! A span: a piece of work, from the moment it begins until its value is dropped. Nothing while telemetry is off.

use std::borrow::Cow;
use std::sync::OnceLock;

use opentelemetry::trace::{
    FutureExt, Link, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt,
    TraceFlags, TraceId, TraceState, Tracer,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::SdkTracer;
use tidegate_backbone::{Channel, TraceContext};

/// Set once, when telemetry is switched on.
pub(crate) static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// What role a piece of work has, as OpenTelemetry has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Answers who asks from outside.
    Server,
    /// Asks somebody outside.
    Client,
    /// Sends what others take later.
    Producer,
    /// Takes what others sent.
    Consumer,
    /// Inside.
    Internal,
}

/// A piece of work.
#[derive(Debug, Default)]
#[must_use = "it ends when it is dropped"]
pub struct Span(Scope);

/// What is work of a span, whoever has the span itself.
#[derive(Debug, Clone, Default)]
pub struct Scope(Option<Context>);

/// Whether anything is traced.
#[must_use]
pub fn is_on() -> bool {
    TRACER.get().is_some()
}

/// The span that this task works for now, if there is one.
#[must_use]
pub fn current() -> Option<TraceContext> {
    TRACER.get()?;
    Context::map_current(told)
}

impl Span {
    /// Begins one inside of the work of this task; the first one of a trace, if that has none.
    pub fn begin(kind: Kind, name: impl FnOnce() -> Cow<'static, str>) -> Self {
        Self::build(kind, name, || (Context::current(), Vec::new()))
    }

    /// Begins one inside of the work of this task, if that has one.
    pub fn inside(kind: Kind, name: impl FnOnce() -> Cow<'static, str>) -> Self {
        match current() {
            Some(_) => Self::begin(kind, name),
            None => Self::default(),
        }
    }

    /// Begins one that somebody gave cause to who may have said to which trace it belongs.
    pub fn accept(
        kind: Kind,
        cause: Option<TraceContext>,
        name: impl FnOnce() -> Cow<'static, str>,
    ) -> Self {
        Self::build(kind, name, || {
            let context = Context::new();
            let context = match cause {
                Some(cause) => context.with_remote_span_context(heard(cause)),
                None => context,
            };
            (context, Vec::new())
        })
    }

    /// Begins one that many others gave cause to. It has a trace of its own.
    pub fn gather(
        kind: Kind,
        causes: impl Iterator<Item = TraceContext>,
        name: impl FnOnce() -> Cow<'static, str>,
    ) -> Self {
        Self::build(kind, name, || {
            let links = causes.map(|it| Link::with_context(heard(it)));
            (Context::new(), links.collect())
        })
    }

    /// Begins one inside of this.
    pub fn child(&self, kind: Kind, name: impl FnOnce() -> Cow<'static, str>) -> Self {
        match &self.0.0 {
            Some(context) => Self::build(kind, name, || (context.clone(), Vec::new())),
            None => Self::default(),
        }
    }

    fn build(
        kind: Kind,
        name: impl FnOnce() -> Cow<'static, str>,
        causes: impl FnOnce() -> (Context, Vec<Link>),
    ) -> Self {
        let Some(tracer) = TRACER.get() else {
            return Self::default();
        };
        let (parent, links) = causes();
        let builder = SpanBuilder::from_name(name())
            .with_kind(kind.into())
            .with_links(links);
        let span = tracer.build_with_context(builder, &parent);
        Self(Scope(Some(parent.with_span(span))))
    }

    /// As others are told of it; `None` while telemetry is off.
    #[must_use]
    pub fn context(&self) -> Option<TraceContext> {
        self.0.0.as_ref().and_then(told)
    }

    /// As those are told for whom it is only of use if it is recorded.
    #[must_use]
    pub fn sampled(&self) -> Option<TraceContext> {
        self.context().filter(|it| it.is_sampled)
    }

    /// Says more about it.
    pub fn set(&self, key: &'static str, value: impl Into<Value>) {
        if let Some(context) = &self.0.0 {
            context.span().set_attribute(KeyValue::new(key, value));
        }
    }

    /// Says which channel it is about.
    pub fn set_channel(&self, channel: &Channel) {
        if self.0.0.is_some() {
            self.set("messaging.destination.name", channel.as_str().to_owned());
        }
    }

    /// Says that it did not succeed.
    pub fn fail(&self, reason: &dyn std::fmt::Display) {
        if let Some(context) = &self.0.0 {
            let span = context.span();
            if span.is_recording() {
                span.set_status(Status::error(reason.to_string()));
            }
        }
    }

    /// For work of it that is done elsewhere.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.0.clone()
    }

    /// Awaits something that is work of this span.
    pub async fn around<F: Future>(&self, work: F) -> F::Output {
        self.0.around(work).await
    }
}

impl Scope {
    /// Does something that is work of this span.
    pub fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        let _entered = self.0.clone().map(Context::attach);
        work()
    }

    /// Awaits something that is work of this span.
    pub async fn around<F: Future>(&self, work: F) -> F::Output {
        match &self.0 {
            Some(context) => work.with_context(context.clone()).await,
            None => work.await,
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(context) = &self.0.0 {
            context.span().end();
        }
    }
}

impl From<Kind> for SpanKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Server => Self::Server,
            Kind::Client => Self::Client,
            Kind::Producer => Self::Producer,
            Kind::Consumer => Self::Consumer,
            Kind::Internal => Self::Internal,
        }
    }
}

fn told(context: &Context) -> Option<TraceContext> {
    let span = context.span();
    let context = span.span_context();
    context.is_valid().then(|| TraceContext {
        trace_id: context.trace_id().to_bytes(),
        span_id: context.span_id().to_bytes(),
        is_sampled: context.is_sampled(),
    })
}

fn heard(context: TraceContext) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(context.trace_id),
        SpanId::from_bytes(context.span_id),
        TraceFlags::default().with_sampled(context.is_sampled),
        true,
        TraceState::NONE,
    )
}

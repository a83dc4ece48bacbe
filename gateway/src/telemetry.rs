//! What of a node is traced, and which metrics it has, in the terms of `tidegate_telemetry`.

use std::sync::Arc;

use tidegate_backbone::TraceContext;
use tidegate_codec::Request;
use tidegate_telemetry::metrics::{Family, Source};
use tidegate_telemetry::{Fault, Kind, Options, Settings, Span};

use crate::config::OpenTelemetryConfig;
use crate::node::Node;

/// How telemetry is sent, by the configuration and OpenTelemetry's variables in this environment; `None` if it is not.
///
/// # Errors
/// The option or variable that is at fault.
pub(crate) fn settings(
    config: &OpenTelemetryConfig,
    instance: String,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Option<Settings>, Fault> {
    let options = Options {
        service: "tidegate",
        instance,
        endpoint: config.endpoint.clone(),
        protocol: config.protocol.clone(),
        sampler: config.sampler.clone(),
        sampler_arg: config.sampler_arg.clone(),
    };
    // Faults are told whether it is on or not.
    let settings = Settings::new(options, environment)?;
    Ok(settings.filter(|_| config.enabled))
}

/// The environment, as far as it is text.
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    let all = std::env::vars_os();
    all.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The span of a client's command, which ends when it is answered.
pub(crate) fn command(request: &Request) -> Span {
    Span::accept(Kind::Server, None, || name(request).into())
}

/// The span of a backend's request to the server API.
pub(crate) fn request(node: &Node, cause: Option<TraceContext>, method: &'static str) -> Span {
    match node.config.opentelemetry.api {
        true => Span::accept(Kind::Server, cause, || format!("api {method}").into()),
        false => Span::default(),
    }
}

const fn name(request: &Request) -> &'static str {
    match request {
        Request::Connect(_) => "connect",
        Request::Subscribe(_) => "subscribe",
        Request::Unsubscribe { .. } => "unsubscribe",
        Request::Publish(_) => "publish",
        Request::Presence { .. } => "presence",
        Request::PresenceStats { .. } => "presence_stats",
        Request::History(_) => "history",
        Request::Send { .. } => "send",
        Request::Unknown => "unknown",
        Request::Rpc(_) => "rpc",
        Request::Refresh(_) => "refresh",
        Request::SubRefresh(_) => "sub_refresh",
    }
}

/// The metrics of a node.
pub(crate) struct Metrics(pub(crate) Arc<Node>);

impl Source for Metrics {
    fn families(&self) -> Vec<Family> {
        self.0.metrics()
    }
}

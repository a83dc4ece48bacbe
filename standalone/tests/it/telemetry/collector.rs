//! A collector of OpenTelemetry that keeps what it is sent, over gRPC or HTTP, with or without TLS.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span as Sent;
use tidegate_testkit::authority::Authority;
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::front::Front;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use super::http;

/// A span that was sent.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty for none.
    pub(crate) parent: String,
    pub(crate) links: Vec<(String, String)>,
    pub(crate) attributes: BTreeMap<String, String>,
    /// Of the program.
    pub(crate) service: String,
    pub(crate) instance: String,
    /// In nanoseconds.
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// What the request that it came with says.
    pub(crate) tenant: String,
}

/// What came, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    spans: Arc<Mutex<Vec<Span>>>,
    metrics: Arc<Mutex<Vec<Metric>>>,
}

/// A running collector.
#[derive(Debug)]
pub(crate) struct Collector {
    pub(crate) url: String,
    kept: Kept,
    task: JoinHandle<()>,
    front: Option<Front>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let kept = Kept::default();
        let server = Server::builder()
            .add_service(TraceServiceServer::new(kept.clone()))
            .add_service(MetricsServiceServer::new(kept.clone()))
            .serve_with_incoming(TcpIncoming::from(listener));
        let task = tokio::spawn(async { server.await.unwrap() });
        Self {
            url,
            kept,
            task,
            front: None,
        }
    }

    /// One that is spoken to over HTTP/1.1.
    pub(crate) async fn over_http() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let kept = Kept::default();
        let task = tokio::spawn(http::serve(listener, kept.clone()));
        Self {
            url,
            kept,
            task,
            front: None,
        }
    }

    /// The same over TLS alone, with a certificate by this authority.
    pub(crate) async fn behind_tls(mut self, authority: &Authority, protocol: &str) -> Self {
        let behind = self.url.trim_start_matches("http://").parse().unwrap();
        let certificate = authority.certificate("127.0.0.1").unwrap();
        let front = Front::start(behind, &certificate, protocol).await.unwrap();
        self.url = format!("https://{}", front.address());
        self.front = Some(front);
        self
    }

    /// The spans of this name that have come so far.
    pub(crate) fn named(&self, name: &str) -> Vec<Span> {
        let spans = self.kept.spans.lock().unwrap();
        spans.iter().filter(|it| it.name == name).cloned().collect()
    }

    /// The first span of this name, once it is there.
    pub(crate) async fn span(&self, name: &str) -> Span {
        let find = async || self.named(name).into_iter().next();
        let found = until_some(name, find).await;
        found.unwrap_or_else(|error| panic!("{error}, but {:#?}", self.kept.spans.lock().unwrap()))
    }

    /// The names of all spans so far.
    pub(crate) fn names(&self) -> Vec<String> {
        let spans = self.kept.spans.lock().unwrap();
        spans.iter().map(|it| it.name.clone()).collect()
    }

    /// A metric as it came last, once it has come.
    pub(crate) async fn metric(&self, name: &str) -> Metric {
        let find = async || {
            let metrics = self.kept.metrics.lock().unwrap();
            metrics.iter().rfind(|it| it.name == name).cloned()
        };
        until_some(name, find).await.unwrap()
    }

    /// The names of all metrics so far.
    pub(crate) fn metrics(&self) -> Vec<String> {
        let metrics = self.kept.metrics.lock().unwrap();
        metrics.iter().map(|it| it.name.clone()).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Kept {
    pub(super) fn add_spans(&self, request: ExportTraceServiceRequest, tenant: String) {
        let mut spans = self.spans.lock().unwrap();
        for of_resource in request.resource_spans {
            let resource = of_resource.resource.unwrap_or_default();
            let sent = of_resource.scope_spans.into_iter().flat_map(|it| it.spans);
            spans.extend(sent.map(|sent| Span::new(sent, &resource, tenant.clone())));
        }
    }

    pub(super) fn add_metrics(&self, request: ExportMetricsServiceRequest) {
        let of_resources = request.resource_metrics.into_iter();
        let of_scopes = of_resources.flat_map(|it| it.scope_metrics);
        let mut metrics = self.metrics.lock().unwrap();
        metrics.extend(of_scopes.flat_map(|it| it.metrics));
    }
}

#[tonic::async_trait]
impl TraceService for Kept {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let tenant = request.metadata().get("x-tenant");
        let tenant = tenant.map_or_else(String::new, |it| it.to_str().unwrap().to_owned());
        self.add_spans(request.into_inner(), tenant);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Kept {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.add_metrics(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

impl Span {
    fn new(sent: Sent, resource: &Resource, tenant: String) -> Self {
        let of_program = attributes(&resource.attributes);
        let told = |name: &str| of_program.get(name).cloned().unwrap_or_default();
        let links = sent.links.iter();
        Self {
            links: links
                .map(|it| (hex(&it.trace_id), hex(&it.span_id)))
                .collect(),
            attributes: attributes(&sent.attributes),
            service: told("service.name"),
            instance: told("service.instance.id"),
            trace: hex(&sent.trace_id),
            id: hex(&sent.span_id),
            parent: hex(&sent.parent_span_id),
            start: sent.start_time_unix_nano,
            end: sent.end_time_unix_nano,
            name: sent.name,
            tenant,
        }
    }
}

fn attributes(all: &[KeyValue]) -> BTreeMap<String, String> {
    let texts = all.iter().filter_map(|it| {
        let value = match it.value.as_ref()?.value.as_ref()? {
            any_value::Value::StringValue(text) => text.clone(),
            any_value::Value::IntValue(number) => number.to_string(),
            _ => return None,
        };
        Some((it.key.clone(), value))
    });
    texts.collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

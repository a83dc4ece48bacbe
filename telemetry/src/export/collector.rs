//! A collector: where OTLP goes, over gRPC or HTTP, with or without TLS.

use std::io;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use prost::Message;
use tokio::time::timeout;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

use crate::settings::{Protocol, Settings};

const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

type Connector = HttpsConnector<HttpConnector>;

/// Why a collector did not take something.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// It may take it later.
    #[error("{0}")]
    Later(String),
    /// It never will.
    #[error("{0}")]
    Never(String),
}

/// Where OTLP goes.
pub(super) struct Collector {
    carrier: Carrier,
    traces: Uri,
    metrics: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
    timeout: Duration,
    since: SystemTime,
}

enum Carrier {
    Grpc(Client<Connector, tonic::body::Body>),
    Http(Client<Connector, Full<Bytes>>),
}

impl Collector {
    /// # Errors
    /// When the system's authorities cannot be read.
    pub(super) fn new(settings: &Settings) -> io::Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(settings.timeout));
        let builder = HttpsConnectorBuilder::new().with_native_roots()?;
        let builder = builder.https_or_http();
        let mut client = Client::builder(TokioExecutor::new());
        client
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new());
        let carrier = match settings.protocol {
            Protocol::Grpc => {
                let connector = builder.enable_http2().wrap_connector(tcp);
                Carrier::Grpc(client.http2_only(true).build(connector))
            }
            Protocol::Http => {
                let connector = builder.enable_http1().wrap_connector(tcp);
                Carrier::Http(client.build(connector))
            }
        };
        Ok(Self {
            carrier,
            traces: settings.traces.clone().unwrap_or_default(),
            metrics: settings.metrics.clone().unwrap_or_default(),
            headers: settings.headers.clone(),
            timeout: settings.timeout,
            since: SystemTime::now(),
        })
    }

    /// Since when counters count.
    pub(super) fn since(&self) -> SystemTime {
        self.since
    }

    pub(super) async fn send_spans(
        &self,
        resource_spans: Vec<ResourceSpans>,
    ) -> Result<(), Refusal> {
        let request = ExportTraceServiceRequest { resource_spans };
        self.send::<_, ExportTraceServiceResponse>(&self.traces, TRACES, request)
            .await
    }

    pub(super) async fn send_metrics(&self, metrics: ResourceMetrics) -> Result<(), Refusal> {
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![metrics],
        };
        self.send::<_, ExportMetricsServiceResponse>(&self.metrics, METRICS, request)
            .await
    }

    async fn send<Asked, Answered>(
        &self,
        uri: &Uri,
        method: &'static str,
        request: Asked,
    ) -> Result<(), Refusal>
    where
        Asked: Message + 'static,
        Answered: Message + Default + 'static,
    {
        let sent = async {
            match &self.carrier {
                Carrier::Grpc(client) => {
                    self.call::<_, Answered>(client, uri, method, request).await
                }
                Carrier::Http(client) => self.post(client, uri, &request).await,
            }
        };
        let late = || Refusal::Later(format!("no answer within {:?}", self.timeout));
        timeout(self.timeout, sent)
            .await
            .unwrap_or_else(|_| Err(late()))
    }

    async fn call<Asked, Answered>(
        &self,
        client: &Client<Connector, tonic::body::Body>,
        uri: &Uri,
        method: &'static str,
        request: Asked,
    ) -> Result<(), Refusal>
    where
        Asked: Message + 'static,
        Answered: Message + Default + 'static,
    {
        let mut grpc = tonic::client::Grpc::with_origin(client.clone(), uri.clone());
        let mut request = tonic::Request::new(request);
        let headers: HeaderMap = self.headers.iter().cloned().collect();
        *request.metadata_mut() = tonic::metadata::MetadataMap::from_headers(headers);
        let ready = grpc.ready().await;
        ready.map_err(|error| Refusal::Later(error.to_string()))?;
        let codec = ProstCodec::<Asked, Answered>::default();
        let answered = grpc
            .unary(request, PathAndQuery::from_static(method), codec)
            .await;
        answered.map(drop).map_err(|status| refusal(&status))
    }

    async fn post(
        &self,
        client: &Client<Connector, Full<Bytes>>,
        uri: &Uri,
        request: &impl Message,
    ) -> Result<(), Refusal> {
        let mut post = Request::post(uri.clone());
        for (name, value) in &self.headers {
            post = post.header(name, value);
        }
        let post = post.header(header::CONTENT_TYPE, "application/x-protobuf");
        let post = post.body(Full::new(request.encode_to_vec().into()));
        let post = post.map_err(|error| Refusal::Never(error.to_string()))?;
        let answered = client.request(post).await;
        let answered = answered.map_err(|error| Refusal::Later(cause(&error)))?;
        let status = answered.status();
        // Read to its end, so that the connection can be used again.
        let _body = http_body_util::Limited::new(answered.into_body(), 65_536)
            .collect()
            .await;
        match status {
            status if status.is_success() => Ok(()),
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Err(Refusal::Later(status.to_string())),
            status => Err(Refusal::Never(status.to_string())),
        }
    }
}

/// What a status means (OTLP specification, "Failures").
fn refusal(status: &Status) -> Refusal {
    let text = format!("{:?}: {}", status.code(), cause(status));
    match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::Unknown
        | Code::DataLoss => Refusal::Later(text),
        _ => Refusal::Never(text),
    }
}

fn cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(inner) = error.source() {
        error = inner;
    }
    error.to_string()
}

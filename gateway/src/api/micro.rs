//! The server API over NATS: the micro service `tidegate`, with an endpoint for each method. Bodies of requests and answers are
//! those of HTTP. All nodes are one group: each request is performed by one of them. Who may send to the endpoints'
//! subjects may use them, so there is no key: NATS permissions are the guard.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tidegate_backbone::service::{Endpoint, Handler, Refusal, Served, Service, serve};
use tidegate_backbone::{Bus, Error, Message, TRACE_HEADER, Topic, TraceContext};

use super::Api;
use super::json::{self, Fault, METHODS};

/// The service's name, as `nats micro info` takes it.
const NAME: &str = "tidegate";

/// Offers the service until the returned value is dropped.
pub(crate) async fn start(api: &Api) -> Result<Served, Error> {
    let bus: Arc<dyn Bus> = Arc::clone(&api.cluster().node.backbone) as _;
    let endpoints = METHODS.into_iter().chain([BATCH]);
    let endpoints = endpoints.map(|method| Endpoint {
        name: method,
        topic: Topic::request(NAME, method),
        group: Some(NAME.to_owned()),
        handler: Arc::new(Method {
            api: api.clone(),
            method,
        }),
    });
    let service = Service {
        name: NAME,
        version: env!("CARGO_PKG_VERSION"),
        description: "the server API of Tidegate: channels, and connections of users",
        endpoints: endpoints.collect(),
    };
    serve(&bus, service).await
}

const BATCH: &str = "batch";

struct Method {
    api: Api,
    method: &'static str,
}

impl Handler for Method {
    fn answer(&self, request: Message) -> BoxFuture<'static, Result<Message, Refusal>> {
        let (api, method) = (self.api.clone(), self.method);
        async move {
            // A request without a body asks for nothing in particular.
            let body = match request.data.is_empty() {
                true => b"{}",
                false => &*request.data,
            };
            let header = request.header(TRACE_HEADER);
            let trace = header.and_then(|it| TraceContext::parse(it.as_bytes()));
            let answer = match method {
                BATCH => batch(&api, trace, body).await,
                method => perform(&api, trace, method, body).await,
            };
            answer.map(Message::new)
        }
        .boxed()
    }
}

async fn perform(
    api: &Api,
    trace: Option<TraceContext>,
    method: &str,
    body: &[u8],
) -> Result<Vec<u8>, Refusal> {
    match json::operation(method, body) {
        Ok(operation) => Ok(json::outcome(api.serve(trace, operation).await)),
        Err(fault) => refuse(fault),
    }
}

async fn batch(api: &Api, trace: Option<TraceContext>, body: &[u8]) -> Result<Vec<u8>, Refusal> {
    match json::operations(body) {
        Ok((methods, batch)) => Ok(json::batch(methods, api.serve_batch(trace, batch).await)),
        Err(fault) => refuse(fault),
    }
}

fn refuse(fault: Fault) -> Result<Vec<u8>, Refusal> {
    match fault {
        Fault::Failed(failure) => Ok(json::outcome(Err(failure))),
        Fault::Malformed(reason) => Err(Refusal {
            code: 400,
            text: format!("bad request: {reason}"),
        }),
    }
}

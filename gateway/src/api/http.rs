//! The server API over HTTP: `POST <prefix>/<method>`, and what guards it.

mod key;

use actix_web::error::{ErrorServiceUnavailable, ErrorUnauthorized};
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::value::RawValue;
use tidegate_backbone::{TRACE_HEADER, TraceContext};
use tidegate_codec::Failure;

use super::Api;
use super::json::{self, Fault};
use crate::config::HttpApiConfig;
use crate::node::Node;

/// The header by which a backend asks for HTTP statuses.
const ERROR_MODE: &str = "X-Centrifugo-Error-Mode";

/// Its value, and that of the option.
const TRANSPORT: &str = "transport";

/// Adds the routes.
pub(super) fn configure(app: &mut web::ServiceConfig, node: &Node) {
    let config = &node.config.http_api;
    if config.disabled {
        return;
    }
    let prefix = config.handler_prefix.trim_end_matches('/');
    let limit = web::PayloadConfig::new(config.request_size_limit);
    app.service(
        web::resource(prefix.to_owned())
            .app_data(limit.clone())
            .route(web::post().to(envelope)),
    );
    app.service(
        web::resource(format!("{prefix}/batch"))
            .app_data(limit.clone())
            .route(web::post().to(batch)),
    );
    app.service(
        web::resource(format!("{prefix}/{{method}}"))
            .app_data(limit)
            .route(web::post().to(method)),
    );
}

async fn method(
    api: web::Data<Api>,
    request: HttpRequest,
    method: web::Path<String>,
    payload: web::Payload,
) -> HttpResponse {
    match admit(&api, &request, payload).await {
        Ok(body) => perform(&api, &request, &method, &body).await,
        Err(refusal) => refusal.error_response(),
    }
}

/// The older form: the method's name stands in the body.
async fn envelope(
    api: web::Data<Api>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        method: String,
        #[serde(borrow)]
        params: Option<&'a RawValue>,
    }
    let body = match admit(&api, &request, payload).await {
        Ok(body) => body,
        Err(refusal) => return refusal.error_response(),
    };
    match serde_json::from_slice(&body) {
        Ok(Envelope { method, params }) => {
            let params = params.map_or("{}", RawValue::get);
            perform(&api, &request, &method, params.as_bytes()).await
        }
        Err(error) => malformed(&request, &error.to_string()),
    }
}

async fn perform(api: &Api, request: &HttpRequest, method: &str, body: &[u8]) -> HttpResponse {
    let outcome = match json::operation(method, body) {
        Ok(operation) => api.serve(trace(request), operation).await,
        Err(Fault::Failed(failure)) if !json::METHODS.contains(&method) => {
            return answer(StatusCode::NOT_FOUND, json::outcome(Err(failure)));
        }
        Err(Fault::Failed(failure)) => Err(failure),
        Err(Fault::Malformed(reason)) => return malformed(request, &reason),
    };
    let status = match &outcome {
        Err(failure) if wants_statuses(api, request) => status(failure),
        _ => StatusCode::OK,
    };
    answer(status, json::outcome(outcome))
}

async fn batch(api: web::Data<Api>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let body = match admit(&api, &request, payload).await {
        Ok(body) => body,
        Err(refusal) => return refusal.error_response(),
    };
    match json::operations(&body) {
        Ok((methods, batch)) => {
            let outcomes = api.serve_batch(trace(&request), batch).await;
            answer(StatusCode::OK, json::batch(methods, outcomes))
        }
        Err(Fault::Failed(failure)) => answer(StatusCode::OK, json::outcome(Err(failure))),
        Err(Fault::Malformed(reason)) => malformed(&request, &reason),
    }
}

/// The body of a request that may be performed. Nothing of it is read before the key was shown.
async fn admit(
    api: &Api,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<web::Bytes, actix_web::Error> {
    let config = &api.cluster().node.config.http_api;
    if !config.insecure && !key::is_shown(request, &config.key) {
        return Err(ErrorUnauthorized("unauthorized\n"));
    }
    if api.cluster().node.is_draining() {
        return Err(ErrorServiceUnavailable("stopping\n"));
    }
    web::Bytes::from_request(request, &mut payload.into_inner()).await
}

/// The trace that the backend says.
fn trace(request: &HttpRequest) -> Option<TraceContext> {
    let header = request.headers().get(TRACE_HEADER)?;
    TraceContext::parse(header.as_bytes())
}

fn malformed(request: &HttpRequest, reason: &str) -> HttpResponse {
    tracing::info!(
        path = request.path(),
        reason,
        "malformed request of a backend"
    );
    HttpResponse::BadRequest().body(format!("bad request: {reason}\n"))
}

fn answer(status: StatusCode, body: Vec<u8>) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    response.content_type("application/json").body(body)
}

fn wants_statuses(api: &Api, request: &HttpRequest) -> bool {
    let HttpApiConfig { error_mode, .. } = &api.cluster().node.config.http_api;
    let header = request.headers().get(ERROR_MODE);
    error_mode == TRANSPORT || header.is_some_and(|it| it.as_bytes() == TRANSPORT.as_bytes())
}

/// The status that says the same as a failure's code.
fn status(failure: &Failure) -> StatusCode {
    match failure.code {
        101 => StatusCode::UNAUTHORIZED,
        102 | 104 => StatusCode::NOT_FOUND,
        103 => StatusCode::FORBIDDEN,
        106 | 111 => StatusCode::TOO_MANY_REQUESTS,
        107 => StatusCode::BAD_REQUEST,
        108 => StatusCode::NOT_IMPLEMENTED,
        112 => StatusCode::RANGE_NOT_SATISFIABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

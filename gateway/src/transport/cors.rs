//! Which pages of other origins may use the HTTP endpoints, and what browsers are told of it (Fetch Standard, "HTTP CORS
//! protocol"). The rule is that of WebSocket upgrades, `client.allowed_origins`.

use actix_http::RequestHead;
use actix_web::HttpResponse;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    HeaderValue, ORIGIN, VARY,
};

use super::request::is_origin_allowed;
use crate::node::Node;

/// Seconds for which a browser need not ask again.
const MAX_AGE: &str = "300";

/// An origin that may come in; none for what is not from a browser, or is from the same page.
pub(super) struct Cors {
    origin: Option<HeaderValue>,
    /// What the browser would like to send.
    headers: Option<HeaderValue>,
}

/// `None` for an origin that may not come in.
pub(super) fn check(head: &RequestHead, node: &Node) -> Option<Cors> {
    is_origin_allowed(head, node).then(|| Cors {
        origin: head.headers.get(ORIGIN).cloned(),
        headers: head.headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned(),
    })
}

/// The answer to others.
pub(super) fn forbidden() -> HttpResponse {
    HttpResponse::Forbidden().body("origin is not allowed\n")
}

impl Cors {
    /// Lets the page read a response.
    pub(super) fn allow(&self, response: &mut HttpResponse) {
        let headers = response.headers_mut();
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = &self.origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            let yes = HeaderValue::from_static("true");
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
    }

    /// The answer to a browser that asks first.
    pub(super) fn preflight(&self, methods: &'static str) -> HttpResponse {
        let mut response = HttpResponse::NoContent().finish();
        self.allow(&mut response);
        let headers = response.headers_mut();
        let methods = HeaderValue::from_static(methods);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
        if let Some(wished) = &self.headers {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wished.clone());
        }
        response
    }
}

//! The playground: one page of this project's own, served from the binary.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use actix_web::{HttpResponse, web};

/// Nothing but this origin's own files, and WebSockets to where the user says.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws: wss:; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Path, content type and content of each file.
const FILES: [(&str, &str, &str); 10] = [
    ("/", HTML, include_str!("../playground/index.html")),
    (
        "/style.css",
        "text/css; charset=utf-8",
        include_str!("../playground/style.css"),
    ),
    (
        "/tidegate.svg",
        "image/svg+xml",
        include_str!("../playground/tidegate.svg"),
    ),
    (
        "/playground.js",
        SCRIPT,
        include_str!("../playground/playground.js"),
    ),
    (
        "/client.js",
        SCRIPT,
        include_str!("../playground/client.js"),
    ),
    (
        "/channels.js",
        SCRIPT,
        include_str!("../playground/channels.js"),
    ),
    (
        "/frames.js",
        SCRIPT,
        include_str!("../playground/frames.js"),
    ),
    ("/log.js", SCRIPT, include_str!("../playground/log.js")),
    (
        "/presence.js",
        SCRIPT,
        include_str!("../playground/presence.js"),
    ),
    ("/theme.js", SCRIPT, include_str!("../playground/theme.js")),
];

/// Adds the page's routes.
pub(crate) fn configure(app: &mut web::ServiceConfig) {
    for (path, content_type, content) in FILES {
        let serve = move || async move {
            HttpResponse::Ok()
                .content_type(content_type)
                .insert_header((CONTENT_SECURITY_POLICY, CONTENT_POLICY))
                .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
                .insert_header((CACHE_CONTROL, "no-cache"))
                .body(content)
        };
        app.route(path, web::get().to(serve));
    }
}

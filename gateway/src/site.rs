//! What is served besides the clients' transports: whether the node lives and is of use, its metrics, the playground.

use actix_web::{HttpResponse, web};
use tidegate_telemetry::metrics::{CONTENT_TYPE, page};

use crate::health::Report;
use crate::node::Node;
use crate::{api, playground, transport};

/// Adds the routes that the configuration asks for.
pub(crate) fn configure(app: &mut web::ServiceConfig, node: &Node) {
    let config = &node.config;
    if !config.websocket.disabled {
        // With the lean engine what gets here is no upgrade, and is refused.
        app.route(
            &config.websocket.handler_prefix,
            web::to(transport::upgrade_by_actix),
        );
    }
    let one_way = &config.uni_websocket;
    if one_way.enabled {
        app.route(
            &one_way.handler_prefix,
            web::to(transport::upgrade_by_actix),
        );
    }
    for kind in transport::Kind::ALL {
        let section = kind.section(config);
        if section.enabled {
            let serve =
                move |request, payload, worker| transport::serve(kind, request, payload, worker);
            app.route(section.path, web::to(serve));
        }
    }
    if config.http_stream.enabled || config.sse.enabled {
        app.route(
            &config.emulation.handler_prefix,
            web::to(transport::emulate),
        );
    }
    if config.health.enabled {
        app.route(
            "/health",
            web::get().to(async || HttpResponse::Ok().body("ok\n")),
        );
        app.route("/ready", web::get().to(ready));
    }
    if config.prometheus.enabled {
        app.route(&config.prometheus.handler_prefix, web::get().to(metrics));
    }
    api::configure(app, node);
    if config.playground.enabled {
        app.configure(playground::configure);
    }
}

async fn ready(node: web::Data<Node>) -> HttpResponse {
    let report = Report::of(&node);
    match report.is_ready() {
        true => HttpResponse::Ok().json(report),
        false => HttpResponse::ServiceUnavailable().json(report),
    }
}

async fn metrics(node: web::Data<Node>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(CONTENT_TYPE)
        .body(page(&node.metrics()))
}

//! What is served besides the clients' transports: whether the node lives and is of use, its metrics, the playground.

use actix_web::{HttpResponse, web};
use tidegate_backbone::DurabilityReport;
use tidegate_telemetry::metrics::{CONTENT_TYPE, page};

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
    if node.is_ready() {
        return HttpResponse::Ok().body("ready\n");
    }
    let lacking = |it: &DurabilityReport| it.level < it.required;
    let reason = if node.is_draining() {
        "stopping".to_owned()
    } else if let Some(stream) = node.backbone.durability().into_iter().find(lacking) {
        let namespace = stream.namespace.unwrap_or_default();
        let (level, required) = (stream.level, stream.required);
        let reason = stream.reason;
        format!("stream of namespace {namespace:?} is {level}, and has to be {required}: {reason}")
    } else {
        "backbone is not reachable".to_owned()
    };
    HttpResponse::ServiceUnavailable().body(format!("not ready: {reason}\n"))
}

async fn metrics(node: web::Data<Node>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(CONTENT_TYPE)
        .body(page(&node.metrics()))
}

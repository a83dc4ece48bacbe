//! The description of the server API: OpenAPI, and a page of our own that shows it.

use actix_web::http::header::{CONTENT_SECURITY_POLICY, LOCATION, X_CONTENT_TYPE_OPTIONS};
use actix_web::{HttpResponse, web};

use crate::node::Node;

/// Nothing but this origin's own files.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const OPENAPI: &str = include_str!("../../swagger/openapi.json");

/// Name, content type and content of each file.
const FILES: [(&str, &str, &str); 3] = [
    (
        "",
        "text/html; charset=utf-8",
        include_str!("../../swagger/index.html"),
    ),
    (
        "style.css",
        "text/css; charset=utf-8",
        include_str!("../../swagger/style.css"),
    ),
    (
        "page.js",
        "text/javascript; charset=utf-8",
        include_str!("../../swagger/page.js"),
    ),
];

/// Adds the routes.
pub(super) fn configure(app: &mut web::ServiceConfig, node: &Node) {
    if !node.config.swagger.enabled {
        return;
    }
    let prefix = node.config.swagger.handler_prefix.trim_end_matches('/');
    let folder = format!("{prefix}/");
    let moved = move || {
        let folder = folder.clone();
        async move {
            HttpResponse::PermanentRedirect()
                .insert_header((LOCATION, folder))
                .finish()
        }
    };
    app.route(prefix, web::get().to(moved));
    for (name, content_type, content) in FILES {
        let serve = move || async move { file(content_type, content.to_owned()) };
        app.route(&format!("{prefix}/{name}"), web::get().to(serve));
    }
    let openapi = openapi(&node.config.http_api.handler_prefix);
    let serve = move || {
        let openapi = openapi.clone();
        async move { file("application/json", openapi) }
    };
    app.route(&format!("{prefix}/openapi.json"), web::get().to(serve));
}

/// The description of an API below this path.
fn openapi(prefix: &str) -> String {
    let mut description: serde_json::Value =
        serde_json::from_str(OPENAPI).expect("the description is JSON");
    description["servers"][0]["url"] = prefix.trim_end_matches('/').into();
    description.to_string()
}

fn file(content_type: &'static str, content: String) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((CONTENT_SECURITY_POLICY, CONTENT_POLICY))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(content)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Map, Value, json};

    use super::*;
    use crate::api::json::{Fault, METHODS, operation, operations};

    fn paths() -> Map<String, Value> {
        let description: Value = serde_json::from_str(&openapi("/api/")).unwrap();
        assert_eq!(description["servers"][0]["url"], "/api");
        description["paths"].as_object().unwrap().clone()
    }

    /// Whether a method takes a body for one.
    fn takes(method: &str, body: &Value) -> bool {
        let body = body.to_string();
        let fault = match method {
            "batch" => operations(body.as_bytes()).err(),
            method => operation(method, body.as_bytes()).err(),
        };
        !matches!(fault, Some(Fault::Malformed(_)))
    }

    /// A value that fits a schema, and one that does not; anything fits one without a type.
    fn values(schema: &Value) -> (Value, Option<Value>) {
        match schema["type"].as_str() {
            Some("string") => (json!(""), Some(json!({}))),
            Some("integer") => (json!(1), Some(json!(""))),
            Some("boolean") => (json!(true), Some(json!(1))),
            Some("array") => (json!([]), Some(json!(1))),
            Some("object") => (json!({}), Some(json!(1))),
            _ if schema.get("$ref").is_some() => (json!({ "offset": 1 }), Some(json!(1))),
            _ => (json!({ "any": 1 }), None),
        }
    }

    #[test]
    fn it_describes_the_methods_that_there_are() {
        let described: BTreeSet<_> = paths().keys().map(|path| path[1..].to_owned()).collect();
        let there_are = METHODS.into_iter().chain(["batch"]).map(str::to_owned);
        assert_eq!(described, there_are.collect());
    }

    #[test]
    fn its_members_are_those_that_the_server_reads() {
        // Without effect here, so not read.
        let ignored = ["delta"];
        let mut count = 0;
        for (path, item) in paths() {
            let method = &path[1..];
            let body = &item["post"]["requestBody"]["content"]["application/json"];
            for (name, schema) in body["schema"]["properties"].as_object().unwrap() {
                let (good, bad) = values(schema);
                assert!(takes(method, &json!({ name: good })), "{method} {name}");
                let Some(bad) = bad.filter(|_| !ignored.contains(&name.as_str())) else {
                    continue;
                };
                assert!(
                    !takes(method, &json!({ name: bad })),
                    "{method} does not read {name}"
                );
                count += 1;
            }
        }
        assert!(count > 40, "{count}");
    }
}

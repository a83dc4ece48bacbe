//! What the Prometheus operator is told: monitors find every program, and policies let Prometheus in.

use serde_json::Value;

use super::documents::{Documents, file};
use super::pod::list;

const APP: &str = "app.kubernetes.io/name";

/// Whether a selector of labels takes this application in.
fn selects(selector: &Value, app: &str) -> bool {
    let expressions: Vec<_> = list(&selector["matchExpressions"]).collect();
    let is_named = |it: &&Value| {
        it["key"] == APP && it["operator"] == "In" && list(&it["values"]).any(|value| value == app)
    };
    match &selector["matchLabels"] {
        Value::Object(labels) => labels.iter().all(|(key, value)| key == APP && value == app),
        _ => expressions.is_empty() || expressions.iter().any(is_named),
    }
}

fn of_kind<'a>(documents: &'a Documents, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    documents.all().iter().filter(move |it| it["kind"] == kind)
}

/// Whether a policy lets the namespace of Prometheus, or everybody, reach the port of this application.
fn is_let_in(documents: &Documents, app: &str, port: &Value) -> bool {
    let rules = of_kind(documents, "NetworkPolicy")
        .filter(|it| selects(&it["spec"]["podSelector"], app))
        .flat_map(|it| list(&it["spec"]["ingress"]));
    let comes_in = |rule: &Value| {
        rule["from"].is_null()
            || list(&rule["from"]).any(|it| {
                it["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
                    == "monitoring"
            })
    };
    let has_port = |rule: &Value| list(&rule["ports"]).any(|it| it["port"] == *port);
    rules.into_iter().any(|it| comes_in(it) && has_port(it))
}

#[test]
fn every_program_is_scraped() {
    let documents = Documents::render(&file("kubernetes/overlays/production")).unwrap();
    for app in ["gateway", "history", "presence"] {
        let mut monitors = of_kind(&documents, "ServiceMonitor")
            .filter(|it| selects(&it["spec"]["selector"], app));
        let monitor = monitors.next().unwrap_or_else(|| panic!("{app}"));
        assert!(monitors.next().is_none(), "{app} is scraped twice");
        let endpoint = &monitor["spec"]["endpoints"][0];
        assert_eq!(endpoint["path"], "/metrics");
        assert_eq!(endpoint["honorLabels"], true, "{app}: its namespaces");
        let service = documents.get("Service", app).unwrap();
        let mut ports = list(&service["spec"]["ports"]);
        let port = ports.find(|it| it["name"] == endpoint["port"]);
        let port = &port.unwrap_or_else(|| panic!("{app} has no such port"))["targetPort"];
        assert!(selects(&monitor["spec"]["selector"], app));
        assert_eq!(service["metadata"]["labels"][APP], app);
        assert!(is_let_in(&documents, app, port), "{app} {port}");
    }
    // Nobody else is let in to the services' metrics.
    let local = Documents::render(&file("kubernetes/overlays/local")).unwrap();
    assert!(!is_let_in(&local, "history", &"metrics".into()));
}

//! The ways to a collector: each protocol, with and without TLS.

use serde_json::json;
use tidegate_testkit::authority::Authority;
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::gateway::Gateway;
use tidegate_testkit::nats::NatsServer;

use super::client::Client;
use super::collector::Collector;
use super::{AT_ONCE, config, gateway, nats, tells};

const HTTP: &str = "http/protobuf";

/// A gateway that sends to this collector in this way.
async fn sender(
    nats: &NatsServer,
    collector: &Collector,
    protocol: &str,
    trusted: &Authority,
) -> Gateway {
    let mut config = tells(config(), &collector.url);
    config["opentelemetry"]["protocol"] = json!(protocol);
    let file = trusted.file();
    let environment = [
        AT_ONCE,
        ("OTEL_METRIC_EXPORT_INTERVAL", "50"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=seven%20up"),
        ("SSL_CERT_FILE", file.to_str().unwrap()),
    ];
    gateway(nats, &config, &environment).await
}

async fn collector(protocol: &str) -> Collector {
    match protocol {
        HTTP => Collector::over_http().await,
        _ => Collector::start().await,
    }
}

#[tokio::test]
async fn each_protocol_with_and_without_tls_is_spoken() {
    let authority = Authority::new().unwrap();
    let nats = nats().await;
    for (protocol, alpn) in [
        ("grpc", None),
        (HTTP, None),
        ("grpc", Some("h2")),
        (HTTP, Some("http/1.1")),
    ] {
        let mut collector = collector(protocol).await;
        if let Some(alpn) = alpn {
            collector = collector.behind_tls(&authority, alpn).await;
        }
        let gateway = sender(&nats, &collector, protocol, &authority).await;
        let mut client = Client::connect(&gateway).await;
        client.subscribe("chat:room").await;
        let span = collector.span("subscribe").await;
        assert_eq!(span.tenant, "seven up", "{protocol} at {}", collector.url);
        collector.metric("tidegate_connections").await;
        let sent = async || (gateway.metric("tidegate_spans_sent").await.ok()? >= 2).then_some(());
        until_some("both spans are counted", sent).await.unwrap();
    }
}

#[tokio::test]
async fn a_collector_that_cannot_be_trusted_is_sent_nothing_and_the_log_says_why() {
    let (authority, other) = (Authority::new().unwrap(), Authority::new().unwrap());
    let nats = nats().await;
    for (protocol, alpn) in [("grpc", "h2"), (HTTP, "http/1.1")] {
        let collector = collector(protocol).await;
        let collector = collector.behind_tls(&authority, alpn).await;
        let gateway = sender(&nats, &collector, protocol, &other).await;
        Client::connect(&gateway).await;
        let failed = async || {
            let failed = gateway.metric("tidegate_metric_exports_failed").await;
            failed.ok().filter(|it| *it > 0)
        };
        until_some("metrics are not taken", failed).await.unwrap();
        let told = async || {
            let is_told = gateway.output().contains("invalid peer certificate");
            is_told.then_some(())
        };
        let told = until_some("the log says why", told).await;
        told.unwrap_or_else(|error| panic!("{protocol}: {error}: {}", gateway.output()));
        assert_eq!(gateway.metric("tidegate_spans_sent").await.unwrap(), 0);
        assert!(collector.names().is_empty() && collector.metrics().is_empty());
    }
}

#[tokio::test]
async fn what_a_collector_refuses_is_counted_and_not_sent_again() {
    let nats = nats().await;
    let collector = Collector::over_http().await;
    let mut config = tells(config(), &format!("{}/elsewhere", collector.url));
    config["opentelemetry"]["protocol"] = json!(HTTP);
    let gateway = gateway(&nats, &config, &[AT_ONCE]).await;
    Client::connect(&gateway).await;
    let refused = "tidegate_spans_dropped{reason=\"refused\"}";
    let dropped = async || gateway.metric(refused).await.ok().filter(|it| *it > 0);
    until_some("spans are refused", dropped).await.unwrap();
    for name in ["sent", "dropped{reason=\"unreachable\"}"] {
        let value = gateway.metric(&format!("tidegate_spans_{name}")).await;
        assert_eq!(value.unwrap(), 0, "{name}");
    }
}

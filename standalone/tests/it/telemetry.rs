//! What the programs tell of themselves, over OTLP, on NATS and in their logs.

pub(crate) mod backend;
mod client;
mod collector;
mod hooks;
mod http;
mod labels;
mod secrets;
mod sending;
mod values;

use std::process::Command;

use futures_util::StreamExt;
use serde_json::{Value, json};
use tidegate_testkit::binaries::binary;
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::gateway::Gateway;
use tidegate_testkit::nats::NatsServer;
use tidegate_testkit::program::Program;

use super::archive::free_address;
use backend::Backend;
use client::Client;
use collector::{Collector, Span};

/// Spans are sent at once.
const AT_ONCE: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "1");

/// Of somebody else.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
/// A span of it.
const SPAN: &str = "b7ad6b7169203331";

/// Anybody may do anything in `kept:…`, about whose publications a backend is asked, and in `chat:…`.
fn config() -> Value {
    json!({
        "client": { "insecure": true },
        "http_api": { "insecure": true },
        "channel": {
            "namespaces": [
                { "name": "chat" },
                { "name": "kept", "history_size": 100, "history_ttl": "10m" },
            ],
        },
        "shutdown": { "drain": "0s", "timeout": "10s" },
        "prometheus": { "enabled": true },
    })
}

fn asks(mut config: Value, backend: &Backend) -> Value {
    config["channel"]["proxy"]["publish"]["endpoint"] = json!(backend.url);
    config["channel"]["namespaces"][1]["publish_proxy_enabled"] = json!(true);
    config
}

fn tells(mut config: Value, url: &str) -> Value {
    config["opentelemetry"] = json!({ "enabled": true, "api": true, "endpoint": url });
    config
}

async fn nats() -> NatsServer {
    NatsServer::start_with("jetstream: enabled\n")
        .await
        .unwrap()
}

async fn gateway(nats: &NatsServer, config: &Value, environment: &[(&str, &str)]) -> Gateway {
    start(Some(&nats.url()), config, environment).await
}

/// A gateway without NATS, unless it is told of one.
async fn start(nats: Option<&str>, config: &Value, environment: &[(&str, &str)]) -> Gateway {
    let executable = env!("CARGO_BIN_EXE_tidegate");
    let gateway = Gateway::start_in(executable, config, nats, environment);
    let gateway = gateway.await.unwrap();
    let ready = async || (gateway.get("/ready").await.ok()?.0 == 200).then_some(());
    until_some("the gateway is ready", ready).await.unwrap();
    gateway
}

/// A history service that archives `kept`.
async fn archive(nats: &NatsServer, collector: &Collector, folder: &str) -> Program {
    let mut command = Command::new(binary("tidegate-history").unwrap());
    command.args(["--nats", &nats.url(), "--namespace", "kept", "--listen"]);
    command.args([&free_address(), "--archive", folder, "--opentelemetry"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    command.envs([AT_ONCE]);
    let mut program = Program::start(command).unwrap();
    program.next_line().await.unwrap();
    program
}

#[tokio::test]
async fn one_trace_leads_from_the_command_to_subscribers_and_archive() {
    let (nats, collector, backend) = (
        nats().await,
        Collector::start().await,
        Backend::start().await,
    );
    let config = tells(asks(config(), &backend), &collector.url);
    let near = gateway(&nats, &config, &[AT_ONCE]).await;
    // This one has not sent its spans when it is asked to stop.
    let mut far = gateway(&nats, &config, &[("OTEL_BSP_SCHEDULE_DELAY", "600000")]).await;
    let folder = tempfile::tempdir().unwrap();
    let mut archive = archive(&nats, &collector, folder.path().to_str().unwrap()).await;
    let mut listeners = [Client::connect(&far).await, Client::connect(&far).await];
    for listener in &mut listeners {
        listener.subscribe("kept:room").await;
    }
    let mut publisher = Client::connect(&near).await;
    let publish = json!({ "channel": "kept:room", "data": 1 });
    let reply = publisher.ask("publish", publish).await;
    assert!(reply["publish"].is_object(), "{reply}");
    for listener in &mut listeners {
        assert_eq!(listener.publication().await, 1);
    }
    let ingest = collector.span("ingest kept").await;
    far.stop().await.unwrap();
    archive.terminate().unwrap();
    archive.succeeded().await.unwrap();

    check_trace(&collector, &backend, &ingest).await;
}

/// Every step once, each inside of the one before.
async fn check_trace(collector: &Collector, backend: &Backend, ingest: &Span) {
    let root = collector.span("publish").await;
    let hook = collector.span("hook publish").await;
    let sent = collector.span("publish kept").await;
    let received = collector.span("receive kept").await;
    let fan_out = collector.span("fan out").await;
    assert_eq!(root.parent, "", "{root:?}");
    for (span, parent) in [
        (&hook, &root),
        (&sent, &root),
        (&received, &sent),
        (&fan_out, &received),
    ] {
        assert_eq!(
            (&span.trace, &span.parent),
            (&root.trace, &parent.id),
            "{}",
            span.name
        );
        assert!(
            parent.start <= span.start && span.start <= span.end,
            "{span:?}"
        );
    }
    assert!(
        hook.end <= sent.start,
        "it was published before the backend agreed"
    );
    assert_eq!(
        backend.header("traceparent"),
        [format!("00-{}-{}-01", root.trace, hook.id)]
    );
    assert_eq!(ingest.links, [(root.trace.clone(), sent.id.clone())]);
    assert_eq!(fan_out.attributes["tidegate.subscribers"], "2");
    assert_eq!(sent.attributes["messaging.destination.name"], "kept:room");
    assert_eq!(root.instance, sent.instance);
    assert_eq!(received.instance, fan_out.instance);
    assert_ne!(root.instance, received.instance);
    assert_eq!(
        (&*root.service, &*ingest.service),
        ("tidegate", "tidegate-history")
    );
    // One for each gateway with subscribers, whatever their number.
    for name in ["receive kept", "fan out", "publish kept", "hook publish"] {
        assert_eq!(collector.named(name).len(), 1, "{:?}", collector.names());
    }
}

/// One process is all of it, and its log keeps to which trace a publication belongs.
#[tokio::test]
async fn a_trace_leads_to_subscribers_and_archive_without_nats() {
    let collector = Collector::start().await;
    let mut config = tells(config(), &collector.url);
    config["channel"]["namespaces"][1]["archive"] = json!(true);
    config["history_service"]["address"] = json!(free_address());
    let folder = tempfile::tempdir().unwrap();
    config["embedded"]["data_dir"] = json!(folder.path());
    let gateway = start(None, &config, &[AT_ONCE]).await;
    let mut listener = Client::connect(&gateway).await;
    listener.subscribe("kept:room").await;
    let publish = json!({ "channel": "kept:room", "data": 1 });
    listener.ask("publish", publish).await;
    assert_eq!(listener.publication().await, 1);
    let sent = collector.span("publish kept").await;
    let received = collector.span("receive kept").await;
    let ingest = collector.span("ingest kept").await;
    assert_eq!((&received.trace, &received.parent), (&sent.trace, &sent.id));
    assert_eq!(ingest.links, [(sent.trace, sent.id)]);
}

/// What a plain subscriber of NATS sees of a publication by the server API.
async fn header_on_nats(options: Value) -> Option<String> {
    let nats = nats().await;
    let mut config = config();
    config["opentelemetry"] = options;
    let gateway = gateway(&nats, &config, &[AT_ONCE]).await;
    let client = async_nats::connect(nats.url()).await.unwrap();
    let mut subscriber = client.subscribe("tide.pub.chat.>").await.unwrap();
    client.flush().await.unwrap();
    post(&gateway, "chat:room", None).await;
    let message = subscriber.next().await.unwrap();
    assert_eq!(message.payload, "1");
    let headers = message.headers?;
    headers.get("traceparent").map(ToString::to_string)
}

/// Publishes through the server API.
async fn post(gateway: &Gateway, channel: &str, trace: Option<&str>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let host = gateway.http();
    let host = host.trim_start_matches("http://");
    let body = json!({ "channel": channel, "data": 1 }).to_string();
    let trace = trace.map_or_else(String::new, |it| format!("traceparent: {it}\r\n"));
    let length = body.len();
    let request = format!(
        "POST /api/publish HTTP/1.0\r\nhost: {host}\r\n{trace}content-length: {length}\r\n\r\n{body}"
    );
    let mut socket = tokio::net::TcpStream::connect(host).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.ends_with('}') && !answer.contains("error"),
        "{answer}"
    );
}

#[tokio::test]
async fn nats_is_told_of_a_trace_only_if_it_is_recorded() {
    let collector = Collector::start().await;
    let on = |more: Value| {
        let mut options = tells(json!({}), &collector.url)["opentelemetry"].clone();
        for (name, value) in more.as_object().unwrap() {
            options[name] = value.clone();
        }
        options
    };
    for (options, is_told) in [
        (json!({}), false),
        (on(json!({})), true),
        (on(json!({ "api": false })), false),
        (on(json!({ "sampler": "always_off" })), false),
        (
            on(json!({ "sampler": "parentbased_traceidratio", "sampler_arg": "0" })),
            false,
        ),
    ] {
        let told = header_on_nats(options.clone()).await;
        assert_eq!(told.is_some(), is_told, "{options}: {told:?}");
    }
}

#[tokio::test]
async fn traces_of_others_go_on() {
    let (nats, collector) = (nats().await, Collector::start().await);
    let gateway = gateway(&nats, &tells(config(), &collector.url), &[AT_ONCE]).await;
    let mut listener = Client::connect(&gateway).await;
    listener.subscribe("chat:room").await;
    let client = async_nats::connect(nats.url()).await.unwrap();
    // Of what its publisher does not record nothing is told, nor of what has no trace.
    for flags in ["00", "01", ""] {
        let mut headers = async_nats::HeaderMap::new();
        if !flags.is_empty() {
            headers.insert("traceparent", format!("00-{TRACE}-{SPAN}-{flags}"));
        }
        let data = "\"plain\"".into();
        let sent = client.publish_with_headers("tide.pub.chat.room", headers, data);
        sent.await.unwrap();
        assert_eq!(listener.publication().await, "plain");
    }
    let received = collector.span("receive chat").await;
    assert_eq!((&*received.trace, &*received.parent), (TRACE, SPAN));

    post(
        &gateway,
        "chat:room",
        Some(&format!("00-{TRACE}-{SPAN}-00")),
    )
    .await;
    post(
        &gateway,
        "chat:room",
        Some(&format!("00-{TRACE}-{SPAN}-01")),
    )
    .await;
    listener.publication().await;
    listener.publication().await;
    let request = collector.span("api publish").await;
    assert_eq!((&*request.trace, &*request.parent), (TRACE, SPAN));
    assert_eq!(collector.span("publish chat").await.parent, request.id);
    let both = async || (collector.named("receive chat").len() >= 2).then_some(());
    until_some("both are received", both).await.unwrap();
    assert_eq!(collector.named("api publish").len(), 1);
    assert_eq!(collector.named("receive chat").len(), 2);
}

#[tokio::test]
async fn without_a_collector_everything_goes_on_and_what_is_lost_is_counted() {
    let nats = nats().await;
    let environment = [
        AT_ONCE,
        ("OTEL_BSP_MAX_QUEUE_SIZE", "4"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1"),
    ];
    let config = tells(config(), &format!("http://{}", free_address()));
    let mut gateway = gateway(&nats, &config, &environment).await;
    let mut client = Client::connect(&gateway).await;
    client.subscribe("chat:room").await;
    for number in 0..50 {
        let publish = json!({ "channel": "chat:room", "data": number });
        let reply = client.ask("publish", publish).await;
        assert!(reply["publish"].is_object(), "{reply}");
        assert_eq!(client.publication().await, number);
    }
    for reason in ["queue_full", "unreachable"] {
        let name = format!("tidegate_spans_dropped{{reason=\"{reason}\"}}");
        let dropped = async || gateway.metric(&name).await.ok().filter(|it| *it > 0);
        until_some(reason, dropped).await.unwrap();
    }
    assert_eq!(gateway.metric("tidegate_spans_sent").await.unwrap(), 0);
    gateway.stop().await.unwrap();
}

#[tokio::test]
async fn metrics_go_over_otlp_as_they_are_scraped() {
    let (nats, collector) = (nats().await, Collector::start().await);
    let environment = [("OTEL_METRIC_EXPORT_INTERVAL", "50")];
    let gateway = gateway(&nats, &tells(config(), &collector.url), &environment).await;
    let mut client = Client::connect(&gateway).await;
    client.subscribe("chat:room").await;
    let publish = json!({ "channel": "chat:room", "data": 1 });
    client.ask("publish", publish).await;
    client.publication().await;
    collector.metric("tidegate_fan_out_seconds").await;
    let (_, page) = gateway.get("/metrics").await.unwrap();
    let sent = collector.metrics();
    for line in page.lines() {
        let Some(typed) = line.strip_prefix("# TYPE ") else {
            continue;
        };
        let (name, _) = typed.split_once(' ').unwrap();
        let has_value = page.lines().any(|it| it.starts_with(name));
        assert!(
            !has_value || sent.iter().any(|it| it == name),
            "{name} of {sent:?}"
        );
    }
}

#[tokio::test]
async fn log_lines_name_the_trace_that_they_belong_to() {
    let (nats, collector) = (nats().await, Collector::start().await);
    let mut config = tells(config(), &collector.url);
    config["channel"]["proxy"]["publish"]["endpoint"] =
        json!(format!("http://{}/", free_address()));
    config["channel"]["namespaces"][1]["publish_proxy_enabled"] = json!(true);
    config["log"] = json!({ "format": "json" });
    let gateway = gateway(&nats, &config, &[AT_ONCE]).await;
    let mut client = Client::connect(&gateway).await;
    let publish = json!({ "channel": "kept:room", "data": 1 });
    let reply = client.ask("publish", publish).await;
    assert_eq!(reply["error"]["code"], 100);
    let hook = collector.span("hook publish").await;
    let output = gateway.output();
    let line = output
        .lines()
        .find(|it| it.contains("a backend did not answer"));
    let line: Value = serde_json::from_str(line.expect(&output)).unwrap();
    assert_eq!(
        (line["trace_id"].as_str(), line["span_id"].as_str()),
        (Some(&*hook.trace), Some(&*hook.id))
    );
    let others: Vec<_> = output
        .lines()
        .filter(|it| it.contains("\"serving\""))
        .collect();
    assert!(
        !others.is_empty() && others.iter().all(|it| !it.contains("trace_id")),
        "{others:?}"
    );
}

/// Names and types in the table of metrics.
fn documented() -> Vec<(String, String)> {
    let text = include_str!("../../../docs/telemetry.md");
    let rows = text.lines().filter(|line| line.starts_with("| `tidegate_"));
    let cells = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    cells
        .map(|it| (it[1].trim_matches('`').to_owned(), it[2].to_owned()))
        .collect()
}

#[tokio::test]
async fn each_metric_is_documented_and_each_documented_one_is_there() {
    let (nats, collector) = (nats().await, Collector::start().await);
    let backend = Backend::start().await;
    let config = tells(asks(config(), &backend), &collector.url);
    let gateway = gateway(&nats, &config, &[AT_ONCE]).await;
    let mut client = Client::connect(&gateway).await;
    for channel in ["chat:room", "kept:room", "kept:room"] {
        client.ask("subscribe", json!({ "channel": channel })).await;
        let publish = json!({ "channel": channel, "data": 1 });
        client.ask("publish", publish).await;
        assert_eq!(client.publication().await, 1);
    }
    client
        .ask("publish", json!({ "channel": "nowhere:room", "data": 1 }))
        .await;
    post(&gateway, "chat:room", None).await;
    client.publication().await;
    collector.span("publish chat").await;
    let sent = async || (gateway.metric("tidegate_spans_sent").await.ok()? > 0).then_some(());
    until_some("spans are sent", sent).await.unwrap();

    let (_, page) = gateway.get("/metrics").await.unwrap();
    let typed = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let typed = typed.filter_map(|it| it.split_once(' '));
    let mut there: Vec<_> = typed
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect();
    let mut documented = documented();
    there.sort();
    documented.sort();
    assert_eq!(there, documented);
    for line in [
        "tidegate_connections 1",
        "tidegate_subscriptions 2",
        "tidegate_channels 2",
        "tidegate_publications_in 3",
        "tidegate_publications_out 4",
        "tidegate_namespace_published{namespace=\"chat\",by=\"client\"} 1",
        "tidegate_namespace_published{namespace=\"chat\",by=\"backend\"} 1",
        "tidegate_namespace_published{namespace=\"kept\",by=\"client\"} 2",
        "tidegate_namespace_received{namespace=\"chat\"} 2",
        "tidegate_namespace_delivered{namespace=\"kept\"} 2",
        "tidegate_confirm_seconds_count{by=\"stream\"} 2",
        "tidegate_confirm_seconds_count{by=\"carrier\"} 2",
        "tidegate_fan_out_seconds_count 4",
        "tidegate_hook_outcomes{target=\"default\",event=\"publish\",outcome=\"granted\"} 2",
        "tidegate_hook_seconds_count{target=\"default\",event=\"publish\"} 2",
        "tidegate_stream_durability{namespace=\"kept\"} 0",
        "tidegate_stream_durability_required{namespace=\"kept\"} 0",
        "tidegate_worker_queue_length 0",
        "tidegate_worker_queue_bytes 0",
        "tidegate_closed{code=\"3008\"} 0",
    ] {
        assert!(page.lines().any(|it| it == line), "{line}\n{page}");
    }
}

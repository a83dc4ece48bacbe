//! What tracing costs a publication from a request to a subscriber's socket: while it is off, while the trace is not
//! recorded, and while it is. Everything that the process allocates meanwhile counts.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;

use dhat::HeapStats;
use tidegate_backbone::embedded::Embedded;
use tidegate_gateway::auth::mint;
use tidegate_gateway::config::Config;
use tidegate_gateway::server::Server;
use tidegate_telemetry::{Exporting, Options, Settings};

use super::{connect, read_until};

/// Publications of one measurement.
const ROUNDS: u32 = 200;

/// Allocations of a request to the server API that publishes, with one subscriber, while tracing is off.
const OFF: f64 = 38.0;

/// The same of a client's publish.
const COMMAND_OFF: f64 = 42.0;

/// How many more there are while traces are made of which none is recorded.
const NOT_RECORDED: f64 = 11.0;

/// How many more there are of a trace that is recorded: four spans, which wait for the collector.
const RECORDED: f64 = 26.0;

/// Of somebody else; the sampler records what others do.
const TRACE: &str = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";

/// A client that subscribes and publishes, and a backend that publishes.
struct Publishers {
    client: TcpStream,
    backend: TcpStream,
}

impl Publishers {
    /// Allocations of one publication by the backend, on the average.
    fn by_backend(&mut self, trace: &str) -> f64 {
        let body = "{\"channel\":\"news\",\"data\":{}}";
        let request = format!(
            "POST /api/publish HTTP/1.1\r\nHost: localhost\r\n{trace}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        measure(|_| {
            self.backend.write_all(request.as_bytes()).unwrap();
            read_until(&mut self.backend, "\"result\":");
            read_until(&mut self.client, "\"pub\":");
        })
    }

    /// The same by the client.
    fn by_client(&mut self) -> f64 {
        measure(|round| {
            let id = 1_000 + round;
            let command = format!(
                "{{\"id\":{id},\"publish\":{{\"channel\":\"news\",\"data\":{{\"a\":{id}}}}}}}"
            );
            let length = u8::try_from(command.len()).unwrap();
            let head = [0x81, 0x80 | length, 0, 0, 0, 0];
            let frame = [&head[..], command.as_bytes()].concat();
            self.client.write_all(&frame).unwrap();
            read_until(&mut self.client, &format!("\"id\":{id}"));
        })
    }
}

fn measure(mut publish: impl FnMut(u32)) -> f64 {
    (0..20).for_each(&mut publish);
    let before = HeapStats::get().total_blocks;
    (0..ROUNDS).for_each(&mut publish);
    (HeapStats::get().total_blocks - before) as f64 / f64::from(ROUNDS)
}

/// Traces are made of everything, and recorded where others record them; nobody takes them.
fn switch_on() -> Exporting {
    let options = Options {
        endpoint: "http://127.0.0.1:9".to_owned(),
        sampler: "parentbased_always_off".to_owned(),
        ..Options::default()
    };
    let environment = [
        ("OTEL_BSP_SCHEDULE_DELAY", "600000"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "10000"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10000"),
        ("OTEL_METRICS_EXPORTER", "none"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings = Settings::new(options, environment.into_iter()).unwrap();
    tidegate_telemetry::start(settings.unwrap(), None).unwrap()
}

pub(super) fn cost() {
    let mut config = Config::default();
    config.http_server.port = 0;
    config.http_server.address = "127.0.0.1".to_owned();
    config.http_server.workers = 1;
    config.client.token.hmac_secret_key = "a secret of this test alone, 32 bytes".into();
    config.http_api.insecure = true;
    config.opentelemetry.api = true;
    let options = &mut config.channel.without_namespace;
    (
        options.allow_subscribe_for_client,
        options.allow_publish_for_client,
    ) = (true, true);
    let keys = config.client.token.clone();
    let server = Server::start(config, Arc::new(Embedded::new())).unwrap();
    let token = mint(&keys, "user", None, None, std::time::SystemTime::now()).unwrap();
    let mut publishers = Publishers {
        client: connect(server.address(), &token),
        backend: TcpStream::connect(server.address()).unwrap(),
    };
    let off = (publishers.by_backend(""), publishers.by_client());
    let exporting = switch_on();
    let not_recorded = (publishers.by_backend(""), publishers.by_client());
    let recorded = publishers.by_backend(TRACE);
    println!(
        "allocations of a request and a command: {off:.2?} untraced, {not_recorded:.2?} not recorded, {recorded:.2} recorded"
    );
    assert!(
        off.0 <= OFF && off.1 <= COMMAND_OFF,
        "{off:?} while it is off"
    );
    assert!(not_recorded.0 <= off.0 + NOT_RECORDED, "{not_recorded:?}");
    assert!(not_recorded.1 <= off.1 + NOT_RECORDED, "{not_recorded:?}");
    assert!(recorded > off.0 + 4.0, "nothing was recorded");
    assert!(recorded <= off.0 + RECORDED, "{recorded}");
    drop(publishers);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(server.stop());
    exporting.finish();
}

//! The node itself: where it listens, what it logs, how it stops.

use std::path::PathBuf;
use std::time::Duration;

use tidegate_service::{TlsFile, TlsFiles, TlsOptions, TlsVersion};
use tidegate_telemetry::logging::Style;

use super::duration;
use super::schema::options;
use super::secret::Secret;

options! {
    /// `http_server.*`
    pub struct HttpServerConfig {
        /// Address to listen on; empty for all of IPv4, `::` for IPv6 as well.
        pub address: String,
        /// Port to listen on; zero for any free one.
        pub port: u16 = 8000,
        /// Worker threads, each with connections of its own; zero for one a core. At most 64.
        pub workers: usize,
        /// Time in which the head of a request must arrive, or HTTP 408. A TLS handshake before it has as long again.
        #[serde(with = "duration")]
        pub request_timeout: Duration = Duration::from_secs(10),
        /// Whether clients without TLS may speak HTTP/2 without asking (h2c), such as a proxy; others go on with HTTP/1.1.
        pub h2c_external: bool,
        /// TLS of everything that is served here: `wss` and `https`. Clients may then speak HTTP/2 where a transport gains
        /// by it: with `http_stream`, `sse`, `uni_http_stream` or `uni_sse`.
        pub tls: ServerTlsConfig,
    }
}

options! {
    /// TLS of a port, such as `http_server.tls.*`
    pub struct ServerTlsConfig {
        /// Whether clients speak TLS; then all of them do.
        pub enabled: bool,
        /// Path of the certificate (PEM), with those between it and the authority behind it.
        pub cert_pem_file: Option<PathBuf>,
        /// Path of the certificate's key (PEM).
        pub key_pem_file: Option<PathBuf>,
        /// Path of authorities of clients (PEM); clients must then show a certificate that one of them has signed.
        pub client_ca_pem_file: Option<PathBuf>,
        /// `"1.2"` or `"1.3"`.
        pub min_version: String = "1.2".to_owned(),
        /// How often the files are looked at for new contents, which new connections then use. Zero for never.
        #[serde(with = "duration")]
        pub reload_interval: Duration = Duration::from_secs(60),
    }
}

impl ServerTlsConfig {
    /// What is to be spoken, if this is on; `section` is where it stands.
    #[must_use]
    pub fn options(&self, section: &str) -> Option<TlsOptions> {
        let file = |option: &str, path: &Option<PathBuf>| {
            Some(TlsFile {
                option: format!("{section}.{option}"),
                path: path.clone()?,
            })
        };
        self.enabled.then_some(())?;
        Some(TlsOptions {
            files: TlsFiles {
                certificate: file("cert_pem_file", &self.cert_pem_file)?,
                key: file("key_pem_file", &self.key_pem_file)?,
                client_ca: file("client_ca_pem_file", &self.client_ca_pem_file),
            },
            min_version: TlsVersion::parse(&self.min_version)?,
            reload_interval: self.reload_interval,
        })
    }
}

options! {
    /// `websocket.*`
    pub struct WebSocketConfig {
        /// Whether the transport is off.
        pub disabled: bool,
        /// Path of the endpoint.
        pub handler_prefix: String = "/connection/websocket".to_owned(),
        /// `lean`: a socket is taken over from the HTTP server, and an idle client has no buffer. `actix`: it stays with the
        /// HTTP server, which keeps its buffers; the reference that the other is compared with.
        pub engine: String = "lean".to_owned(),
        /// Bytes of one message from a client, or close 1009.
        pub message_size_limit: usize = 65_536,
        /// Whether messages are compressed (permessage-deflate, RFC 7692) for clients that ask for it. What is secret and
        /// what others can choose should then not stand in one message: its size tells of both.
        pub compression: bool,
        /// Bytes from which on what is sent is compressed.
        pub compression_min_size: usize = 128,
        /// From 1 (fast) to 9 (small).
        pub compression_level: u32 = 1,
        /// Whether what a client sends may refer to its earlier messages: smaller, and up to 32 KiB of memory a connection.
        pub compression_client_context: bool,
    }
}

options! {
    /// `node.*`
    pub struct NodeConfig {
        /// What `info` of the server API calls the node; empty for the machine's name and the process.
        pub name: String,
    }
}

options! {
    /// `http_api.*`
    pub struct HttpApiConfig {
        /// Whether the server API is not served over HTTP.
        pub disabled: bool,
        /// Path that its methods are below.
        pub handler_prefix: String = "/api".to_owned(),
        /// What backends must show: `X-API-Key: <key>`. Without one no request is answered, unless `insecure` is on.
        pub key: Secret,
        /// Whether requests need no key. For development only.
        pub insecure: bool,
        /// `transport`: failures have HTTP statuses of their own. Otherwise they are 200, with the error in the body.
        pub error_mode: String,
        /// Bytes of one request, or HTTP 413.
        pub request_size_limit: usize = 4 * 1024 * 1024,
    }
}

options! {
    /// `grpc_api.*`
    pub struct GrpcApiConfig {
        /// Whether the server API is served over gRPC.
        pub enabled: bool,
        /// Address to listen on.
        pub address: String = "127.0.0.1".to_owned(),
        /// Port to listen on.
        pub port: u16 = 10_000,
        /// What backends must show: `authorization: apikey <key>`; empty for nothing.
        pub key: Secret,
        /// TLS of this port.
        pub tls: ServerTlsConfig,
    }
}

options! {
    /// `nats_api.*`
    pub struct NatsApiConfig {
        /// Whether the server API is served to NATS clients, as the micro service `tidegate`. Who may send to
        /// `<prefix>.req.tidegate.>` may use it: give that permission to backends alone.
        pub enabled: bool,
    }
}

options! {
    /// `swagger.*`
    pub struct SwaggerConfig {
        /// Whether the description of the server API is served, for people and as OpenAPI.
        pub enabled: bool,
        /// Its path.
        pub handler_prefix: String = "/swagger".to_owned(),
    }
}

options! {
    /// `log.*`
    pub struct LogConfig {
        /// `none`, `trace`, `debug`, `info`, `warn` or `error`.
        pub level: String = "info".to_owned(),
        /// `text` or `json`.
        pub format: String = "text".to_owned(),
    }
}

impl LogConfig {
    /// How lines look.
    pub(crate) fn style(&self) -> Style {
        match self.format.as_str() {
            "json" => Style::Json,
            _ => Style::Text,
        }
    }
}

options! {
    /// `opentelemetry.*`
    pub struct OpenTelemetryConfig {
        /// Whether traces and metrics are sent to a collector, by OTLP. OpenTelemetry's variables of the environment
        /// (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_TRACES_SAMPLER`, ...) win over these options.
        pub enabled: bool,
        /// Whether requests of backends to the server API are traced.
        pub api: bool,
        /// URL of the collector; empty for the standard port of this machine.
        pub endpoint: String,
        /// `grpc` or `http/protobuf`.
        pub protocol: String = "grpc".to_owned(),
        /// Which traces are recorded that begin here, and whether those are that others began: one of OpenTelemetry's samplers.
        pub sampler: String = "parentbased_always_on".to_owned(),
        /// The share that samplers with `traceidratio` record, from 0 to 1.
        pub sampler_arg: String,
    }
}

options! {
    /// `shutdown.*`
    pub struct ShutdownConfig {
        /// Period over which clients are closed with 3001 after SIGTERM.
        #[serde(with = "duration")]
        pub drain: Duration = Duration::from_secs(5),
        /// Time after which the node stops whatever is left. Longer than `drain`.
        #[serde(with = "duration")]
        pub timeout: Duration = Duration::from_secs(30),
    }
}

options! {
    /// `playground.*`
    pub struct PlaygroundConfig {
        /// Whether the page is served at `/`. Off in `tidegate-gateway`; `tidegate` without a configuration file has it on.
        pub enabled: bool,
    }
}

options! {
    /// `prometheus.*`
    pub struct PrometheusConfig {
        /// Whether metrics are served.
        pub enabled: bool,
        /// Their path.
        pub handler_prefix: String = "/metrics".to_owned(),
    }
}

options! {
    /// `health.*`
    pub struct HealthConfig {
        /// Whether `/health` (alive) and `/ready` (of use) are served.
        pub enabled: bool = true,
        /// How often the node tells itself something through the backbone. It is not ready unless that comes back. Zero for
        /// never.
        #[serde(with = "duration")]
        pub echo_interval: Duration = Duration::from_secs(5),
        /// Time in which that must come back.
        #[serde(with = "duration")]
        pub echo_timeout: Duration = Duration::from_secs(5),
    }
}

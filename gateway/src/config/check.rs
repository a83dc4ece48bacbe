//! What options mean together: limits that make no sense, and options that contradict each other.

mod channel;
mod client;
mod keys;
mod nats;
mod presence;
mod proxy;
mod tls;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use regex::Regex;

use super::{Config, StreamSection};
use crate::telemetry;

/// One thing that is wrong with a configuration as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The options that it is about; the first one is at fault.
    pub options: Vec<String>,
    /// What is wrong with it.
    pub message: String,
}

impl Finding {
    pub(super) fn new(options: &[&str], message: impl Into<String>) -> Self {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Self {
            options,
            message: message.into(),
        }
    }
}

/// An option by its path, and whether it is set.
type Given = (&'static str, bool);

/// Gathers findings.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn when(&mut self, wrong: bool, option: &str, message: &str) {
        self.between(wrong, &[option], message);
    }

    fn between(&mut self, wrong: bool, options: &[&str], message: &str) {
        if wrong {
            self.0.push(Finding::new(options, message));
        }
    }

    fn zero(&mut self, option: &str, value: usize) {
        self.when(value == 0, option, "must be more than zero");
    }

    fn instant(&mut self, option: &str, value: Duration) {
        self.when(value.is_zero(), option, "must be longer than zero");
    }

    fn pattern(&mut self, option: &str, pattern: &str) {
        if let Err(error) = Regex::new(pattern) {
            let error = error.to_string();
            let reason = error
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ");
            self.when(
                true,
                option,
                &format!("is not a regular expression: {reason}"),
            );
        }
    }

    fn one_of(&mut self, option: &str, value: &str, allowed: &[&str]) {
        let message = format!("must be one of {}", allowed.join(", "));
        self.when(!allowed.contains(&value), option, &message);
    }

    /// Two options of which each needs the other.
    fn together(&mut self, one: Given, other: Given) {
        for ((option, given), (needed, there)) in [(one, other), (other, one)] {
            self.between(
                given && !there,
                &[option, needed],
                &format!("needs {needed}"),
            );
        }
    }
}

impl Config {
    /// Everything that is wrong with the options' values and with how they go together.
    #[must_use]
    pub fn check(&self) -> Vec<Finding> {
        let mut findings = Findings::default();
        self.server(&mut findings);
        findings.server_tls("http_server.tls", &self.http_server.tls);
        self.uni_grpc(&mut findings);
        self.paths(&mut findings);
        self.server_api(&mut findings);
        findings.client(&self.client);
        self.personal_channel(&mut findings);
        findings.channel(&self.channel);
        findings.presence_of_all(&self.presence);
        findings.nats(&self.nats);
        self.embedded(&mut findings);
        self.proxies(&mut findings);
        self.opentelemetry(&mut findings);
        findings.0
    }

    /// What the environment says beside it is looked at when the node starts.
    fn opentelemetry(&self, findings: &mut Findings) {
        let environment = std::iter::empty();
        let settings = telemetry::settings(&self.opentelemetry, String::new(), environment);
        if let Err(fault) = settings {
            let option = format!("opentelemetry.{}", fault.name());
            findings.when(true, &option, fault.what());
        }
    }

    fn server(&self, findings: &mut Findings) {
        let wrong = self.http_server.workers > 64;
        findings.when(wrong, "http_server.workers", "must be 64 or less");
        findings.instant(
            "http_server.request_timeout",
            self.http_server.request_timeout,
        );
        let levels = ["none", "trace", "debug", "info", "warn", "error"];
        findings.one_of("log.level", &self.log.level, &levels);
        findings.one_of("log.format", &self.log.format, &["text", "json"]);
        let engine = &self.websocket.engine;
        findings.one_of("websocket.engine", engine, &["lean", "actix"]);
        findings.zero(
            "websocket.message_size_limit",
            self.websocket.message_size_limit,
        );
        for stream in self.streams() {
            let option = format!("{}.max_request_body_size", stream.name);
            findings.zero(&option, stream.max_request_body_size);
        }
        let limit = self.emulation.max_request_body_size;
        findings.zero("emulation.max_request_body_size", limit);
        let limit = self.uni_websocket.message_size_limit;
        findings.zero("uni_websocket.message_size_limit", limit);
        let wrong = !(1..=9).contains(&self.websocket.compression_level);
        let message = "must be from 1 (fast) to 9 (small)";
        findings.when(wrong, "websocket.compression_level", message);
        let wrong = self.client.queue_max_size < self.websocket.message_size_limit;
        let options = ["client.queue_max_size", "websocket.message_size_limit"];
        let message = "must not be less than websocket.message_size_limit, \
                       or one message would disconnect its receivers";
        findings.between(wrong, &options, message);
        findings.instant("health.echo_timeout", self.health.echo_timeout);
        findings.instant("shutdown.timeout", self.shutdown.timeout);
        let wrong = self.shutdown.drain > self.shutdown.timeout;
        let options = ["shutdown.drain", "shutdown.timeout"];
        findings.between(wrong, &options, "must not be longer than shutdown.timeout");
    }

    fn uni_grpc(&self, findings: &mut Findings) {
        let options = &self.uni_grpc;
        findings.server_tls("uni_grpc.tls", &options.tls);
        findings.zero(
            "uni_grpc.max_receive_message_size",
            options.max_receive_message_size,
        );
        findings.zero(
            "uni_grpc.max_concurrent_streams",
            options.max_concurrent_streams as usize,
        );
    }

    fn server_api(&self, findings: &mut Findings) {
        let (http, grpc) = (&self.http_api, &self.grpc_api);
        findings.one_of("http_api.error_mode", &http.error_mode, &["", "transport"]);
        findings.zero("http_api.request_size_limit", http.request_size_limit);
        let address = grpc.address.parse::<IpAddr>();
        let wrong = grpc.enabled && address.is_err();
        findings.when(wrong, "grpc_api.address", "must be an IP address");
        let tls = ("grpc_api.tls", &grpc.tls);
        findings.server_tls(tls.0, tls.1);
        if let (true, Ok(ip)) = (grpc.enabled, address) {
            let options = ["grpc_api.address", "grpc_api.key"];
            findings.grpc_access(options, (ip, !grpc.key.is_empty()), tls);
        }
    }

    fn embedded(&self, findings: &mut Findings) {
        let embedded = &self.embedded;
        findings.one_of("embedded.sync", &embedded.sync, &["always", "interval"]);
        findings.instant("embedded.sync_interval", embedded.sync_interval);
        let wrong = embedded.data_dir.is_some() && !self.nats.url.is_empty();
        let options = ["embedded.data_dir", "nats.url"];
        findings.between(
            wrong,
            &options,
            "contradicts nats.url: NATS keeps the streams",
        );
        self.history_service(findings);
        self.presence_service(findings);
    }

    fn presence_service(&self, findings: &mut Findings) {
        let address = &self.presence_service.address;
        let option = "presence_service.address";
        let parsed = address.parse::<SocketAddr>();
        let wrong = !address.is_empty() && parsed.is_err();
        findings.when(wrong, option, "must be an IP address and a port");
        let wrong = !address.is_empty() && !self.nats.url.is_empty();
        let options = [option, "nats.url"];
        findings.between(
            wrong,
            &options,
            "contradicts nats.url: over NATS run tidegate-presence",
        );
        let tls = ("presence_service.tls", &self.presence_service.tls);
        findings.server_tls(tls.0, tls.1);
        if let Ok(address) = parsed {
            let options = [option, "presence_service.api_key"];
            let is_key_set = !self.presence_service.api_key.is_empty();
            findings.grpc_access(options, (address.ip(), is_key_set), tls);
        }
    }

    fn history_service(&self, findings: &mut Findings) {
        let address = &self.history_service.address;
        let option = "history_service.address";
        let parsed = address.parse::<SocketAddr>();
        let wrong = !address.is_empty() && parsed.is_err();
        findings.when(wrong, option, "must be an IP address and a port");
        let wrong = !address.is_empty() && self.embedded.data_dir.is_none();
        let options = [option, "embedded.data_dir"];
        findings.between(
            wrong,
            &options,
            "needs embedded.data_dir; over NATS run tidegate-history",
        );
        let tls = ("history_service.tls", &self.history_service.tls);
        findings.server_tls(tls.0, tls.1);
        if let Ok(address) = parsed {
            let options = [option, "history_service.api_key"];
            let is_key_set = !self.history_service.api_key.is_empty();
            findings.grpc_access(options, (address.ip(), is_key_set), tls);
        }
        for (namespace, options) in self.channel.sets() {
            let path = match namespace {
                Some(name) => format!("channel.namespaces.{name}.archive"),
                None => "channel.without_namespace.archive".to_owned(),
            };
            let wrong = options.archive && !options.is_kept();
            findings.between(wrong, &[&path], "needs history_size and history_ttl");
            let wrong = options.archive && address.is_empty() && self.nats.url.is_empty();
            findings.between(wrong, &[&path, option], "needs history_service.address");
        }
    }

    /// Paths of endpoints that are served must not collide.
    fn paths(&self, findings: &mut Findings) {
        let mut taken = BTreeSet::new();
        if self.health.enabled {
            taken.extend(["/health", "/ready"]);
        }
        if self.playground.enabled {
            taken.insert("");
        }
        for (section, served, path) in self.endpoints() {
            let option = format!("{section}.handler_prefix");
            findings.when(!path.starts_with('/'), &option, "must start with `/`");
            let free = !served || taken.insert(path.trim_end_matches('/'));
            findings.when(!free, &option, "is the path of another endpoint");
        }
    }

    /// The sections of endpoints that have a path, whether they are served, and where.
    fn endpoints(&self) -> impl Iterator<Item = (&str, bool, &str)> {
        let (websocket, one_way) = (&self.websocket, &self.uni_websocket);
        let (prometheus, api, swagger) = (&self.prometheus, &self.http_api, &self.swagger);
        let emulates = self.http_stream.enabled || self.sse.enabled;
        let endpoints: [(&str, bool, &str); 6] = [
            ("websocket", !websocket.disabled, &websocket.handler_prefix),
            ("uni_websocket", one_way.enabled, &one_way.handler_prefix),
            ("emulation", emulates, &self.emulation.handler_prefix),
            ("prometheus", prometheus.enabled, &prometheus.handler_prefix),
            ("http_api", !api.disabled, &api.handler_prefix),
            ("swagger", swagger.enabled, &swagger.handler_prefix),
        ];
        let streams = self.streams().map(|it| (it.name, it.enabled, it.path));
        endpoints.into_iter().chain(streams)
    }

    /// The transports over HTTP responses.
    fn streams(&self) -> impl Iterator<Item = StreamSection<'_>> {
        let streams = [
            self.http_stream.section(),
            self.sse.section(),
            self.uni_http_stream.section(),
            self.uni_sse.section(),
        ];
        streams.into_iter()
    }

    fn personal_channel(&self, findings: &mut Findings) {
        let personal = &self.client.subscribe_to_user_personal_channel;
        let name = personal.personal_channel_namespace.as_str();
        let namespace = Some(name).filter(|name| !name.is_empty());
        let wrong = personal.enabled && self.channel.options(namespace).is_none();
        let option = "client.subscribe_to_user_personal_channel.personal_channel_namespace";
        let options = [option, "channel.namespaces"];
        findings.between(
            wrong,
            &options,
            "is not the name of a namespace in channel.namespaces",
        );
    }
}

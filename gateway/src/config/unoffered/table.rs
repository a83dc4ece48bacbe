//! The table of options that Tidegate knows of and does not offer.

use super::Unoffered;
use super::Verdict::{self, Idle, Instead, Missing, Silent};

const fn option(path: &'static str, default: &'static str, verdict: Verdict) -> Unoffered {
    Unoffered {
        path,
        switch: "",
        default,
        verdict,
    }
}

const fn section(
    path: &'static str,
    switch: &'static str,
    default: &'static str,
    verdict: Verdict,
) -> Unoffered {
    Unoffered {
        path,
        switch,
        default,
        verdict,
    }
}

const AUTHORITY: Verdict = Instead("name a file: server_ca_pem_file");
const CLIENT_CERTIFICATES: Verdict = Missing("client certificates");
const JOINED: Verdict = Instead("nodes are joined by NATS: set nats.url");
const MAPS: Verdict = Missing("map subscriptions");
const ONE_WAY: Verdict = Missing("one-way transports");
const PEM: Verdict = Instead("name files: http_server.tls.cert_pem_file and key_pem_file");
const POLL: Verdict = Missing("shared poll subscriptions");
const STATUSES: Verdict = Instead("write `3500=401` in connect_code_to_http_status");
const STREAMS: Verdict = Missing("subscriptions to streams of a backend");
const TRANSPORT: Verdict = Missing("this transport");
const VERIFIED: Verdict = Instead("a certificate is always verified, for the name in the endpoint");

/// Every such option. The longest path that fits decides.
#[rustfmt::skip] // One row an option.
pub(in crate::config) const UNOFFERED: &[Unoffered] = &[
    section("admin", "enabled", "", Missing("the admin page")),
    section("broker", "enabled", "", JOINED),
    option("channel.*.allow_tags_filter", "", Missing("filters on tags")),
    option("channel.*.auto_cache_recover", "", Missing("recovery at a first subscribe")),
    option("channel.*.delta_publish", "", Idle("every publication is a patch for clients that ask for them")),
    option("channel.*.history_meta_ttl", "", Idle("positions are those of the stream")),
    option("channel.*.map", "", Silent),
    option("channel.*.map_clients_presence_channel_prefix", "", MAPS),
    option("channel.*.map_users_presence_channel_prefix", "", MAPS),
    option("channel.*.publication_data_format", "", Missing("checks of payloads")),
    option("channel.*.shared_poll", "", Silent),
    option("channel.*.subscribe_stream_proxy_bidirectional", "", Silent),
    option("channel.*.subscribe_stream_proxy_enabled", "", STREAMS),
    option("channel.*.subscribe_stream_proxy_name", "", Silent),
    option("channel.*.subscription_type", "stream", Missing("subscriptions other than to streams")),
    option("channel.history_meta_ttl", "720h", Idle("positions are those of the stream")),
    option("channel.namespace_boundary", ":", Instead("a namespace always ends at `:`")),
    option("channel.private_prefix", "$", Instead("private channels always start with `$`")),
    option("channel.proxy.cache_empty", "", Silent),
    option("channel.proxy.map_publish", "", Silent),
    option("channel.proxy.map_remove", "", Silent),
    option("channel.proxy.shared_poll_refresh", "", Silent),
    option("channel.proxy.state", "", Silent),
    option("channel.proxy.subscribe_stream", "", Silent),
    option("channel.publication_data_format", "", Missing("checks of payloads")),
    option("channel.user_boundary", "#", Instead("users always follow `#`")),
    option("channel.user_separator", ",", Instead("users are always separated by `,`")),
    option("client.channel_position_max_time_lag", "", Idle("what is missing is read from the stream")),
    option("client.concurrency", "", Idle("commands of one client are always answered in order")),
    section("client.connect_code_to_unidirectional_disconnect", "enabled", "", ONE_WAY),
    option("client.disallow_anonymous_connection_tokens", "", Missing("this check")),
    option("client.insecure_skip_token_signature_verify", "", Instead("tokens are always verified")),
    option("client.presence_update_interval", "27s", Instead("nodes say that they live, not each client: set presence.lease")),
    option("client.recovery_max_publication_limit", "300", Idle("recovery_max_publications of the namespace bounds recovery")),
    option("client.subscribe_to_user_personal_channel.single_connection", "", Instead("set client.user_connection_limit")),
    option("client.subscription_token.insecure_skip_jwks_endpoint_safety_check", "", Silent),
    option("client.token.insecure_skip_jwks_endpoint_safety_check", "", Silent),
    option("client.user_id_http_header", "", Missing("users from a header")),
    option("consumers", "", Missing("consumers of queues and databases")),
    section("controller", "enabled", "", JOINED),
    section("debug", "enabled", "", Missing("profiling endpoints")),
    option("enable_unreleased_features", "", Missing("unreleased features")),
    section("engine", "type", "memory", JOINED),
    section("graphite", "enabled", "", Instead("set prometheus.enabled")),
    option("grpc_api.error_mode", "", Missing("gRPC statuses for errors")),
    option("grpc_api.max_receive_message_size", "", Idle("requests are bounded by 4 MiB")),
    option("grpc_api.reflection", "", Idle("reflection is always on")),
    section("grpc_api.tls", "enabled", "", Missing("TLS of gRPC")),
    option("health.handler_prefix", "/health", Instead("the paths are always /health and /ready")),
    option("http_api.external", "", Idle("there is one port for everything")),
    section("http_server.http3", "enabled", "", Missing("HTTP/3")),
    option("http_server.internal_address", "", Missing("a second address")),
    option("http_server.internal_port", "", Missing("a second port")),
    section("http_server.internal_tls", "enabled", "", Missing("a second port")),
    option("http_server.tls.cert_pem", "", PEM),
    option("http_server.tls.cert_pem_b64", "", PEM),
    option("http_server.tls.client_ca_pem", "", CLIENT_CERTIFICATES),
    option("http_server.tls.client_ca_pem_b64", "", CLIENT_CERTIFICATES),
    option("http_server.tls.client_ca_pem_file", "", CLIENT_CERTIFICATES),
    option("http_server.tls.insecure_skip_verify", "", Silent),
    option("http_server.tls.key_pem", "", PEM),
    option("http_server.tls.key_pem_b64", "", PEM),
    option("http_server.tls.server_ca_pem", "", Silent),
    option("http_server.tls.server_ca_pem_b64", "", Silent),
    option("http_server.tls.server_ca_pem_file", "", Silent),
    option("http_server.tls.server_name", "", Silent),
    section("http_server.tls_autocert", "enabled", "", Instead("certificates come from outside: set http_server.tls")),
    option("http_server.tls_external", "", Silent),
    section("init", "enabled", "", Missing("this endpoint")),
    option("log.file", "", Instead("logs go to the standard streams: redirect them")),
    section("map_broker", "type", "memory", JOINED),
    option("node.info_metrics_aggregate_interval", "60s", Idle("nodes exchange no metrics")),
    option("opentelemetry.consuming", "", Idle("there are no consumers")),
    option("pid_file", "", Instead("run Tidegate under a supervisor that knows its process")),
    section("presence_manager", "enabled", "", JOINED),
    option("prometheus.instrument_http_handlers", "", Idle("there are no such metrics")),
    option("prometheus.native_histograms", "", Idle("histograms have buckets")),
    option("prometheus.recovered_publications_histogram", "", Idle("there are no such metrics")),
    option("proxies.*.grpc.compression", "", Idle("calls are not compressed")),
    option("proxies.*.grpc.tls.cert_pem", "", CLIENT_CERTIFICATES),
    option("proxies.*.grpc.tls.cert_pem_b64", "", CLIENT_CERTIFICATES),
    option("proxies.*.grpc.tls.cert_pem_file", "", CLIENT_CERTIFICATES),
    option("proxies.*.grpc.tls.insecure_skip_verify", "", VERIFIED),
    option("proxies.*.grpc.tls.key_pem", "", CLIENT_CERTIFICATES),
    option("proxies.*.grpc.tls.key_pem_b64", "", CLIENT_CERTIFICATES),
    option("proxies.*.grpc.tls.key_pem_file", "", CLIENT_CERTIFICATES),
    option("proxies.*.grpc.tls.server_ca_pem", "", AUTHORITY),
    option("proxies.*.grpc.tls.server_ca_pem_b64", "", AUTHORITY),
    option("proxies.*.grpc.tls.server_name", "", VERIFIED),
    option("proxies.*.grpc_metadata", "", Idle("no client comes over gRPC")),
    option("proxies.*.http.tls.cert_pem", "", CLIENT_CERTIFICATES),
    option("proxies.*.http.tls.cert_pem_b64", "", CLIENT_CERTIFICATES),
    option("proxies.*.http.tls.cert_pem_file", "", CLIENT_CERTIFICATES),
    option("proxies.*.http.tls.insecure_skip_verify", "", VERIFIED),
    option("proxies.*.http.tls.key_pem", "", CLIENT_CERTIFICATES),
    option("proxies.*.http.tls.key_pem_b64", "", CLIENT_CERTIFICATES),
    option("proxies.*.http.tls.key_pem_file", "", CLIENT_CERTIFICATES),
    option("proxies.*.http.tls.server_ca_pem", "", AUTHORITY),
    option("proxies.*.http.tls.server_ca_pem_b64", "", AUTHORITY),
    option("proxies.*.http.tls.server_name", "", VERIFIED),
    option("rpc.namespace_boundary", ":", Instead("a method's namespace always ends at `:`")),
    section("shared_poll", "hmac_secret_key", "", POLL),
    section("uni_grpc", "enabled", "", ONE_WAY),
    option("uni_http_stream.connect_code_to_http_response", "", STATUSES),
    option("uni_sse.connect_code_to_http_response", "", STATUSES),
    option("uni_websocket.compression", "", Missing("compression on this transport")),
    option("uni_websocket.compression_level", "1", Silent),
    option("uni_websocket.compression_min_size", "", Silent),
    option("uni_websocket.join_push_messages", "", Idle("each message is a frame")),
    option("uni_websocket.read_buffer_size", "", Idle("buffers grow as needed")),
    option("uni_websocket.use_write_buffer_pool", "", Idle("buffers are always shared")),
    option("uni_websocket.write_buffer_size", "", Idle("buffers grow as needed")),
    option("uni_websocket.write_timeout", "1s", Idle("client.queue_max_size bounds slow clients")),
    option("usage_stats", "", Silent),
    option("websocket.decompressed_message_size_limit", "", Silent),
    option("websocket.read_buffer_size", "", Idle("buffers grow as needed")),
    option("websocket.use_write_buffer_pool", "", Idle("buffers are always shared")),
    option("websocket.write_buffer_size", "", Idle("buffers grow as needed")),
    option("websocket.write_timeout", "1s", Idle("client.queue_max_size bounds slow clients")),
    section("webtransport", "enabled", "", TRANSPORT),
];

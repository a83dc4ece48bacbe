//! Options that do not go together.

use super::*;

/// Options that together give exactly these lines.
fn check(options: &[(&str, &str)], expected: &[&str]) {
    assert_eq!(lines(load_options(options)), expected, "{options:?}");
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    check(
        &[
            ("client.ping_interval", "5s"),
            ("client.pong_timeout", "5s"),
        ],
        &["client.pong_timeout (--set): must be shorter than client.ping_interval"],
    );
    check(
        &[
            ("client.token_cookie", "t"),
            ("client.allowed_origins", "*"),
        ],
        &[
            "client.token_cookie (--set): must not be used with the origin `*`: any site could use a visitor's cookie",
        ],
    );
    check(
        &[("shutdown.drain", "31s")],
        &["shutdown.drain (--set): must not be longer than shutdown.timeout"],
    );
    check(
        &[("client.queue_max_size", "1000")],
        &[
            "client.queue_max_size (--set): must not be less than websocket.message_size_limit, or one message would disconnect its receivers",
        ],
    );
    check(
        &[("client.subscription_token.rsa_previous_public_key", "k")],
        &[
            "client.subscription_token.rsa_previous_public_key (--set): needs client.subscription_token.rsa_public_key",
        ],
    );
    check(
        &[
            ("prometheus.enabled", "true"),
            ("prometheus.handler_prefix", "/connection/websocket"),
        ],
        &["prometheus.handler_prefix (--set): is the path of another endpoint"],
    );
}

#[test]
fn a_port_is_secured_as_a_whole() {
    check(
        &[
            ("http_server.tls.enabled", "true"),
            ("http_server.tls.cert_pem_file", "/c"),
        ],
        &["http_server.tls.enabled (--set): needs http_server.tls.key_pem_file"],
    );
    check(
        &[
            ("uni_grpc.tls.enabled", "true"),
            ("uni_grpc.tls.key_pem_file", "/k"),
        ],
        &["uni_grpc.tls.enabled (--set): needs uni_grpc.tls.cert_pem_file"],
    );
    check(
        &[("grpc_api.tls.client_ca_pem_file", "/c")],
        &["grpc_api.tls.client_ca_pem_file (--set): needs grpc_api.tls.enabled"],
    );
    check(
        &[("grpc_api.enabled", "1"), ("grpc_api.address", "0.0.0.0")],
        &[
            "grpc_api.address (--set): needs grpc_api.key, grpc_api.tls.client_ca_pem_file, or an address of this machine only",
        ],
    );
}

#[test]
fn personal_channels_need_their_namespace() {
    let personal = "client.subscribe_to_user_personal_channel";
    check(
        &[
            (&format!("{personal}.enabled"), "1"),
            (&format!("{personal}.personal_channel_namespace"), "users"),
        ],
        &[&format!(
            "{personal}.personal_channel_namespace (--set): is not the name of a namespace in channel.namespaces"
        )],
    );
}

#[test]
fn nats_is_reached_in_one_way() {
    let url = ("nats.url", "nats://localhost:4222");
    check(
        &[url, ("nats.credentials", "/c"), ("nats.token", "t")],
        &["nats.token (--set): contradicts nats.credentials: set one way to authenticate"],
    );
    check(
        &[url, ("nats.user", "u")],
        &["nats.user (--set): needs nats.password"],
    );
    check(
        &[url, ("nats.password", "p")],
        &["nats.password (--set): needs nats.user"],
    );
    check(
        &[
            url,
            ("nats.tls.enabled", "true"),
            ("nats.tls.cert_pem_file", "/c"),
        ],
        &["nats.tls.cert_pem_file (--set): needs nats.tls.key_pem_file"],
    );
    check(
        &[url, ("nats.tls.server_ca_pem_file", "/c")],
        &["nats.tls.server_ca_pem_file (--set): needs nats.tls.enabled"],
    );
    check(
        &[("nats.token", "t"), ("nats.tls.enabled", "true")],
        &[
            "nats.token (--set): needs nats.url",
            "nats.tls.enabled (--set): needs nats.url",
        ],
    );
    config(load_options(&[
        ("nats.url", "tls://a:4222, tls://b:4222"),
        ("nats.tls.server_ca_pem_file", "/c"),
    ]));
}

#[test]
fn what_is_kept_without_nats_is_checked() {
    check(
        &[("embedded.data_dir", "d"), ("nats.url", "nats://a:4222")],
        &["embedded.data_dir (--set): contradicts nats.url: NATS keeps the streams"],
    );
    check(
        &[("embedded.sync", "never"), ("embedded.sync_interval", "0")],
        &[
            "embedded.sync (--set): must be one of always, interval",
            "embedded.sync_interval (--set): must be longer than zero",
        ],
    );
    check(
        &[("history_service.address", "0.0.0.0:8400")],
        &[
            "history_service.address (--set): needs embedded.data_dir; over NATS run tidegate-history",
            "history_service.address (--set): needs history_service.api_key, history_service.tls.client_ca_pem_file, or an address of this machine only",
        ],
    );
    check(
        &[
            ("presence_service.address", "0.0.0.0:8500"),
            ("nats.url", "nats://127.0.0.1:4222"),
        ],
        &[
            "presence_service.address (--set): contradicts nats.url: over NATS run tidegate-presence",
            "presence_service.address (--set): needs presence_service.api_key, presence_service.tls.client_ca_pem_file, or an address of this machine only",
        ],
    );
    check(
        &[("channel.without_namespace.archive", "true")],
        &[
            "channel.without_namespace.archive (--set): needs history_size and history_ttl",
            "channel.without_namespace.archive (--set): needs history_service.address",
        ],
    );
}

#[test]
fn what_presence_needs_is_checked() {
    check(
        &[
            ("presence.lease", "100ms"),
            ("presence.partitions", "2000"),
            ("presence.timeout", "0"),
        ],
        &[
            "presence.timeout (--set): must be longer than zero",
            "presence.lease (--set): must be from 500ms to 2m",
            "presence.partitions (--set): must be from 1 to 1024",
        ],
    );
    let of = "channel.without_namespace";
    check(
        &[
            (&format!("{of}.allow_presence_for_client"), "true"),
            (&format!("{of}.force_push_join_leave"), "true"),
            (&format!("{of}.join_leave_debounce"), "2m"),
        ],
        &[
            "channel.without_namespace.join_leave_debounce (--set): must be 1m or less",
            "channel.without_namespace.join_leave_debounce (--set): needs join_leave",
            "channel.without_namespace.force_push_join_leave (--set): needs join_leave",
            "channel.without_namespace.allow_presence_for_client (--set): needs presence",
        ],
    );
    config(load_options(&[
        (&format!("{of}.join_leave"), "true"),
        (&format!("{of}.allow_presence_for_subscriber"), "true"),
        (&format!("{of}.join_leave_debounce"), "5s"),
        ("presence.users", "true"),
    ]));
}

//! Files of teams that move over from Centrifugo.

use super::*;
use crate::config::address::addresses;
use crate::config::load::fields;
use crate::config::unoffered::{self, UNOFFERED};

#[test]
fn a_file_of_centrifugo_loads_without_a_warning() {
    let loaded = load_file("centrifugo-v6.json").unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(loaded.warnings, [""; 0]);
    let config = loaded.config;
    assert_eq!(
        &*config.client.token.hmac_secret_key,
        "d0324c8b-ea5a-4bc6-8c2c-1c3b5fa8f0a1"
    );
    assert!(
        config.channel.namespaces[0]
            .options
            .allow_publish_for_subscriber
    );
    assert!(config.prometheus.enabled);
}

#[test]
fn what_is_off_or_at_its_default_passes_in_silence() {
    for (option, value) in [
        ("admin.enabled", "false"),
        ("admin.password", "p"),
        ("broker.enabled", "false"),
        ("broker.type", "redis"),
        ("channel.history_meta_ttl", "720h0m0s"),
        ("channel.namespace_boundary", ":"),
        ("channel.without_namespace.history_size", "0"),
        ("channel.without_namespace.history_ttl", "0s"),
        ("channel.without_namespace.publish_proxy_name", "default"),
        ("client.presence_update_interval", "27s"),
        ("consumers", "[]"),
        ("engine.redis.address", "redis://localhost:6379"),
        ("engine.type", "memory"),
        ("http_api.handler_prefix", "/api"),
        ("http_api.disabled", "true"),
        ("sse.enabled", "0"),
        ("uni_grpc.port", "11000"),
        ("usage_stats.disabled", "false"),
    ] {
        let loaded = load_options(&[(option, value)]).unwrap_or_else(|faults| panic!("{faults}"));
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    }
}

#[test]
fn what_asks_for_behaviour_is_told() {
    for (option, value, message) in [
        (
            "engine.type",
            "redis",
            ": nodes are joined by NATS: set nats.url",
        ),
        (
            "engine",
            "redis",
            ": nodes are joined by NATS: set nats.url",
        ),
        (
            "broker.enabled",
            "true",
            ": nodes are joined by NATS: set nats.url",
        ),
        (
            "channel.private_prefix",
            "%",
            ": private channels always start with `$`",
        ),
        (
            "channel.without_namespace.subscribe_stream_proxy_enabled",
            "true",
            " yet: this version lacks subscriptions to streams of a backend",
        ),
        (
            "grpc_api.tls.client_ca_pem",
            "-----BEGIN CERTIFICATE-----",
            ": name a file: client_ca_pem_file",
        ),
        (
            "http_server.tls_autocert.enabled",
            "true",
            ": certificates come from outside: set http_server.tls",
        ),
        (
            "uni_grpc.tls.key_pem",
            "-----BEGIN PRIVATE KEY-----",
            ": name files: cert_pem_file and key_pem_file",
        ),
    ] {
        let expected = format!("{option} (--set): is known and not offered{message}");
        assert_eq!(lines(load_options(&[(option, value)])), [expected]);
    }
    let faults = lines(load_variables(None, &[("TIDEGATE_ENGINE_TYPE", "redis")]));
    assert_eq!(
        faults,
        [
            "engine.type (TIDEGATE_ENGINE_TYPE): is known and not offered: nodes are joined by NATS: set nats.url"
        ]
    );
}

#[test]
fn what_comes_later_or_is_not_missed_is_warned_of() {
    for (option, value, message) in [
        (
            "http_api.external",
            "true",
            ": there is one port for everything",
        ),
        (
            "websocket.write_timeout",
            "3s",
            ": client.queue_max_size bounds",
        ),
    ] {
        let warnings = load_options(&[(option, value)])
            .unwrap_or_else(|faults| panic!("{faults}"))
            .warnings;
        let expected = format!("{option} (--set): has no effect{message}");
        assert!(
            warnings.len() == 1 && warnings[0].starts_with(&expected),
            "{warnings:?}"
        );
    }
}

#[test]
fn no_option_is_in_the_table_twice_or_offered() {
    let mut paths: Vec<_> = UNOFFERED.iter().map(|entry| entry.path).collect();
    assert!(paths.is_sorted(), "the table is in the order of its paths");
    paths.dedup();
    assert_eq!(paths.len(), UNOFFERED.len());
    for address in addresses(&fields(), &[])
        .iter()
        .filter(|address| !address.whole)
    {
        let listed = unoffered::entry(&address.path.replace("without_namespace", "*")).is_some();
        assert!(!listed, "{}", address.path);
    }
}

//! Every kind of fault, and that all are told at once.

use super::*;

#[test]
fn values_must_be_of_their_kind() {
    for (option, value, message) in [
        ("client.insecure", "yes", "must be true or false"),
        ("client.channel_limit", "many", "must be a whole number"),
        ("client.channel_limit", "1.5", "must be a whole number"),
        (
            "client.channel_limit",
            "-1",
            "must be from 0 to 18446744073709551615",
        ),
        ("http_server.port", "70000", "must be from 0 to 65535"),
        (
            "client.ping_interval",
            "25",
            "needs a unit: 300ms, 25s, 1m30s, 1h",
        ),
        (
            "client.ping_interval",
            "soon",
            "is not a duration: 300ms, 25s, 1m30s, 1h",
        ),
        ("client.allowed_origins", "[1]", "must be a list of texts"),
        ("client.allowed_origins", "[", "must be a list of texts"),
        (
            "channel.namespaces",
            "[5]",
            "must list names, or sections with a name",
        ),
        ("channel.namespaces", "[{}]", "must name every namespace"),
    ] {
        let faults = lines(load_options(&[(option, value)]));
        assert_eq!(faults, [format!("{option} (--set): {message}")]);
    }
}

/// Options with values that make no sense, and what is told of them.
const SENSELESS: &[(&str, &str, &str)] = &[
    ("channel.max_length", "0", "must be from 1 to 255"),
    ("channel.max_length", "256", "must be from 1 to 255"),
    (
        "channel.without_namespace.channel_regex",
        "^(",
        "is not a regular expression: unclosed group",
    ),
    ("client.channel_limit", "0", "must be more than zero"),
    ("client.frame_command_limit", "0", "must be more than zero"),
    (
        "client.ping_interval",
        "300ms",
        "must be zero or at least 1s, for clients are told it in seconds",
    ),
    ("client.pong_timeout", "0", "must be longer than zero"),
    ("client.stale_close_delay", "0s", "must be longer than zero"),
    (
        "client.token.hmac_previous_secret_key_valid_until",
        "-1",
        "must not be negative",
    ),
    (
        "client.token_cookie",
        "a b",
        "cannot be the name of a cookie",
    ),
    (
        "http_server.tls.min_version",
        "1.1",
        "must be one of 1.2, 1.3",
    ),
    ("http_server.workers", "65", "must be 64 or less"),
    ("log.format", "xml", "must be one of text, json"),
    (
        "log.level",
        "loud",
        "must be one of none, trace, debug, info, warn, error",
    ),
    (
        "nats.prefix",
        "a..b",
        "must be tokens of a subject, separated by `.`",
    ),
    ("nats.timeout", "0s", "must be longer than zero"),
    (
        "nats.url",
        "localhost",
        "must be nats://host:port or tls://host:port, several separated by commas",
    ),
    ("websocket.handler_prefix", "ws", "must start with `/`"),
    (
        "websocket.handler_prefix",
        "/health/",
        "is the path of another endpoint",
    ),
    (
        "websocket.message_size_limit",
        "0",
        "must be more than zero",
    ),
];

#[test]
fn values_that_make_no_sense_are_refused() {
    for (option, value, message) in SENSELESS {
        let faults = lines(load_options(&[(option, value)]));
        assert_eq!(faults[0], format!("{option} (--set): {message}"));
    }
}

#[test]
fn unknown_options_tell_the_nearest_known_one() {
    for (unknown, nearest) in [
        ("client.insecur", "; nearest: client.insecure"),
        ("clint.insecure", "; nearest: client.insecure"),
        (
            "channel.without_namespace.alow_publish_for_client",
            "; nearest: channel.without_namespace.allow_publish_for_client",
        ),
        ("engin.type", "; nearest: engine"),
        ("entirely_different", ""),
    ] {
        let faults = lines(load_options(&[(unknown, "1")]));
        assert_eq!(
            faults,
            [format!("{unknown} (--set): is not known{nearest}")]
        );
    }
}

#[test]
fn all_faults_of_a_file_are_told_at_once() {
    let file = example("faults.yaml");
    let file = file.display();
    let expected = [
        format!("client.insecure (in {file}): is set twice"),
        format!(
            "channel.namespaces.chat.presense (in {file}): is not known; nearest: channel.namespaces.chat.presence"
        ),
        format!("channel.namespaces.1 (in {file}): must be a section of options"),
        format!(
            "client.hmac_secret_key (in {file}): is not known; nearest: client.token.hmac_secret_key"
        ),
        format!("client.ping_interval (in {file}): needs a unit: 300ms, 25s, 1m30s, 1h"),
        format!(
            "client.user_id_http_header (in {file}): is known and not offered yet: this version lacks users from a header"
        ),
        format!(
            "engine.type (in {file}): is known and not offered: nodes are joined by NATS: set nats.url"
        ),
        format!("log (in {file}): must be a section of options"),
        format!("namespaces (in {file}): is not known; nearest: channel.namespaces"),
        format!("websocket.handler_prefix (in {file}): must be a text: put it in quotes"),
        format!(
            "channel.namespaces.c.name (in {file}): must be two or more letters, digits, `-` and `_`"
        ),
        format!("channel.namespaces.chat.name (in {file}): is the name of two namespaces"),
    ];
    assert_eq!(lines(load_file("faults.yaml")), expected);
}

#[test]
fn a_file_that_cannot_be_read_is_the_only_fault() {
    let faults = lines(load_file("missing.json"));
    assert!(
        faults.len() == 1 && faults[0].contains("missing.json: cannot be read: "),
        "{faults:?}"
    );
}

#[test]
fn faults_found_elsewhere_are_told_with_the_others_but_not_twice() {
    let flags = vec![
        Setting::flag("--set", "client.channel_limit", "0"),
        Setting::flag("--set", "client.token.issuer", "i"),
    ];
    let elsewhere = |_: &Config| {
        vec![
            "client.channel_limit: is odd".to_owned(),
            "client.token.issuer: is odd".to_owned(),
        ]
    };
    let faults = lines(load(None, [], flags, elsewhere));
    assert_eq!(
        faults,
        [
            "client.channel_limit (--set): must be more than zero",
            "client.token.issuer (--set): is odd"
        ]
    );
}

#[test]
fn secrets_are_not_shown() {
    let secrets = [
        ("TIDEGATE_CLIENT_TOKEN_HMAC_SECRET_KEY", "s3cret"),
        (
            "TIDEGATE_CLIENT_SUBSCRIPTION_TOKEN_HMAC_PREVIOUS_SECRET_KEY",
            "s3cret",
        ),
        ("TIDEGATE_NATS_PASSWORD", "s3cret"),
        ("TIDEGATE_NATS_TOKEN", "s3cret"),
        ("TIDEGATE_NATS_URL", "u:s3cret@localhost"),
        ("TIDEGATE_CLIENT_TOKEN_HMAC_SECRET", "s3cret"),
        ("TIDEGATE_CLIENT_PING_INTERVAL", "s3cret"),
        ("TIDEGATE_HTTP_API_KEY", "s3cret"),
    ];
    let faults = lines(load_variables(None, &secrets));
    assert_eq!(faults.len(), 5, "{faults:?}");
    assert!(!format!("{faults:?}").contains("s3cret"));
    let shown = load_variables(
        None,
        &[
            secrets[0],
            ("TIDEGATE_NATS_URL", "nats://u:s3cret@localhost"),
            secrets[7],
        ],
    )
    .unwrap();
    assert!(!format!("{shown:?}").contains("s3cret"), "{shown:?}");
    assert_eq!(&*shown.config.client.token.hmac_secret_key, "s3cret");
}

//! The environment over the file.

use super::*;

#[test]
fn variables_set_options_of_every_kind() {
    let config = config(load_variables(
        None,
        &[
            ("TIDEGATE_CLIENT_INSECURE", "true"),
            ("TIDEGATE_CHANNEL_WITHOUT_NAMESPACE_PRESENCE", "1"),
            (
                "TIDEGATE_CLIENT_ALLOWED_ORIGINS",
                "https://a.example.com https://b.example.com",
            ),
            ("TIDEGATE_CLIENT_CHANNEL_LIMIT", "7"),
            ("TIDEGATE_CLIENT_PING_INTERVAL", "1m30s"),
            ("TIDEGATE_LOG_LEVEL", "debug"),
            ("TIDEGATE_HEALTH_ENABLED", "FALSE"),
            ("PATH", "/bin"),
        ],
    ));
    assert!(
        config.client.insecure
            && config.channel.without_namespace.presence
            && !config.health.enabled
    );
    assert_eq!(
        config.client.allowed_origins,
        ["https://a.example.com", "https://b.example.com"]
    );
    assert_eq!(config.client.channel_limit, 7);
    assert_eq!(config.client.ping_interval.as_secs(), 90);
    assert_eq!(config.log.level, "debug");
}

#[test]
fn lists_may_be_json() {
    let config = config(load_variables(
        None,
        &[(
            "TIDEGATE_CLIENT_ALLOWED_ORIGINS",
            r#"["https://a.example.com"]"#,
        )],
    ));
    assert_eq!(config.client.allowed_origins, ["https://a.example.com"]);
}

#[test]
fn namespaces_are_listed_and_then_set() {
    let config = config(load_variables(
        None,
        &[
            ("TIDEGATE_CHANNEL_NAMESPACES", "a-b  cd"),
            ("TIDEGATE_CHANNEL_NAMESPACES_A_B_PRESENCE", "true"),
            (
                "TIDEGATE_CHANNEL_NAMESPACES_CD_ALLOW_SUBSCRIBE_FOR_CLIENT",
                "true",
            ),
        ],
    ));
    let [one, other] = &config.channel.namespaces[..] else {
        panic!("{config:?}")
    };
    assert!(one.name == "a-b" && one.options.presence && !one.options.allow_subscribe_for_client);
    assert!(other.name == "cd" && other.options.allow_subscribe_for_client);
}

#[test]
fn namespaces_may_be_listed_as_json() {
    let list = r#"["aa", {"name": "bb", "presence": true}]"#;
    let config = config(load_variables(
        None,
        &[("TIDEGATE_CHANNEL_NAMESPACES", list)],
    ));
    assert_eq!(config.channel.namespaces.len(), 2);
    assert!(config.channel.namespaces[1].options.presence);
}

#[test]
fn variables_extend_namespaces_of_the_file() {
    let loaded = load_variables(
        Some("tidegate.json"),
        &[
            ("TIDEGATE_CHANNEL_NAMESPACES", "news extra"),
            (
                "TIDEGATE_CHANNEL_NAMESPACES_CHAT_ALLOW_PUBLISH_FOR_CLIENT",
                "true",
            ),
            ("TIDEGATE_CHANNEL_NAMESPACES_EXTRA_CHANNEL_REGEX", "^x$"),
        ],
    );
    let loaded = loaded.unwrap();
    let namespaces = &loaded.config.channel.namespaces;
    let names: Vec<_> = namespaces
        .iter()
        .map(|namespace| &*namespace.name)
        .collect();
    assert_eq!(names, ["chat", "news", "extra"]);
    assert!(
        namespaces[0].options.allow_publish_for_client
            && namespaces[0].options.allow_subscribe_for_client
    );
    assert!(namespaces[1].options.allow_subscribe_for_anonymous);
    assert_eq!(namespaces[2].options.channel_regex, "^x$");
    assert!(
        loaded.is_set("channel.namespaces.extra.channel_regex")
            && loaded.is_set("http_server.port")
    );
    assert!(!loaded.is_set("playground.enabled"));
}

#[test]
fn an_empty_variable_unsets_a_file_name() {
    let variables = [("TIDEGATE_NATS_CREDENTIALS", "")];
    assert_eq!(
        config(load_variables(Some("tidegate.json"), &variables))
            .nats
            .credentials,
        None
    );
}

#[test]
fn unknown_variables_tell_the_nearest_known_one() {
    for (unknown, message) in [
        (
            "TIDEGATE_CLIENT_INSECUR",
            "is not known; nearest: TIDEGATE_CLIENT_INSECURE",
        ),
        (
            "TIDEGATE_ENGIN_TYPE",
            "is not known; nearest: TIDEGATE_ENGINE",
        ),
        (
            "TIDEGATE_CHANNEL_NAMESPACES_CHAT_PRESENCE",
            "names no namespace: list it in TIDEGATE_CHANNEL_NAMESPACES",
        ),
    ] {
        let faults = lines(load_variables(None, &[(unknown, "1")]));
        assert_eq!(faults, [format!("{unknown}: {message}")]);
    }
}

#[test]
fn two_namespaces_of_one_variable_are_told_apart_or_refused() {
    let list = ("TIDEGATE_CHANNEL_NAMESPACES", "a-b a_b");
    config(load_variables(None, &[list]));
    let faults = lines(load_variables(
        None,
        &[list, ("TIDEGATE_CHANNEL_NAMESPACES_A_B_PRESENCE", "1")],
    ));
    let expected = "TIDEGATE_CHANNEL_NAMESPACES_A_B_PRESENCE: may mean channel.namespaces.a-b.presence and \
                    channel.namespaces.a_b.presence";
    assert_eq!(faults, [expected]);
}

#[test]
fn variables_of_kubernetes_are_left_alone() {
    config(load_variables(
        None,
        &[
            ("TIDEGATE_SERVICE_HOST", "10.0.0.1"),
            ("TIDEGATE_SERVICE_PORT_HTTP", "8000"),
            ("TIDEGATE_PORT", "tcp://10.0.0.1:8000"),
            ("TIDEGATE_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
            ("TIDEGATE_PORT_8000_TCP_PROTO", "tcp"),
            ("TIDEGATE_HTTP_SERVER_PORT", "tcp://10.0.0.1:8000"),
        ],
    ));
}

#[test]
fn the_file_may_be_named_by_a_variable() {
    let path = example("tidegate.toml");
    let loaded = load_variables(None, &[("TIDEGATE_CONFIG", path.to_str().unwrap())]).unwrap();
    assert_eq!(loaded.file(), Some(&*path));
    assert_eq!(loaded.config.http_server.port, 9000);
}

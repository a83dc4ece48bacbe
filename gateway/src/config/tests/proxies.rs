//! Backends that are asked.

use super::*;

/// Options that together give exactly these lines.
fn check(options: &[(&str, &str)], expected: &[&str]) {
    assert_eq!(lines(load_options(options)), expected, "{options:?}");
}

#[test]
fn backends_are_checked_where_they_are_asked() {
    check(
        &[("client.proxy.connect.enabled", "true")],
        &["client.proxy.connect.endpoint: must say where the backend is"],
    );
    check(
        &[
            ("client.proxy.refresh.enabled", "true"),
            ("client.proxy.refresh.endpoint", "ftp://a"),
            ("client.proxy.refresh.timeout", "0s"),
            ("client.proxy.refresh.http_headers", "Cookie a:b"),
        ],
        &[
            "client.proxy.refresh.endpoint (--set): must start with `http://`, `https://`, `grpc://` or `nats:`",
            "client.proxy.refresh.timeout (--set): must be longer than zero",
            "client.proxy.refresh.http_headers (--set): has what is no name of a header",
        ],
    );
    check(
        &[
            ("channel.without_namespace.publish_proxy_enabled", "true"),
            ("channel.without_namespace.publish_proxy_name", "game"),
        ],
        &[
            "channel.without_namespace.publish_proxy_name (--set): is not the name of a backend in proxies",
        ],
    );
    // What nobody asks may be anything.
    let loaded = load_options(&[("rpc.proxy.endpoint", "nonsense")]);
    assert!(loaded.is_ok(), "{loaded:?}");
}

#[test]
fn lists_and_maps_of_backends_come_from_files_and_variables() {
    let proxies = r#"[{"name": "game", "endpoint": "nats:game", "timeout": "300ms",
        "http": {"static_headers": {"X-Key": "k"}, "status_to_code_transforms":
            [{"status_code": 404, "to_error": {"code": 404, "message": "not found"}}]}}]"#;
    let config = config(load_variables(
        None,
        &[
            ("TIDEGATE_PROXIES", proxies),
            (
                "TIDEGATE_RPC_NAMESPACES",
                r#"[{"name": "game", "proxy_enabled": true, "proxy_name": "game"}]"#,
            ),
            (
                "TIDEGATE_RPC_PROXY_HTTP_STATIC_HEADERS",
                r#"{"X-Other": "o"}"#,
            ),
        ],
    ));
    let proxy = &config.proxies[0].proxy;
    assert_eq!(
        (&*proxy.endpoint, proxy.timeout),
        ("nats:game", std::time::Duration::from_millis(300))
    );
    assert_eq!(&*proxy.http.static_headers["X-Key"], "k");
    assert_eq!(proxy.http.status_to_code_transforms[0].to_error.code, 404);
    assert_eq!(&*config.rpc.proxy.http.static_headers["X-Other"], "o");
}

#[test]
fn entries_of_lists_are_checked_by_name() {
    for (proxies, expected) in [
        (
            r#"[{"name": "a", "endpoint": "nats:a"}]"#,
            "proxies.a.name (TIDEGATE_PROXIES): must be two or more letters, digits, `-`, `_` and `.`",
        ),
        (
            r#"[{"name": "default", "endpoint": "nats:a"}]"#,
            "proxies.default.name (TIDEGATE_PROXIES): is the name of another backend",
        ),
        (
            r#"[{"name": "game"}]"#,
            "proxies.game.endpoint (TIDEGATE_PROXIES): must say where the backend is",
        ),
        (
            r#"[{"name": "game", "endpoint": "nats:a", "timout": "1s"}]"#,
            "proxies.game.timout (TIDEGATE_PROXIES): is not known; nearest: proxies.game.timeout",
        ),
        (
            r#"[{"name": "game", "endpoint": "nats:a", "grpc": {"tls": {"insecure_skip_verify": true}}}]"#,
            "proxies.game.grpc.tls.insecure_skip_verify (TIDEGATE_PROXIES): is known and not offered: a certificate is always verified, for the name in the endpoint",
        ),
        (
            r#"{"name": "game"}"#,
            "proxies (TIDEGATE_PROXIES): must be a list of sections, each with a name",
        ),
        (
            r#"[{"name": "game", "endpoint": "nats:a", "http": {"status_to_code_transforms": [{"status_code": 404}]}}]"#,
            "proxies.game.http.status_to_code_transforms (TIDEGATE_PROXIES): needs a code of either to_error or to_disconnect",
        ),
    ] {
        let faults = lines(load_variables(None, &[("TIDEGATE_PROXIES", proxies)]));
        assert_eq!(faults, [expected], "{proxies}");
    }
}

#[test]
fn ends_of_refused_connects_are_checked() {
    let option = "client.connect_code_to_unidirectional_disconnect.transforms";
    let variable = "TIDEGATE_CLIENT_CONNECT_CODE_TO_UNIDIRECTIONAL_DISCONNECT_TRANSFORMS";
    let range = "needs a to.code from 3000 to 4999, and a to.reason of at most 123 bytes";
    for (transforms, expected) in [
        (r#"[{"to": {"code": 4001}}]"#, "needs the code of an error"),
        (r#"[{"code": 109}]"#, range),
        (r#"[{"code": 109, "to": {"code": 5000}}]"#, range),
        (
            r#"[{"code": 109, "to": {"code": 4001}}, {"code": 109, "to": {"code": 4002}}]"#,
            "has a code twice",
        ),
    ] {
        let faults = lines(load_variables(None, &[(variable, transforms)]));
        assert_eq!(faults, [format!("{option} ({variable}): {expected}")]);
    }
    let good = r#"[{"code": 404, "to": {"code": 4904, "reason": "not found"}}]"#;
    let loaded = load_variables(None, &[(variable, good)]).unwrap();
    let refused = &loaded
        .config
        .client
        .connect_code_to_unidirectional_disconnect;
    assert_eq!(
        (refused.enabled, refused.transforms[0].to.code),
        (false, 4_904)
    );
}

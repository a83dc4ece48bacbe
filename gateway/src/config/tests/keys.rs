//! Keys that are published, and how they are fetched.

use super::*;

/// Options that together give exactly these lines.
fn check(options: &[(&str, &str)], expected: &[&str]) {
    assert_eq!(lines(load_options(options)), expected, "{options:?}");
}

const URL: &str = "client.token.jwks_public_endpoint";

#[test]
fn addresses_are_those_that_nobody_on_the_way_can_answer_for() {
    let open = "client.token.insecure_jwks_over_http";
    for url in [
        "https://id.example.com/keys",
        "https://id.example.com:8443",
        "http://localhost:8080/keys",
        "http://127.0.0.1/keys",
        "http://[::1]:80/keys",
    ] {
        assert!(load_options(&[(URL, url)]).is_ok(), "{url}");
    }
    let plain = [(URL, "http://id.example.com/keys"), (open, "true")];
    assert!(load_options(&plain).is_ok());
    let http = "must start with `https://`: over `http://` whoever is on the way can sign tokens";
    for (url, fault) in [
        ("http://id.example.com/keys", http),
        ("http://127.0.0.1.example.com/keys", http),
        ("ftp://id.example.com", "must start with `https://`"),
        ("id.example.com/keys", "is no URL"),
        ("https://", "is no URL"),
        (
            "https://id.example.com/{{tenant}}/keys",
            "has a placeholder: list each issuer in providers",
        ),
    ] {
        check(&[(URL, url)], &[&format!("{URL} (--set): {fault}")]);
    }
}

#[test]
fn algorithms_are_those_of_public_keys() {
    let option = "client.token.jwks_algorithms";
    let url = (URL, "https://id.example.com/keys");
    assert!(load_options(&[url, (option, "RS256 EdDSA")]).is_ok());
    let fault = format!(
        "{option} (--set): has what is not one of RS256, RS384, RS512, ES256, ES384, ES512, EdDSA"
    );
    for name in ["HS256", "none", "PS256", "rs256"] {
        check(&[url, (option, name)], &[&fault]);
    }
    check(
        &[(option, "RS256")],
        &[&format!("{option} (--set): needs {URL}")],
    );
}

#[test]
fn issuers_are_told_apart() {
    let option = "client.token.providers";
    let good = r#"[{"issuer": "a", "jwks_public_endpoint": "https://a/keys"},
        {"issuer": "b", "audience": "c", "jwks_public_endpoint": "https://b/keys"}]"#;
    let config = config(load_options(&[(option, good)]));
    assert_eq!(config.client.token.providers[1].audience, "c");
    check(
        &[(
            option,
            r#"[{"issuer": "a", "jwks_public_endpoint": "http://a/keys"}, {"issuer": "a"}, {"jwks_public_endpoint": "https://c"}]"#,
        )],
        &[
            "client.token.providers.0.jwks_public_endpoint (--set): must start with `https://`: over `http://` whoever is on the way can sign tokens",
            "client.token.providers.1.issuer (--set): is the issuer of another provider",
            "client.token.providers.1.jwks_public_endpoint (--set): must say where the keys are published",
            "client.token.providers.2.issuer (--set): must be the `iss` of the provider's tokens",
        ],
    );
}

#[test]
fn times_go_together() {
    let url = (URL, "https://id.example.com/keys");
    check(
        &[
            url,
            ("client.jwks.timeout", "20s"),
            ("client.jwks.refetch_interval", "0s"),
            ("client.jwks.cache_min", "2h"),
            ("client.jwks.stale_limit", "1m"),
        ],
        &[
            "client.jwks.refetch_interval (--set): must be longer than zero",
            "client.jwks.cache_min (--set): must not be longer than client.jwks.cache_max",
            "client.jwks.cache_default: must lie between client.jwks.cache_min and client.jwks.cache_max",
            "client.jwks.stale_limit (--set): must not be shorter than client.jwks.cache_max",
            "client.jwks.timeout (--set): must be shorter than client.stale_close_delay, or who waits for keys is closed",
        ],
    );
    // Where nobody waits for keys it does not matter.
    assert!(load_options(&[("client.stale_close_delay", "1s")]).is_ok());
}

#[test]
fn a_list_of_who_is_kept_out_has_bounds() {
    check(
        &[
            ("client.revocation.max_entries", "0"),
            ("client.revocation.replicas", "2"),
        ],
        &[
            "client.revocation.max_entries (--set): must be more than zero",
            "client.revocation.replicas (--set): must be 1, 3 or 5",
        ],
    );
}

//! Variants of origins, honest and hostile, against each kind of policy.

use super::*;

fn policy(allowed: &[&str]) -> OriginPolicy {
    let allowed: Vec<String> = allowed.iter().map(|&entry| entry.to_owned()).collect();
    OriginPolicy::new(&allowed).unwrap()
}

/// Against the policy of the test below.
const LISTED: &[(&str, bool)] = &[
    ("https://app.example.com", true),
    ("https://app.example.com:443", true),
    ("HTTPS://APP.Example.COM", true),
    ("http://localhost:3000", true),
    ("http://[::1]:3000", true),
    ("capacitor://localhost", true),
    ("https://a.example.org", true),
    ("https://a.b.example.org", true),
    ("https://A.Example.ORG:443", true),
    // Another scheme or port.
    ("http://app.example.com", false),
    ("wss://app.example.com", false),
    ("https://app.example.com:8443", false),
    ("http://localhost", false),
    ("http://localhost:30000", false),
    ("capacitor://localhost:3000", false),
    ("http://a.example.org", false),
    ("https://a.example.org:80", false),
    ("http://a.example.org:443", false),
    // Prefixes, suffixes and neighbours.
    ("https://example.com", false),
    ("https://x.app.example.com", false),
    ("https://app.example.com.evil.com", false),
    ("https://evilapp.example.com", false),
    ("https://app.example.comevil.com", false),
    ("https://app-example.com", false),
    ("https://appxexample.com", false),
    ("https://example.org", false),
    ("https://.example.org", false),
    ("https://a..example.org", false),
    ("https://evilexample.org", false),
    ("https://a.example.org.evil.com", false),
    ("https://a.example.org.", false),
    ("https://*.example.org", false),
    // More than an origin.
    ("https://user@app.example.com", false),
    ("https://app.example.com@evil.com", false),
    ("https://evil.com#@app.example.com", false),
    ("https://evil.com/.example.org", false),
    ("https://evil.com\\.example.org", false),
    ("https://evil.com?.example.org", false),
    ("https://evil.com%2f.example.org", false),
    ("https://app.example.com/", false),
    ("https://app.example.com/path", false),
    ("https://app.example.com https://evil.com", false),
    (" https://app.example.com", false),
    ("https://app.example.com ", false),
    ("https://app.example.com\t", false),
    ("https://app.example.com\0", false),
    // Ports that are not.
    ("https://app.example.com:", false),
    ("https://app.example.com:0", false),
    ("https://app.example.com:0443", false),
    ("https://app.example.com:+443", false),
    ("https://app.example.com:65979", false),
    ("https://app.example.com:443:443", false),
    ("http://[::1:3000", false),
    ("http://::1:3000", false),
    ("http://[::1]3000", false),
    ("http://[evil.com]:3000", false),
    // Letters that only look alike, full-width or ideographic dots.
    ("https://\u{430}pp.example.com", false),
    ("https://evil\u{3002}example.org", false),
    ("https://evil\u{ff0e}example.org", false),
    ("https://\u{ff41}pp.example.com", false),
    // Not origins.
    ("null", false),
    ("", false),
    ("*", false),
    ("app.example.com", false),
    ("//app.example.com", false),
    ("https:app.example.com", false),
    ("https://", false),
    ("://app.example.com", false),
    ("file://", false),
];

#[test]
fn listed_origins_match_by_scheme_host_and_port() {
    let policy = policy(&[
        "https://app.example.com",
        "https://*.example.org",
        "http://localhost:3000",
        "http://[::1]:3000",
        "capacitor://localhost",
    ]);
    for (origin, expected) in LISTED.iter().copied() {
        let allowed = policy.allows(Some(origin), Some("app.example.com"));
        assert_eq!(allowed, expected, "{origin:?}");
    }
}

#[test]
fn without_a_list_the_origin_is_the_host_itself() {
    let policy = policy(&[]);
    let cases = [
        ("https://example.com", Some("example.com"), true),
        ("https://example.com", Some("EXAMPLE.com:443"), true),
        ("https://example.com:443", Some("example.com"), true),
        ("http://example.com", Some("example.com"), true),
        ("http://localhost:8000", Some("localhost:8000"), true),
        ("http://[::1]:8000", Some("[::1]:8000"), true),
        ("http://localhost:3000", Some("localhost:8000"), false),
        ("http://localhost", Some("localhost:8000"), false),
        ("https://example.com", Some("example.com:80"), false),
        ("https://evil.com", Some("example.com"), false),
        ("https://sub.example.com", Some("example.com"), false),
        ("https://example.com.evil.com", Some("example.com"), false),
        ("chrome-extension://example", Some("example"), false),
        ("https://example.com", None, false),
        ("https://example.com", Some(""), false),
        ("https://example.com", Some("example.com, evil.com"), false),
        ("null", Some("null"), false),
        ("", Some(""), false),
    ];
    for (origin, host, expected) in cases {
        assert_eq!(
            policy.allows(Some(origin), host),
            expected,
            "{origin:?} {host:?}"
        );
    }
}

#[test]
fn a_star_allows_everything_even_null() {
    let policy = policy(&["https://app.example.com", "*"]);
    for origin in ["null", "", "https://evil.com", "file://", "anything at all"] {
        assert!(policy.allows(Some(origin), None), "{origin:?}");
    }
}

#[test]
fn a_request_without_origin_passes_every_policy() {
    for allowed in [&["https://app.example.com"][..], &["*"], &[]] {
        assert!(policy(allowed).allows(None, None));
    }
}

#[test]
fn every_entry_that_is_no_origin_is_a_fault() {
    let entries = [
        "",
        "null",
        "example.com",
        "https://",
        "https://example.com/",
        "https://*",
        "https://*.",
        "https://*example.com",
        "https://a.*.com",
        "*.example.com",
        "https://example.com:*",
        "https://user@example.com",
        "https://b\u{fc}cher.example",
        "**",
        " *",
    ];
    let allowed: Vec<String> = entries.iter().map(|&entry| entry.to_owned()).collect();
    let faults = OriginPolicy::new(&allowed).unwrap_err();
    assert_eq!(faults.len(), entries.len(), "{faults:?}");
}

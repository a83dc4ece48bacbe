//! Where a token may come from: the connect command, the `Authorization` header, a cookie. Never the URL.

use serde_json::json;

use super::connect;
use crate::command::{Format, Message};
use crate::http::Upgrade;
use crate::raw::Raw;
use crate::site::Site;
use crate::token;

/// Asserts whether a client that gives no token in its connect command is connected.
async fn check<const COUNT: usize>(
    cases: [(&str, &str, bool); COUNT],
    change: impl Fn(Upgrade, &str) -> Upgrade,
) {
    let site = Site::with(|config| config["client"]["token_cookie"] = json!("session"));
    let token = token::of("alice");
    for (what, template, accepted) in cases {
        let upgrade = change(
            Upgrade::new(site.address()),
            &template.replace("TOKEN", &token),
        );
        let mut raw = Raw::upgrade(site.address(), &upgrade).await.unwrap();
        let message = connect(&mut raw, Format::Json, "").await;
        let connected = matches!(message, Some(Message::Reply { error: None, .. }));
        assert_eq!(connected, accepted, "{what}");
    }
    site.stop().await;
}

#[tokio::test]
async fn a_token_may_come_in_the_authorization_header() {
    let cases = [
        ("bearer", "Bearer TOKEN", true),
        ("forged", "Bearer TOKENx", false),
        ("basic", "Basic TOKEN", false),
        ("bare", "TOKEN", false),
    ];
    check(cases, |upgrade, value| upgrade.with("Authorization", value)).await;
}

#[tokio::test]
async fn a_token_may_come_in_the_configured_cookie() {
    let cases = [
        ("alone", "session=TOKEN", true),
        ("among others", "a=b; session=TOKEN; c=d", true),
        ("another cookie", "token=TOKEN", false),
        ("twice", "session=TOKEN; session=other", false),
    ];
    check(cases, |upgrade, value| upgrade.with("Cookie", value)).await;
}

#[tokio::test]
async fn a_token_in_the_url_is_not_read() {
    let cases = [
        ("token", "token=TOKEN", false),
        ("the cookie's name", "session=TOKEN", false),
        ("access_token", "access_token=TOKEN", false),
        ("authorization", "Authorization=Bearer%20TOKEN", false),
        (
            "cf_connect",
            "cf_connect=%7B%22token%22%3A%22TOKEN%22%7D",
            false,
        ),
    ];
    check(cases, |upgrade, query| upgrade.query(query)).await;
}

#[tokio::test]
async fn a_cookie_does_not_help_a_foreign_page() {
    let site = Site::with(|config| config["client"]["token_cookie"] = json!("session"));
    let upgrade = Upgrade::new(site.address())
        .with("Cookie", &format!("session={}", token::of("alice")))
        .with("Origin", "https://evil.example.com");
    let answer = Raw::upgrade(site.address(), &upgrade).await.err().unwrap();
    assert_eq!(answer.status, 403);
    site.stop().await;
}

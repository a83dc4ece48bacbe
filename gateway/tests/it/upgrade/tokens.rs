//! Where a token may come from: the connect command, the `Authorization` header, a cookie. Never the URL.

use serde_json::json;

use super::connect;
use crate::command::{Format, Message};
use crate::http::Upgrade;
use crate::raw::Raw;
use crate::site::Site;
use crate::token;

#[tokio::test]
async fn a_token_comes_from_the_header_or_the_cookie_but_not_from_the_url() {
    let site = Site::with(|config| config["client"]["token_cookie"] = json!("session"));
    let token = token::of("alice");
    let upgrade = Upgrade::new(site.address());
    let cases = [
        ("none", upgrade.clone(), false),
        (
            "header",
            upgrade
                .clone()
                .with("Authorization", &format!("Bearer {token}")),
            true,
        ),
        (
            "forged",
            upgrade
                .clone()
                .with("Authorization", &format!("Bearer {token}x")),
            false,
        ),
        (
            "basic",
            upgrade
                .clone()
                .with("Authorization", &format!("Basic {token}")),
            false,
        ),
        (
            "cookie",
            upgrade
                .clone()
                .with("Cookie", &format!("a=b; session={token}")),
            true,
        ),
        (
            "another cookie",
            upgrade.clone().with("Cookie", &format!("token={token}")),
            false,
        ),
        (
            "token",
            upgrade.clone().query(&format!("token={token}")),
            false,
        ),
        (
            "cookie in URL",
            upgrade.clone().query(&format!("session={token}")),
            false,
        ),
        (
            "access_token",
            upgrade.clone().query(&format!("access_token={token}")),
            false,
        ),
        (
            "cf_connect",
            upgrade.query(&format!("cf_connect=%7B%22token%22%3A%22{token}%22%7D")),
            false,
        ),
    ];
    for (what, upgrade, accepted) in cases {
        let mut raw = Raw::upgrade(site.address(), &upgrade).await.unwrap();
        let message = connect(&mut raw, Format::Json, "").await;
        let connected = matches!(message, Some(Message::Reply { error: None, .. }));
        assert_eq!(connected, accepted, "{what}");
    }
    site.stop().await;
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

//! The playground, used in a browser: the script beside `it` does it and checks what is to be seen.

use std::path::Path;

use serde_json::json;
use tidegate_gateway::auth::mint;
use tidegate_gateway::config::TokenConfig;
use tidegate_testkit::chromium::chromium;
use tidegate_testkit::node::node;
use tidegate_testkit::program::Program;

use crate::site::Site;
use crate::token::SECRET;

#[tokio::test]
async fn the_playground_works_in_chromium() {
    let (browser, mut command) = tokio::task::spawn_blocking(|| {
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/playground/playground.test.mjs");
        (chromium().unwrap(), node(&script).unwrap())
    })
    .await
    .unwrap();
    let site = Site::with(|config| config["playground"] = json!({ "enabled": true }));
    let keys = TokenConfig {
        hmac_secret_key: SECRET.into(),
        ..TokenConfig::default()
    };
    let token = mint(&keys, "visitor", None, None, std::time::SystemTime::now()).unwrap();
    command
        .env("TIDEGATE_URL", format!("http://{}/", site.address()))
        .env("TIDEGATE_TOKEN", token)
        .env("TIDEGATE_CHANNEL", "chat:lobby")
        .env("CHROMIUM", browser);
    let mut script = Program::start(command).unwrap();
    if let Err(error) = script.succeeded().await {
        panic!("{error:#}");
    }
    site.stop().await;
}

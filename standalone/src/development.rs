//! Development mode: what `tidegate` does when nothing of clients and channels is configured.
//!
//! Keys of this run only, a token to use them with, channels that every user may join and publish to, with an hour of
//! history and presence unless NATS is used, the playground, and an address that only this machine reaches. Any option of `client` or `channel`, or a file, ends it.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use tidegate_gateway::auth::mint;
use tidegate_gateway::config::{
    ChannelConfig, ClientConfig, Config, Loaded, Namespace, NamespaceOptions,
};
use tidegate_gateway::server::Server;

/// The user of the ready-made token.
const USER: &str = "dev";

/// How long the ready-made token is valid.
const TOKEN_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// Turns an empty configuration into development mode; gives a token for it, or `None` when something is configured.
pub fn prepare(loaded: &mut Loaded) -> Option<String> {
    let is_configured = loaded.file().is_some()
        || loaded.config.client != ClientConfig::default()
        || loaded.config.channel != ChannelConfig::default();
    if is_configured {
        return None;
    }
    if !loaded.is_set("http_server.address") {
        loaded.config.http_server.address = Ipv4Addr::LOCALHOST.to_string();
    }
    if !loaded.is_set("playground.enabled") {
        loaded.config.playground.enabled = true;
    }
    let open = NamespaceOptions {
        allow_subscribe_for_client: true,
        allow_publish_for_client: true,
        ..NamespaceOptions::default()
    };
    let open = match loaded.config.nats.url.is_empty() {
        true => with_presence(with_history(
            open,
            loaded.config.embedded.data_dir.is_some(),
        )),
        false => open,
    };
    let chat = Namespace {
        name: "chat".to_owned(),
        options: open.clone(),
    };
    loaded.config.channel.without_namespace = open;
    loaded.config.channel.namespaces = vec![chat];
    if !loaded.config.nats.url.is_empty() || loaded.is_set("http_server.address") {
        loaded.warnings.push(
            "development mode: whoever has the printed token may publish everywhere; set options of client and channel \
             before others reach this node"
                .to_owned(),
        );
    }
    let keys = &mut loaded.config.client.token;
    keys.hmac_secret_key = format!("{}{}", uuid::Uuid::new_v4(), uuid::Uuid::new_v4()).into();
    let token = mint(keys, USER, None, Some(TOKEN_TTL), SystemTime::now());
    Some(token.expect("a secret was just set"))
}

/// Adds what clients need to recover and to read the history.
fn with_history(options: NamespaceOptions, has_files: bool) -> NamespaceOptions {
    let storage = if has_files { "file" } else { "memory" };
    NamespaceOptions {
        history_size: 100,
        history_ttl: Duration::from_secs(60 * 60),
        history_storage: storage.to_owned(),
        allow_history_for_subscriber: true,
        allow_positioning: true,
        allow_recovery: true,
        ..options
    }
}

/// Adds that clients may see who is there, which the presence service within this process says.
fn with_presence(options: NamespaceOptions) -> NamespaceOptions {
    NamespaceOptions {
        presence: true,
        join_leave: true,
        allow_presence_for_subscriber: true,
        ..options
    }
}

/// Tells a person on standard output where things are and what to do next.
pub fn greet(server: &Server, token: Option<&str>) {
    let address = server.address();
    let shown = if address.ip().is_unspecified() {
        (Ipv4Addr::LOCALHOST, address.port()).into()
    } else {
        address
    };
    let text = greeting(shown, &server.node().config, token);
    // Nobody may be listening; the node serves all the same.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn greeting(address: SocketAddr, config: &Config, token: Option<&str>) -> String {
    let mut text = format!("\nTidegate {}", env!("CARGO_PKG_VERSION"));
    if token.is_some() {
        text += ", development mode: nothing is configured, so keys and token are of this run only";
    }
    text += "\n\n";
    let (http, ws) = if config.http_server.tls.enabled {
        ("https", "wss")
    } else {
        ("http", "ws")
    };
    if config.playground.enabled {
        text += &format!("  playground  {http}://{address}/\n");
    }
    text += &format!(
        "  clients     {ws}://{address}{}\n",
        config.websocket.handler_prefix
    );
    text += &format!("  health      {http}://{address}/health  {http}://{address}/ready\n\n");
    if let Some(token) = token {
        text += &format!("  token of user \"{USER}\", for a day:\n  {token}\n\n");
        text += "Next: open the playground, connect with the token, subscribe to chat:lobby and publish.\n";
        text += "Then: tidegate default-config --format yaml > tidegate.yaml, change it, tidegate --config tidegate.yaml\n\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_shows_the_token_in_development_only() {
        let address = ([127, 0, 0, 1], 8000).into();
        let mut config = Config::default();
        let text = greeting(address, &config, None);
        assert!(
            !text.contains("token") && !text.contains("playground"),
            "{text}"
        );
        assert!(
            text.contains("ws://127.0.0.1:8000/connection/websocket"),
            "{text}"
        );
        config.playground.enabled = true;
        let text = greeting(address, &config, Some("a.b.c"));
        assert!(
            text.contains("\n  a.b.c\n") && text.contains("playground  http://127.0.0.1:8000/"),
            "{text}"
        );
        config.http_server.tls.enabled = true;
        let text = greeting(address, &config, None);
        for shown in [
            "playground  https://127.0.0.1:8000/",
            "clients     wss://127.0.0.1:8000/",
            "health      https://127.0.0.1:8000/health",
        ] {
            assert!(text.contains(shown), "{text}");
        }
    }
}

//! A binary's life: arguments and environment in, exit status out. Shared by `tidegate-gateway` and `tidegate`.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use tidegate_backbone::embedded::{Embedded, OpenError};
use tidegate_backbone::nats::{ConnectError, Nats};
use tidegate_backbone::{Backbone, Storage, StreamOptions};
use tidegate_telemetry::{Fault, logging};

use crate::auth::mint;
use crate::cli::{Action, Cli, ProbeArgs, TokenArgs};
use crate::config::{Config, Loaded, TokenConfig};
use crate::node::default_name;
use crate::probe::Question;
use crate::server::{Server, StartError};
use crate::{probe, run, telemetry};

/// What a node uses when no NATS is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutNats {
    /// Carries publications inside the process.
    Embedded,
    /// Refuses to start.
    Refuse,
}

/// Why a node did not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// There is no NATS, and this binary needs it.
    #[error(
        "nats.url is not set: tidegate-gateway needs NATS; for one node without NATS run tidegate"
    )]
    NoNats,
    /// NATS refused, or its options are at fault.
    #[error(transparent)]
    Nats(#[from] ConnectError),
    /// What is to be kept cannot be.
    #[error("embedded: {0}")]
    Embedded(#[from] OpenError),
    /// What is to run beside the node did not start.
    #[error("{0}")]
    Beside(String),
    /// An option or variable of OpenTelemetry.
    #[error("opentelemetry: {0}")]
    Telemetry(#[from] Fault),
    /// The node did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// There is no runtime to serve in.
    #[error("cannot start the runtime: {0}")]
    Runtime(std::io::Error),
}

/// Does what the command line of the program of this name asks for. `serve` is called for a node that is to serve clients.
pub fn main(
    name: &'static str,
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    serve: impl FnOnce(Loaded) -> Result<(), ServeError>,
) -> ExitCode {
    let outcome = match Cli::read(name, arguments).action(environment) {
        Ok(Action::Serve(loaded)) => serve(*loaded).map_err(|error| error.to_string()),
        Ok(Action::Correct(loaded)) => {
            let mut loaded = loaded;
            loaded.warnings.extend(advice(&loaded.config));
            let warnings: Vec<_> = loaded
                .warnings
                .iter()
                .map(|line| format!("warning: {line}\n"))
                .collect();
            print(&format!("{}configuration is correct\n", warnings.concat()))
        }
        Ok(Action::Print(text)) => print(&text),
        Ok(Action::Token(loaded, token)) => {
            make_token(&loaded.config, &token).and_then(|token| print(&format!("{token}\n")))
        }
        Ok(Action::Probe(loaded, probe)) => {
            ask(&loaded.config, &probe).and_then(|answer| print(&answer))
        }
        Err(faults) => Err(faults.to_string()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "{message}");
            ExitCode::FAILURE
        }
    }
}

/// Serves clients until a signal ends the process. Calls `beside` for what else is to use the backbone, which goes on until the
/// node has ended, and `started` once clients can connect.
///
/// # Errors
/// [`ServeError`] when the node cannot start.
pub fn serve<Beside>(
    loaded: Loaded,
    without_nats: WithoutNats,
    beside: impl FnOnce(&Config, &Arc<dyn Backbone>) -> Result<Beside, String>,
    started: impl FnOnce(&Server),
) -> Result<(), ServeError> {
    let Loaded {
        config, warnings, ..
    } = loaded;
    logging::start(&config.log.level, config.log.style());
    let instance = match config.node.name.as_str() {
        "" => default_name(),
        name => name.to_owned(),
    };
    let telemetry = telemetry::settings(&config.opentelemetry, instance, telemetry::environment())?;
    for warning in warnings.into_iter().chain(advice(&config)) {
        tracing::warn!("{warning}");
    }
    let system = actix_web::rt::System::new();
    system.block_on(async {
        let backbone = backbone(&config, without_nats).await?;
        let _beside = beside(&config, &backbone).map_err(ServeError::Beside)?;
        run(config, backbone, telemetry, started)
            .await
            .map_err(ServeError::from)
    })
}

/// What an operator should know of a configuration that is correct.
fn advice(config: &Config) -> impl Iterator<Item = String> {
    about_clients(config)
        .into_iter()
        .chain(about_cookies(config))
        .chain(about_history(config))
}

fn about_clients(config: &Config) -> Option<String> {
    let client = &config.client;
    if client.insecure {
        let text = "client.insecure is on: anyone who reaches this address may connect without a token, and subscribe and \
                    publish in every namespace that is configured. For development only.";
        return Some(text.to_owned());
    }
    let is_closed = !has_keys(&client.token) && !client.proxy.connect.enabled;
    (is_closed && !client.allow_anonymous_connect_without_token).then(|| {
        "no client can connect: client.token has no key, and clients without a token are not allowed".to_owned()
    })
}

/// Whether there are keys of tokens, here or where an issuer publishes them.
fn has_keys(token: &TokenConfig) -> bool {
    let keys: [&str; 5] = [
        &token.hmac_secret_key,
        &token.rsa_public_key,
        &token.ecdsa_public_key,
        &token.ed25519_public_key,
        &token.jwks_public_endpoint,
    ];
    keys.iter().any(|key| !key.is_empty()) || !token.providers.is_empty()
}

/// A backend that knows visitors by their cookies has to know whose page asks.
fn about_cookies(config: &Config) -> Option<String> {
    let connect = &config.client.proxy.connect;
    let mut headers = connect.proxy.http_headers.iter();
    let passes_cookies = headers.any(|it| it.eq_ignore_ascii_case("cookie"));
    let is_open = config.client.allowed_origins.iter().any(|it| it == "*");
    (connect.enabled && passes_cookies && is_open).then(|| {
        "client.proxy.connect passes cookies on, and client.allowed_origins has `*`: any site can connect as its visitor, \
         unless the backend looks at Origin"
            .to_owned()
    })
}

fn about_history(config: &Config) -> Option<String> {
    let in_files = |it: &StreamOptions| it.storage == Storage::File;
    let has_place = !config.nats.url.is_empty() || config.embedded.data_dir.is_some();
    (!has_place && config.channel.streams().iter().any(in_files)).then(|| {
        "history is kept in memory, and a restart empties it: set nats.url or embedded.data_dir, or say so with \
         history_storage"
            .to_owned()
    })
}

async fn backbone(
    config: &Config,
    without_nats: WithoutNats,
) -> Result<Arc<dyn Backbone>, ServeError> {
    if !config.nats.url.is_empty() {
        let mut options = config.nats.options();
        options.streams = config.channel.streams();
        return Ok(Arc::new(Nats::connect(options).await?));
    }
    match without_nats {
        WithoutNats::Embedded => {
            let options = config.embedded.options(config.channel.streams());
            Ok(Arc::new(Embedded::open(options)?))
        }
        WithoutNats::Refuse => Err(ServeError::NoNats),
    }
}

fn ask(config: &Config, asked: &ProbeArgs) -> Result<String, String> {
    let address = match asked.at {
        Some(address) => address,
        None => probe::address(&config.http_server)?,
    };
    let question = match asked.ready {
        true => Question::Ready,
        false => Question::Alive,
    };
    let is_configured = asked.at.is_none() && config.http_server.tls.enabled;
    let tls = (is_configured || asked.tls.is_asked_for()).then_some(&asked.tls);
    probe::probe(address, question, tls)
}

fn make_token(config: &Config, token: &TokenArgs) -> Result<String, String> {
    let keys = match (&token.channel, config.client.subscription_token.enabled) {
        (Some(_), true) => &config.client.subscription_token.token,
        _ => &config.client.token,
    };
    mint(
        keys,
        &token.user,
        token.channel.as_deref(),
        Some(token.ttl),
        SystemTime::now(),
    )
    .map_err(|error| error.to_string())
}

fn print(text: &str) -> Result<(), String> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| format!("cannot write to standard output: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn advised(client: Value) -> Vec<String> {
        let config = serde_json::from_value(json!({ "client": client }));
        advice(&config.unwrap()).collect()
    }

    #[test]
    fn that_no_client_can_connect_is_said_only_where_it_is_so() {
        let published = "https://id.example.com/keys";
        for open in [
            json!({ "token": { "hmac_secret_key": "secret" } }),
            json!({ "token": { "ed25519_public_key": "key" } }),
            json!({ "token": { "jwks_public_endpoint": published } }),
            json!({ "token": { "providers": [{ "issuer": "i", "jwks_public_endpoint": published }] } }),
            json!({ "allow_anonymous_connect_without_token": true }),
            json!({ "proxy": { "connect": { "enabled": true } } }),
        ] {
            assert_eq!(advised(open.clone()), [""; 0], "{open}");
        }
        for closed in [
            json!({}),
            json!({ "subscription_token": { "enabled": true, "hmac_secret_key": "secret" } }),
        ] {
            let advice = advised(closed.clone());
            assert_eq!(advice.len(), 1, "{closed}");
            assert!(advice[0].starts_with("no client can connect"), "{advice:?}");
        }
    }
}

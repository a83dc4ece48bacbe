//! The command line of both binaries: arguments and environment in, what to do out.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use tidegate_service::{Access, ProbeTls};

use crate::auth::{OriginPolicy, Verifier};
use crate::config::{self, Config, Faults, Format, Loaded, Setting, duration};
use crate::ports::Ports;
use crate::transport;

/// Realtime messaging for browsers and apps, over NATS.
///
/// Without a command, serves clients until SIGTERM or SIGINT.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Option<Command>,
}

impl Cli {
    /// Reads the arguments of the program of this name; ends the process where they are wrong, or ask for help.
    pub fn read(name: &'static str, arguments: impl IntoIterator<Item = OsString>) -> Self {
        let matches = of_program(name).get_matches_from(arguments);
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// The command line, as the program of this name tells of it.
fn of_program(name: &'static str) -> clap::Command {
    let sources = format!(
        "\
Options come from the configuration file, from the environment (client.insecure is
TIDEGATE_CLIENT_INSECURE) and from flags; the later one wins. Without --config or
TIDEGATE_CONFIG there is no file: none is searched for.

  {name} default-config --format yaml > tidegate.yaml
  {name} --config tidegate.yaml
  {name} token --user alice --config tidegate.yaml"
    );
    let command = Cli::command().name(name).bin_name(name);
    command.after_help(sources)
}

/// Flags of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Configuration")]
struct Flags {
    /// Configuration file: JSON, YAML or TOML by its extension, else by what it looks like
    #[arg(short, long, global = true, value_name = "PATH")]
    config: Option<PathBuf>,
    /// Address to listen on (http_server.address)
    #[arg(short, long, global = true)]
    address: Option<String>,
    /// Port to listen on (http_server.port)
    #[arg(short, long, global = true)]
    port: Option<String>,
    /// Addresses of NATS, separated by commas (nats.url); without them, nodes share nothing
    #[arg(long, global = true, value_name = "URL")]
    nats: Option<String>,
    /// Folder for what is kept without NATS (embedded.data_dir)
    #[arg(long, global = true, value_name = "PATH")]
    data_dir: Option<String>,
    /// What to log: none, trace, debug, info, warn or error (log.level)
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Any option by its path, such as client.ping_interval=10s; may be repeated
    #[arg(long, global = true, value_name = "OPTION=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check the configuration and tell everything that is wrong with it
    CheckConfig,
    /// Print every option with its default
    DefaultConfig {
        /// How to write it; YAML and TOML explain each option
        #[arg(long, value_enum, default_value = "json")]
        format: Format,
    },
    /// Print a token for a user, signed with the configured secret
    Token(TokenArgs),
    /// Ask a node that runs whether it is well; the exit status is 0 if it is
    Probe(ProbeArgs),
}

/// What a node is asked.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ProbeArgs {
    /// Where it listens; what is configured for this machine if it is not given
    #[arg(long, value_name = "ADDRESS")]
    pub at: Option<SocketAddr>,
    /// Whether it is of use to clients (/ready), and not only alive (/health)
    #[arg(long)]
    pub ready: bool,
    /// How it is asked.
    #[command(flatten)]
    pub tls: ProbeTls,
}

/// What a token is for.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct TokenArgs {
    /// User id; empty for an anonymous user
    #[arg(long, short)]
    pub user: String,
    /// Channel, for a token to subscribe to it; without, the token is to connect
    #[arg(long)]
    pub channel: Option<String>,
    /// How long it is valid
    #[arg(long, default_value = "1h", value_parser = duration::parse)]
    pub ttl: Duration,
}

/// What to do.
#[derive(Debug)]
pub enum Action {
    /// Serve clients.
    Serve(Box<Loaded>),
    /// The configuration is correct: say so.
    Correct(Box<Loaded>),
    /// Print this text.
    Print(String),
    /// Make a token and print it.
    Token(Box<Loaded>, TokenArgs),
    /// Ask a node.
    Probe(Box<Loaded>, ProbeArgs),
}

impl Cli {
    /// What the arguments ask for.
    ///
    /// # Errors
    /// [`Faults`] with everything that is wrong with the configuration.
    pub fn action(
        self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Action, Faults> {
        let loaded = || self.flags.load(environment).map(Box::new);
        match self.command {
            None => loaded().map(Action::Serve),
            Some(Command::CheckConfig) => loaded().map(Action::Correct),
            Some(Command::DefaultConfig { format }) => {
                Ok(Action::Print(config::default_config(format)))
            }
            Some(Command::Token(token)) => Ok(Action::Token(loaded()?, token)),
            Some(Command::Probe(probe)) => Ok(Action::Probe(loaded()?, probe)),
        }
    }
}

impl Flags {
    fn load(
        &self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Loaded, Faults> {
        let named = [
            ("--address", "http_server.address", &self.address),
            ("--port", "http_server.port", &self.port),
            ("--nats", "nats.url", &self.nats),
            ("--data-dir", "embedded.data_dir", &self.data_dir),
            ("--log-level", "log.level", &self.log_level),
        ];
        let named = named
            .into_iter()
            .filter_map(|(flag, path, value)| Some(Setting::flag(flag, path, value.as_ref()?)));
        let any = self
            .set
            .iter()
            .map(|(path, value)| Setting::flag("--set", path, value));
        config::load(
            self.config.as_deref(),
            environment,
            any.chain(named).collect(),
            examine,
        )
    }
}

/// Faults of options that are more than values, told by what reads them.
fn examine(config: &Config) -> Vec<String> {
    let client = &config.client;
    let mut faults = Verifier::new(&client.token, &client.subscription_token)
        .err()
        .unwrap_or_default();
    faults.extend(
        OriginPolicy::new(&client.allowed_origins)
            .err()
            .unwrap_or_default(),
    );
    faults.extend(Ports::load(config).err().unwrap_or_default());
    for (section, tls) in [
        ("grpc_api.tls", &config.grpc_api.tls),
        ("history_service.tls", &config.history_service.tls),
        ("presence_service.tls", &config.presence_service.tls),
    ] {
        let access = Access::new(None, tls.options(section));
        faults.extend(access.err().map(|it| it.0).unwrap_or_default());
    }
    faults.extend(transport::statuses(config).err().unwrap_or_default());
    if !config.nats.url.is_empty()
        && let Err(error) = config.nats.options().check()
    {
        faults.push(format!(
            "nats.url: {error}; for credentials see nats.user, nats.token and nats.credentials"
        ));
    }
    faults
}

fn assignment(text: &str) -> Result<(String, String), &'static str> {
    let (path, value) = text
        .split_once('=')
        .ok_or("must be OPTION=VALUE, such as client.insecure=true")?;
    Ok((path.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests;

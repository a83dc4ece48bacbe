//! `tidegate-presence`: the presence service over NATS.

mod options;
mod program;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use options::Options;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    tracing_subscriber::fmt()
        .with_env_filter("warn,tidegate_presence_service=info,tidegate_backbone=info")
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    match program::run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let causes: Vec<_> = error.chain().map(ToString::to_string).collect();
            tracing::error!("{}", causes.join(": "));
            ExitCode::FAILURE
        }
    }
}

//! The command line.

mod common;
mod length;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

pub use crate::compare::Kind;
pub use common::{Common, Publishing};
use length::length;

/// What `--help` begins with.
const ABOUT: &str = "\
Puts many clients on a WebSocket server, and measures what it delivers, how late, and at what cost.

The clients live in processes of this program, each with its share of the connections. Messages are published on a fixed
schedule, whether or not the server keeps up (open loop), and carry the time when they were meant to be sent: what is late
counts as late. Every message carries its number, so what is lost, doubled or out of order is known exactly. With
--server-pid the server's CPU time and memory are read from /proc.

A first run, against a Tidegate started with `tidegate --set client.insecure=true`:

    tidegate-loadtest fanout --target ws://127.0.0.1:8000 --server-pid $(pidof tidegate)

The exit status is 0 when everything came, once and in order; 1 when not; 2 when the run could not be made.";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "tidegate-loadtest", version, long_about = ABOUT)]
#[command(about = "Puts many clients on a WebSocket server, and measures what it delivers")]
pub struct Cli {
    #[command(subcommand)]
    pub action: Action,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Connect clients and hold them: what an idle connection costs
    Idle(Idle),
    /// One channel or a few with many subscribers: what a delivery costs, and how late it is
    Fanout(Fanout),
    /// Many small channels, as in a chat: clients spread over rooms
    Rooms(Rooms),
    /// Connect and subscribe as fast as the server answers: what a connection costs
    Storm(Storm),
    /// Lose connections and recover by offset: whether everything comes, once, and how soon
    Recover(Recover),
    /// A hot channel, rooms, and subscriptions that come and go, all at once
    Mixed(Mixed),
    /// Show the results of several runs (--json) on one page, servers side by side
    Report(Report),
    /// Start several servers in turn, run the same scenarios on each, and show the results on one page
    Compare(Compare),
    /// Serve as the least that a server can be, in the dialect raw: what the kernel's sends cost alone
    Floor,
    #[command(hide = true)]
    Worker,
    #[command(hide = true)]
    Spin,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Scenario")]
pub struct Idle {
    /// Clients
    #[arg(long, default_value_t = 10_000)]
    pub clients: u32,
    /// Channels that they are spread over
    #[arg(long, default_value_t = 1)]
    pub channels: u32,
    /// Subscriptions of each client
    #[arg(long, default_value_t = 1)]
    pub subscriptions: u32,
    /// How long they are held
    #[arg(long, default_value = "60s", value_parser = length)]
    pub hold: Duration,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Scenario")]
pub struct Fanout {
    /// Clients
    #[arg(long, default_value_t = 500)]
    pub clients: u32,
    /// Channels that they are spread over
    #[arg(long, default_value_t = 1)]
    pub channels: u32,
    /// Subscriptions of each client
    #[arg(long, default_value_t = 1)]
    pub subscriptions: u32,
    /// Messages per second of each channel
    #[arg(long, default_value_t = 100.0)]
    pub rate: f64,
    /// Messages per second that each client sends, as a game's players do
    #[arg(long, default_value_t = 0.0)]
    pub inputs_per_second: f64,
    /// Share of the clients that stop reading, such as 1%
    #[arg(long, value_parser = length::share)]
    pub slow: Option<f64>,
    /// Closed loop instead of a rate: one message to each channel, wait until all have it, so many times
    #[arg(long)]
    pub rounds: Option<u32>,
    #[command(flatten)]
    pub publishing: Publishing,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Scenario")]
pub struct Rooms {
    /// Clients
    #[arg(long, default_value_t = 10_000)]
    pub clients: u32,
    /// Rooms
    #[arg(long, default_value_t = 1_000)]
    pub rooms: u32,
    /// Rooms of each client
    #[arg(long, default_value_t = 1)]
    pub subscriptions: u32,
    /// Messages per second of each room
    #[arg(long, default_value_t = 2.0)]
    pub rate: f64,
    /// Messages per second that each client sends besides
    #[arg(long, default_value_t = 0.0)]
    pub inputs_per_second: f64,
    #[command(flatten)]
    pub publishing: Publishing,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Scenario")]
pub struct Storm {
    /// Clients
    #[arg(long, default_value_t = 10_000)]
    pub clients: u32,
    /// Channels that they are spread over
    #[arg(long, default_value_t = 1)]
    pub channels: u32,
    /// Subscriptions of each client
    #[arg(long, default_value_t = 1)]
    pub subscriptions: u32,
    /// How many times all of them connect, and are dropped
    #[arg(long, default_value_t = 1)]
    pub rounds: u32,
    /// How long the server has to give memory back after all are dropped
    #[arg(long, default_value = "5s", value_parser = length)]
    pub settle: Duration,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Scenario")]
pub struct Recover {
    /// Clients
    #[arg(long, default_value_t = 1_000)]
    pub clients: u32,
    /// Channels that they are spread over
    #[arg(long, default_value_t = 1)]
    pub channels: u32,
    /// Messages per second of each channel
    #[arg(long, default_value_t = 2.0)]
    pub rate: f64,
    /// How long a client stays away
    #[arg(long, default_value = "2s", value_parser = length)]
    pub offline: Duration,
    /// How often each client is lost; without it all are lost at once, one second after the start
    #[arg(long, value_parser = length)]
    pub every: Option<Duration>,
    /// Lose nobody: something else does, such as the end of a gateway. Clients come back, to the next --target
    #[arg(long, conflicts_with = "every")]
    pub undisturbed: bool,
    #[command(flatten)]
    pub publishing: Publishing,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Scenario")]
pub struct Mixed {
    /// Clients of the hot channel
    #[arg(long, default_value_t = 500)]
    pub hot_clients: u32,
    /// Messages per second of the hot channel
    #[arg(long, default_value_t = 100.0)]
    pub hot_rate: f64,
    /// Clients in rooms
    #[arg(long, default_value_t = 2_000)]
    pub room_clients: u32,
    /// Rooms
    #[arg(long, default_value_t = 200)]
    pub rooms: u32,
    /// Messages per second of each room
    #[arg(long, default_value_t = 2.0)]
    pub room_rate: f64,
    /// Subscriptions per second that come and go, over all clients
    #[arg(long, default_value_t = 200.0)]
    pub churn: f64,
    /// Messages per second that each client sends
    #[arg(long, default_value_t = 0.0)]
    pub inputs_per_second: f64,
    #[command(flatten)]
    pub publishing: Publishing,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Args)]
pub struct Report {
    /// Files that --json wrote. A run that is called scenario/server is shown in its scenario's section
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// The page to write
    #[arg(long, short)]
    pub output: PathBuf,
}

#[derive(Debug, Args)]
pub struct Compare {
    /// Servers, each started afresh for each run
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "tidegate,ws,socket.io,nats"
    )]
    pub server: Vec<Kind>,
    /// Scenarios: idle, storm, hot, hot-4000, crowd, wide, rooms, game, near-idle, mixed, blink, avalanche; or "name=fanout --clients 7"
    #[arg(long, default_values = ["hot", "crowd", "storm"])]
    pub scenario: Vec<String>,
    /// How often each scenario is run on each server
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub repeats: u32,
    /// The folder for the page, index.html, and each run's figures
    #[arg(long, short, default_value = "target/comparison")]
    pub output: PathBuf,
    /// The program to measure; tidegate beside this program if not given
    #[arg(long, value_name = "FILE")]
    pub tidegate: Option<PathBuf>,
    /// Options for it
    #[arg(long, default_value = "--set client.insecure=true")]
    pub tidegate_options: String,
    /// Processors that servers run on, such as 0 or 0-1
    #[arg(long, value_name = "LIST")]
    pub server_cpus: Option<String>,
    /// Processors that clients and publishers run on
    #[arg(long, value_name = "LIST")]
    pub tool_cpus: Option<String>,
    /// Run even when other programs use more than 5 % of a processor, with a warning
    #[arg(long)]
    pub allow_foreign_cpu: bool,
}

/// Where results go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Results")]
pub struct Output {
    /// Write every figure to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a page with plots to this file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}

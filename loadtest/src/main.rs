//! `tidegate-loadtest`: puts load on WebSocket servers and measures them.

use std::process::ExitCode;

fn main() -> ExitCode {
    tidegate_loadtest::program::main(std::env::args_os())
}

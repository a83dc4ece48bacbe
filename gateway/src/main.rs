//! `tidegate-gateway`: a gateway node over NATS.

use std::process::ExitCode;

use tidegate_gateway::program::{self, WithoutNats};

fn main() -> ExitCode {
    program::main(std::env::args_os(), std::env::vars_os(), |loaded| {
        program::serve(loaded, WithoutNats::Refuse, |_, _| Ok(()), |_| {})
    })
}

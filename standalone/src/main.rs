//! `tidegate`: over NATS where it is configured, by itself where it is not.

use std::process::ExitCode;

use tidegate::{development, history};
use tidegate_gateway::program::{self, WithoutNats};

fn main() -> ExitCode {
    program::main(std::env::args_os(), std::env::vars_os(), |mut loaded| {
        let token = development::prepare(&mut loaded);
        program::serve(loaded, WithoutNats::Embedded, history::start, |server| {
            development::greet(server, token.as_deref());
        })
    })
}

//! `tidegate`: over NATS where it is configured, by itself where it is not.

use std::process::ExitCode;

use tidegate::{development, history, presence};
use tidegate_gateway::program::{self, WithoutNats};
use tikv_jemallocator::Jemalloc;

/// Gives back what clients that have left needed, from threads of its own, ten seconds later.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    program::main(
        "tidegate",
        std::env::args_os(),
        std::env::vars_os(),
        |mut loaded| {
            let token = development::prepare(&mut loaded);
            let services = |config: &_, backbone: &_| {
                Ok((
                    history::start(config, backbone)?,
                    presence::start(config, backbone)?,
                ))
            };
            program::serve(loaded, WithoutNats::Embedded, services, |server| {
                development::greet(server, token.as_deref());
            })
        },
    )
}

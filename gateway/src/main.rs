//! `tidegate-gateway`: a gateway node over NATS.

use std::process::ExitCode;

use tidegate_gateway::program::{self, WithoutNats};
use tikv_jemallocator::Jemalloc;

/// Gives back what clients that have left needed, from threads of its own, ten seconds later.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    program::main(
        "tidegate-gateway",
        std::env::args_os(),
        std::env::vars_os(),
        |loaded| program::serve(loaded, WithoutNats::Refuse, |_, _| Ok(()), |_| {}),
    )
}

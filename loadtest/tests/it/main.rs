//! The load tester against servers: Tidegate, the peers, and small ones of our own that do wrong on purpose.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test, as tests do themselves"
)]

mod bounds;
mod faults;
mod load;
mod nats;
mod pages;
mod peers;
mod recovery;
mod server;
mod tidegate;

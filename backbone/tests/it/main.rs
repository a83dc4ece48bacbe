//! The backbones against their promises, and NATS against what networks and strangers do to it.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test, as tests do themselves"
)]

mod embedded;
mod nats;

//! Telemetry of a process, which can be switched on once in it.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test, as tests do themselves"
)]

mod late;

//! `tidegate` as applications meet it: unmodified SDKs in processes of their own, against running gateways.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test, as tests do themselves"
)]

mod archive;
mod backends;
mod development;
mod embedded;
mod health;
mod history;
mod keys;
mod nats;
mod outage;
mod port;
mod presence;
mod presence_service;
mod readme;
mod redaction;
mod removal;
mod scenario;
mod secure;
mod site;
mod telemetry;
mod transports;

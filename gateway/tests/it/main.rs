//! The gateway as clients and their enemies meet it: real sockets, a whole node in this process or one of its own.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test, as tests do themselves"
)]

mod autobahn;
mod bad_input;
mod bounds;
mod bystander;
mod client;
mod closing;
mod command;
mod compression;
mod conflation;
mod fanout;
mod hooks;
mod http;
mod keys;
mod playground;
mod process;
mod raw;
mod reference;
mod revocation;
mod site;
mod stalled;
mod stop;
mod streams;
mod tls;
mod token;
mod upgrade;

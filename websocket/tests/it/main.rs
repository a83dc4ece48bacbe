//! The codec against itself, against tungstenite, and against the Autobahn test suite.

mod autobahn;
mod differential;
mod peer;
mod reading;
mod round_trips;
#[path = "../../examples/echo/server.rs"]
mod server;
mod splits;
mod streams;

//! The codec against others' ideas of it.

mod autobahn;
#[path = "../../examples/echo/server.rs"]
mod server;

//! The service with its bus and its faces, beside nodes that are simulated.

mod node;
mod port;
mod probes;
mod program;
mod refusals;
mod replica;
mod three;
mod within;

//! The presence service: who is in which channel and who is connected, over all nodes.

pub mod message;
pub mod roster;
#[cfg(feature = "simulator")]
pub mod simulator;

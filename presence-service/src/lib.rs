//! The presence service: who is in which channel and who is connected, over all nodes.
//!
//! In: what nodes tell on the bus. Out: answers to gateways over the bus and to backends over gRPC, and on the bus the leaves
//! of nodes that are gone and which users come and go. `roster` decides everything and does nothing else; `desk` owns it.

pub mod answer;
mod answering;
pub mod desk;
pub mod grpc;
mod hearing;
pub mod message;
pub mod presence;
pub mod roster;
pub mod service;
#[cfg(feature = "simulator")]
pub mod simulator;
mod telling;
mod vitals;

//! `tidegate`: everything in one process, and a development mode that needs no configuration.

pub mod beside;
pub mod development;
pub mod history;
pub mod presence;

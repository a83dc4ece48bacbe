//! The history service against real parts.

mod store;

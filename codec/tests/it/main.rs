//! The codec from outside: golden frames, faults and round trips in both formats.

mod commands;
mod faults;
mod patches;
mod pushes;
mod replies;
mod round_trips;
mod samples;
mod traps;
mod wire;

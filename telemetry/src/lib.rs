//! What a program tells of itself: log lines, metrics, and spans of what it does; the last two over OTLP, where that is
//! switched on.
//!
//! In: [`Settings`], [`Span`]s that begin and end, and a [`Source`](metrics::Source) of metrics. Out: lines on standard error,
//! a page for Prometheus, and requests to a collector. While it is off a span is nothing: beginning one is one look at one
//! word. Nothing here knows channels, clients or what is measured.

mod export;
pub mod logging;
pub mod metrics;
mod settings;
mod span;

pub use export::{Exporting, StartError, counts, start};
pub use settings::{Fault, Options, Protocol, Settings};
pub use span::{Kind, Scope, Span, current, is_on};

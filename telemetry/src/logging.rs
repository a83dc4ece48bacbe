//! Where events go: one line each on standard error, as text or JSON, with the ids of the trace that they belong to.

use std::fmt;
use std::io::IsTerminal;

use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, format};
use tracing_subscriber::registry::LookupSpan;

use crate::span;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// Crates whose events are shown from the program's level on.
const OWN: [&str; 6] = [
    "tidegate",
    "tidegate_gateway",
    "tidegate_backbone",
    "tidegate_history_service",
    "tidegate_presence_service",
    "tidegate_telemetry",
];

/// Starts logging for the whole process. Does nothing when it was started before.
pub fn start(level: &str, style: Style) {
    let level = if level == "none" { "off" } else { level };
    // Libraries speak up only when something is wrong, unless everything is asked for.
    let others = if level == "trace" || level == "off" {
        level
    } else {
        "warn"
    };
    let own = OWN.map(|name| format!("{name}={level}")).join(",");
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("{others},{own}")))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // Done already is as good.
    let _ = match style {
        Style::Json => builder
            .json()
            .event_format(Traced(format().json(), Style::Json))
            .try_init(),
        Style::Text => builder
            .event_format(Traced(format().with_target(false), Style::Text))
            .try_init(),
    };
}

/// Lines of another format, with the ids of the trace at their ends.
struct Traced<F>(F, Style);

impl<S, N, F> FormatEvent<S, N> for Traced<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(trace) = span::current() else {
            return self.0.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.0
            .format_event(context, Writer::new(&mut line), event)?;
        let trace_id = u128::from_be_bytes(trace.trace_id);
        let span_id = u64::from_be_bytes(trace.span_id);
        let line = line.trim_end();
        match (self.1, line.strip_suffix('}')) {
            (Style::Json, Some(line)) => writeln!(
                writer,
                "{line},\"trace_id\":\"{trace_id:032x}\",\"span_id\":\"{span_id:016x}\"}}"
            ),
            _ => writeln!(
                writer,
                "{line} trace_id={trace_id:032x} span_id={span_id:016x}"
            ),
        }
    }
}

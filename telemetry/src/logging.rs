//! Where events go: one line each on standard error, as text or JSON, with the ids of the trace that they belong to.

use std::fmt;
use std::io::IsTerminal;

use tracing::field::Field;
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
            .fmt_fields(format::debug_fn(field))
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

/// A field of a line of text; one that a reader could not tell from what is beside it stands in quotes. No value begins a line.
fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let text = format!("{value:?}");
    match field.name() {
        // Where a record of the `log` crate comes from, which the line has.
        name if name.starts_with("log.") => Ok(()),
        "message" => text.chars().try_for_each(|it| match it.is_control() {
            true => write!(writer, "{}", it.escape_default()),
            false => writer.write_char(it),
        }),
        name if is_plain(&text) => write!(writer, " {name}={text}"),
        name => write!(writer, " {name}={text:?}"),
    }
}

/// Whether a value is one word, or in quotes already.
fn is_plain(text: &str) -> bool {
    let inner = text.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    let is_odd = |it: char| it.is_control() || it.is_whitespace() || matches!(it, '"' | '=');
    match inner {
        Some(inner) => {
            let inner = inner.replace(r"\\", "").replace(r#"\""#, "");
            !inner.contains(|it: char| it.is_control() || it == '"')
        }
        None => !text.is_empty() && !text.contains(is_odd),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(log: impl FnOnce()) -> String {
        let page = Page::default();
        let writer = page.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .without_time()
            .fmt_fields(format::debug_fn(field))
            .event_format(Traced(
                format().with_target(false).without_time(),
                Style::Text,
            ))
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn values_end_where_they_seem_to() {
        let error = io::Error::other("its header x=1 is \"odd\"\nINFO made up");
        let line = lines(|| {
            tracing::warn!(
                count = 1,
                word = %"plain",
                text = "a text",
                %error,
                nothing = %"",
                quoted = %r#""a" and "b""#,
                list = ?["a b", "c"],
                "it\tis\nso"
            );
        });
        let expected = concat!(
            r#" WARN it\tis\nso count=1 word=plain text="a text" error="its header x=1 is \"odd\"\nINFO made up" "#,
            r#"nothing="" quoted="\"a\" and \"b\"" list="[\"a b\", \"c\"]""#,
            "\n"
        );
        assert_eq!(line, expected);
    }
}

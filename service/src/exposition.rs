//! Metrics in Prometheus' text form.

use std::fmt::Write;

/// A text that grows by one metric at a time.
#[derive(Debug, Default)]
pub struct Exposition(String);

/// What becomes of a metric's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

impl Exposition {
    /// Adds a metric without labels.
    #[must_use]
    pub fn metric(self, kind: Type, name: &str, help: &str, value: u64) -> Self {
        self.labelled(kind, name, help, "", [("", value)])
    }

    /// Adds a metric with a value for each value of a label; without any it is left out.
    #[must_use]
    pub fn labelled<'a>(
        mut self,
        kind: Type,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'a str, u64)>,
    ) -> Self {
        let kind = match kind {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
        };
        let mut values = values.into_iter().peekable();
        if values.peek().is_some() {
            self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
        }
        for (of, value) in values {
            match label {
                "" => self.line(format_args!("{name} {value}")),
                // The text form has the escapes of Rust's for what can stand in our labels.
                label => self.line(format_args!("{name}{{{label}={of:?}}} {value}")),
            }
        }
        self
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // A String takes everything.
        let _ = writeln!(self.0, "{line}");
    }

    /// The text.
    #[must_use]
    pub fn text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_written_as_prometheus_reads_them() {
        let text = Exposition::default()
            .metric(Type::Gauge, "a", "What a is.", 7)
            .labelled(
                Type::Counter,
                "b",
                "What b is.",
                "kind",
                [("x", 1), ("y\"", 2)],
            )
            .labelled(Type::Counter, "c", "Nothing yet.", "kind", [])
            .text();
        let expected = "# HELP a What a is.\n# TYPE a gauge\na 7\n\
                        # HELP b What b is.\n# TYPE b counter\nb{kind=\"x\"} 1\nb{kind=\"y\\\"\"} 2\n";
        assert_eq!(text, expected);
    }
}

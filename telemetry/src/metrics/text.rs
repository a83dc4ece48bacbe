//! Metrics in Prometheus' text format, version 0.0.4.

use std::fmt::{Display, Write};

use super::histogram::SECONDS;
use super::{Family, Snapshot, Value};

/// What the page is.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The page with these metrics. Those without a value show that they exist.
#[must_use]
pub fn page(families: &[Family]) -> String {
    let mut text = String::new();
    for family in families {
        let (name, shape) = (&family.name, family.shape.name());
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {shape}", family.help);
        for sample in &family.samples {
            let labels = labels(&sample.labels);
            match &sample.value {
                Value::Whole(value) => line(&mut text, name, &labels, value),
                Value::Time(time) => line(&mut text, name, &labels, time.as_secs_f64()),
                Value::Histogram(snapshot) => histogram(&mut text, name, &labels, snapshot),
            }
        }
    }
    text
}

/// `name="value",…`
fn labels(labels: &[(&'static str, String)]) -> String {
    let written = labels.iter().map(|(name, value)| {
        let value = value
            .replace('\\', r"\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        format!("{name}=\"{value}\"")
    });
    written.collect::<Vec<_>>().join(",")
}

fn line(text: &mut String, name: &str, labels: &str, value: impl Display) {
    let _ = match labels {
        "" => writeln!(text, "{name} {value}"),
        labels => writeln!(text, "{name}{{{labels}}} {value}"),
    };
}

fn histogram(text: &mut String, name: &str, labels: &str, snapshot: &Snapshot) {
    let separator = if labels.is_empty() { "" } else { "," };
    let ends = SECONDS.iter().map(ToString::to_string);
    let ends = ends.chain(["+Inf".to_owned()]);
    let mut below = 0;
    for (end, count) in ends.zip(&snapshot.counts) {
        below += count;
        let labels = format!("{labels}{separator}le=\"{end}\"");
        line(text, &format!("{name}_bucket"), &labels, below);
    }
    line(text, &format!("{name}_sum"), labels, snapshot.sum);
    line(text, &format!("{name}_count"), labels, below);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::Histogram;

    #[test]
    fn the_page_has_every_metric_and_value() {
        let mut dropped = Family::counter("a_dropped", "What was dropped.");
        dropped.add(&[("reason", "a \"b\"\n"), ("by", "x")], 3);
        let times = Histogram::default();
        times.record(Duration::from_millis(2));
        let mut seconds = Family::histogram("a_seconds", "How long.");
        seconds.add_histogram(&[("kind", "k")], times.snapshot());
        let text = page(&[Family::gauge("a_now", "Now.").of(7), dropped, seconds]);
        for line in [
            "# HELP a_now Now.",
            "# TYPE a_now gauge",
            "a_now 7",
            "# TYPE a_dropped counter",
            r#"a_dropped{reason="a \"b\"\n",by="x"} 3"#,
            "# TYPE a_seconds histogram",
            r#"a_seconds_bucket{kind="k",le="0.001"} 0"#,
            r#"a_seconds_bucket{kind="k",le="0.0025"} 1"#,
            r#"a_seconds_bucket{kind="k",le="+Inf"} 1"#,
            r#"a_seconds_sum{kind="k"} 0.002"#,
            r#"a_seconds_count{kind="k"} 1"#,
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
    }
}

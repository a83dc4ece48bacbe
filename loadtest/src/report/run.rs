//! The page of one run.

use super::lines::{Across, Lines, Series};
use super::number::{short, whole};
use super::page::{escape, figure, page, table};
use crate::outcome::{Outcome, Row};
use crate::summary::name;

/// Percentiles that the curve's axis names, at the number of nines before them.
const NINES: [(f64, &str); 6] = [
    (0.0, "0 %"),
    (1.0, "90 %"),
    (2.0, "99 %"),
    (3.0, "99.9 %"),
    (4.0, "99.99 %"),
    (5.0, "99.999 %"),
];

/// What a line over time is called, and its value in each second.
type Line = (&'static str, fn(&Row) -> Option<f64>);

/// A page with everything about a run.
#[must_use]
pub fn run(outcome: &Outcome) -> String {
    let name = escape(&outcome.name);
    let mut body = format!("<h1>{name}</h1>\n{}", machine(outcome));
    body.push_str(&verdict(outcome));
    body.push_str("<h2>Deliveries and costs</h2>\n");
    body.push_str(&table(&[], &figures(outcome)));
    body.push_str("<h2>Latency, milliseconds</h2>\n");
    body.push_str(&latencies(outcome));
    body.push_str("<h2>Plots</h2>\n<div class=\"plots\">\n");
    body.push_str(&plots(outcome));
    body.push_str("</div>\n<details><summary>Plan</summary><pre>");
    let plan = serde_json::to_string_pretty(&outcome.plan).unwrap_or_default();
    body.push_str(&escape(&plan));
    body.push_str("</pre></details>\n");
    page(&outcome.name, &body)
}

/// What it was measured on.
pub(super) fn machine(outcome: &Outcome) -> String {
    let machine = &outcome.machine;
    let text = format!(
        "{} × {}, {} GB of memory, Linux {}, tidegate-loadtest {}. Server, clients and publisher share it.",
        machine.processors,
        machine.processor,
        short(machine.memory_bytes as f64 / 1e9),
        machine.kernel,
        outcome.versions.loadtest
    );
    format!("<p class=\"faint\">{}</p>\n", escape(&text))
}

fn verdict(outcome: &Outcome) -> String {
    if outcome.passed {
        return "<p class=\"passed\">Every delivery came, once and in order.</p>\n".into();
    }
    let problems = outcome.problems.iter();
    problems
        .map(|problem| format!("<p class=\"failed\">{}</p>\n", escape(problem)))
        .collect()
}

fn figures(outcome: &Outcome) -> Vec<Vec<String>> {
    let (figures, server) = (&outcome.figures, &outcome.server);
    let mut rows = vec![
        row("clients", whole(figures.clients)),
        row("deliveries expected", whole(figures.expected)),
        row("received", whole(figures.received)),
        row("missing", whole(figures.missing)),
        row("duplicate", whole(figures.duplicates)),
        row("out of order", whole(figures.out_of_order)),
    ];
    let optional = [
        ("deliveries per second", server.deliveries_per_second),
        ("connects per second", server.connects_per_second),
        ("server CPU per delivery, µs", server.cpu_us_per_delivery),
        ("server CPU per connect, µs", server.cpu_us_per_connect),
        ("server, processors in use", server.cpu_cores),
        (
            "server memory per connection, bytes",
            server.memories.per_connection(),
        ),
        (
            "this program's CPU per delivery, µs",
            outcome.tool.cpu_us_per_delivery,
        ),
        (
            "other programs, processors in use",
            Some(outcome.foreign_cpu),
        ),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            rows.push(row(name, short(value)));
        }
    }
    rows
}

fn row(name: &str, value: String) -> Vec<String> {
    vec![name.to_owned(), value]
}

fn latencies(outcome: &Outcome) -> String {
    let heads = ["", "count", "p50", "p90", "p99", "p99.9", "p99.99", "max"];
    let rows = outcome.latencies.iter().map(|(metric, summary)| {
        let percentiles = ["p50", "p90", "p99", "p99.9", "p99.99"];
        let percentiles = percentiles.map(|name| short(summary.percentile(name)));
        let mut row = vec![name(*metric).to_owned(), whole(summary.count)];
        row.extend(percentiles);
        row.push(short(summary.max_ms));
        row
    });
    table(&heads, &rows.collect::<Vec<_>>())
}

fn plots(outcome: &Outcome) -> String {
    let rows = &outcome.timeline;
    let over_time = |caption, unit, logarithmic, lines: &[Line]| {
        let series: Vec<Series> = lines
            .iter()
            .map(|(_, value)| rows.iter().map(|row| (row.second, value(row))).collect())
            .collect();
        let names: Vec<&str> = lines.iter().map(|(name, _)| *name).collect();
        let lines = Lines {
            series: &series,
            across: Across::Numbers("seconds"),
            unit,
            logarithmic,
        };
        figure(caption, &names, &lines.svg())
    };
    let percent = "% of one processor";
    [
        curve(outcome),
        over_time(
            "Latency over time",
            "ms",
            true,
            &[("p50", |row| row.p50_ms), ("p99", |row| row.p99_ms)],
        ),
        over_time(
            "Deliveries",
            "per second",
            false,
            &[("deliveries", |row| Some(row.deliveries_per_second))],
        ),
        over_time(
            "Connections",
            "up",
            false,
            &[("up", |row| Some(row.live as f64))],
        ),
        over_time(
            "CPU",
            percent,
            false,
            &[
                ("server", |row| Some(row.server_cores * 100.0)),
                ("clients and publisher", |row| Some(row.tool_cores * 100.0)),
                ("others", |row| Some(row.foreign_cores * 100.0)),
            ],
        ),
        over_time(
            "Server memory",
            "MB resident",
            false,
            &[("resident", |row| Some(row.server_bytes as f64 / 1e6))],
        ),
    ]
    .concat()
}

/// Latencies by percentile, each nine as far from the last.
fn curve(outcome: &Outcome) -> String {
    let drawn: Vec<_> = outcome
        .latencies
        .iter()
        .filter(|(_, summary)| summary.count > 1)
        .collect();
    let series: Vec<Series> = drawn
        .iter()
        .map(|(_, summary)| nines(&summary.curve_ms))
        .collect();
    let names: Vec<&str> = drawn.iter().map(|(metric, _)| name(**metric)).collect();
    let furthest = series.iter().flatten().map(|(at, _)| *at);
    let furthest = furthest.fold(1.0, f64::max);
    let labels = NINES.map(|(at, text)| (at, text));
    let labels: Vec<_> = labels
        .into_iter()
        .filter(|(at, _)| *at <= furthest)
        .collect();
    let lines = Lines {
        series: &series,
        across: Across::Labels(&labels),
        unit: "ms",
        logarithmic: true,
    };
    figure("Latency by percentile", &names, &lines.svg())
}

/// A curve's points, percentiles as numbers of nines.
pub(super) fn nines(curve: &[(f64, f64)]) -> Series {
    let points = curve.iter().filter(|(percentile, _)| *percentile < 100.0);
    points
        .map(|(percentile, latency)| (-(1.0 - percentile / 100.0).log10(), Some(*latency)))
        .filter(|(at, _)| *at <= 5.0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_nine_is_one_step_further() {
        let places = nines(&[
            (0.0, 1.0),
            (90.0, 2.0),
            (99.0, 3.0),
            (99.9, 4.0),
            (100.0, 5.0),
        ]);
        assert_eq!(places.len(), 4);
        for (place, (at, _)) in (0..).zip(places) {
            assert!((at - f64::from(place)).abs() < 1e-9);
        }
    }
}

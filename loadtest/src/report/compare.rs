//! Several runs on one page: servers side by side, for each scenario.

use super::bars::{self, Bar};
use super::lines::{Across, Lines, Series};
use super::page::{escape, figure, page, table};
use super::run::{machine, nines};
use crate::latency::Metric;
use crate::outcome::Outcome;

/// A figure that is compared.
type Figure = (&'static str, fn(&Outcome) -> Option<f64>);

const FIGURES: [Figure; 12] = [
    ("Server CPU per delivery, µs", |run| {
        run.server.cpu_us_per_delivery
    }),
    ("Server memory per connection, bytes", |run| {
        run.server.memories.per_connection()
    }),
    ("Server CPU per connect, µs", |run| {
        run.server.cpu_us_per_connect
    }),
    ("Deliveries per second", |run| {
        run.server.deliveries_per_second.filter(|rate| *rate > 0.0)
    }),
    ("Connects per second", |run| run.server.connects_per_second),
    ("Delivery p50, ms", |run| {
        percentile(run, Metric::Delivery, "p50")
    }),
    ("Delivery p99, ms", |run| {
        percentile(run, Metric::Delivery, "p99")
    }),
    ("Delivery p99.9, ms", |run| {
        percentile(run, Metric::Delivery, "p99.9")
    }),
    ("Subscribe p99, ms", |run| {
        percentile(run, Metric::Subscribe, "p99")
    }),
    ("Caught up after the reconnect, p99, ms", |run| {
        percentile(run, Metric::Replay, "p99")
    }),
    ("Deliveries missing, % of expected", |run| {
        let expected = run.figures.expected as f64;
        (expected > 0.0).then(|| run.figures.missing as f64 * 100.0 / expected)
    }),
    ("Other programs, % of a processor", |run| {
        Some(run.foreign_cpu * 100.0)
    }),
];

/// A page with a section for each scenario. A run is named `scenario/server`, or just by its server.
#[must_use]
pub fn compare(outcomes: &[Outcome]) -> String {
    let mut body = String::from("<h1>Servers side by side</h1>\n");
    if let Some(first) = outcomes.first() {
        body.push_str(&machine(first));
    }
    body.push_str(
        "<p class=\"faint\">Bars are medians of the runs; whiskers go from the least to the most.</p>\n",
    );
    for scenario in distinct(outcomes.iter().map(|run| parts(run).0)) {
        let runs: Vec<&Outcome> = outcomes
            .iter()
            .filter(|run| parts(run).0 == scenario)
            .collect();
        body.push_str(&section(scenario, &runs));
    }
    page("Servers side by side", &body)
}

fn section(scenario: &str, runs: &[&Outcome]) -> String {
    let title = if scenario.is_empty() {
        "Runs"
    } else {
        scenario
    };
    let servers = distinct(runs.iter().map(|run| parts(run).1));
    let mut html = format!("<h2>{}</h2>\n{}", escape(title), failures(runs));
    let (mut rows, mut figures) = (Vec::new(), String::new());
    for (caption, value) in FIGURES {
        let bars: Vec<Bar> = servers
            .iter()
            .map(|server| bar(server, runs, value))
            .collect();
        if bars.iter().all(|bar| bar.values.is_empty()) {
            continue;
        }
        let mut row = vec![caption.to_owned()];
        row.extend(bars.iter().map(Bar::text));
        rows.push(row);
        // Where all are zero there is nothing to see.
        if bars
            .iter()
            .flat_map(|bar| &bar.values)
            .all(|value| *value == 0.0)
        {
            continue;
        }
        figures.push_str(&figure(caption, &[], &bars::svg(&bars)));
    }
    let mut heads = vec![""];
    heads.extend(&servers);
    html.push_str(&table(&heads, &rows));
    html.push_str("<div class=\"plots\" style=\"margin-top:1.2rem\">\n");
    html.push_str(&figures);
    html.push_str(&curves(&servers, runs));
    html.push_str("</div>\n");
    html
}

fn bar(server: &str, runs: &[&Outcome], value: fn(&Outcome) -> Option<f64>) -> Bar {
    let its = runs.iter().filter(|run| parts(run).1 == server);
    Bar {
        name: server.to_owned(),
        values: its.filter_map(|run| value(run)).collect(),
    }
}

/// The delivery latency of each server, in its first run.
fn curves(servers: &[&str], runs: &[&Outcome]) -> String {
    let curve = |server: &&str| -> Series {
        let first = runs.iter().find(|run| parts(run).1 == *server);
        let summary = first.and_then(|run| run.latencies.get(&Metric::Delivery));
        summary.map_or_else(Vec::new, |summary| nines(&summary.curve_ms))
    };
    let series: Vec<Series> = servers.iter().map(curve).collect();
    if series.iter().all(Vec::is_empty) {
        return String::new();
    }
    let lines = Lines {
        series: &series,
        across: Across::Labels(&[(0.0, "0 %"), (1.0, "90 %"), (2.0, "99 %"), (3.0, "99.9 %")]),
        unit: "ms",
        logarithmic: true,
    };
    figure(
        "Delivery latency by percentile, first run",
        servers,
        &lines.svg(),
    )
}

fn failures(runs: &[&Outcome]) -> String {
    let failed = runs.iter().filter(|run| !run.passed);
    failed
        .map(|run| {
            let text = format!("{}: {}", parts(run).1, run.problems.join("; "));
            format!("<p class=\"failed\">{}</p>\n", escape(&text))
        })
        .collect()
}

fn percentile(run: &Outcome, metric: Metric, name: &str) -> Option<f64> {
    Some(run.latencies.get(&metric)?.percentile(name))
}

/// Scenario and server.
fn parts(run: &Outcome) -> (&str, &str) {
    run.name.split_once('/').unwrap_or(("", &run.name))
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found = Vec::new();
    for name in names {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

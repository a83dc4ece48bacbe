//! Dashboards and alerts ask for metrics that exist, in words that Prometheus understands.
//!
//! A gateway's metrics are those of the table in `docs/telemetry.md`, which the gateway's own tests hold against what it
//! writes; the services' are those of the table in `docs/operations.md`, which is held here against what they write.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use super::documents::text;
use super::promql::{Selector, selectors};

/// What a metric may be asked by: labels, and the values that these are known to have.
type Known = BTreeMap<String, BTreeSet<String>>;

/// What Prometheus adds to every metric that it scrapes.
const OF_TARGETS: [&str; 3] = ["instance", "job", "service"];

#[derive(Debug, Deserialize)]
struct Rule {
    expr: String,
}

/// Holds what is asked for against the pages of a gateway over NATS with kept namespaces, and of both services.
pub(crate) fn check([gateway, history, presence]: &[String; 3]) -> Result<()> {
    let mut known = documented(&text("../docs/telemetry.md"))?;
    let missing: Vec<_> = types(gateway)
        .into_iter()
        .filter(|(name, _)| !known.contains_key(name))
        .collect();
    ensure!(missing.is_empty(), "not documented: {missing:?}");
    check_documentation(&[history, presence])?;
    known.extend(documented(&text("../docs/operations.md"))?);
    for page in [history, presence] {
        for (name, words) in written(page)? {
            known.entry(name).or_default().extend(words);
        }
    }
    known.insert("up".to_owned(), OF_TARGETS.map(str::to_owned).into());
    // Outcomes of asking backends.
    let hooks = text("../docs/hooks.md");
    let outcomes = known
        .get_mut("tidegate_hook_outcomes")
        .context("outcomes")?;
    outcomes.extend(quoted(&hooks)?);
    let selectors = selectors(&expressions()?)?;
    ensure!(
        selectors.len() > 60,
        "too few are asked for: {}",
        selectors.len()
    );
    for selector in selectors {
        check_selector(&selector, &known)?;
    }
    Ok(())
}

/// Every expression of the dashboard and of the alerts, and the autoscaler's metric.
fn expressions() -> Result<Vec<String>> {
    let dashboard: Value = serde_json::from_str(&text("grafana/tidegate.json"))?;
    let panels = dashboard["panels"].as_array().context("panels")?;
    let targets = panels
        .iter()
        .flat_map(|it| it["targets"].as_array().into_iter().flatten());
    let mut expressions: Vec<_> = targets
        .filter_map(|it| it["expr"].as_str())
        .map(|it| it.replace("$__rate_interval", "5m"))
        .collect();
    let alerts = text("kubernetes/components/monitoring/alerts.yaml");
    let alerts: Value = serde_saphyr::from_str(&alerts)?;
    let rules = Vec::<Rule>::deserialize(&alerts["spec"]["groups"][0]["rules"])?;
    expressions.extend(rules.into_iter().map(|it| it.expr));
    let overlay = text("kubernetes/overlays/production/kustomization.yaml");
    let name = Regex::new(r"metric: \{name: (\w+)\}")?;
    let autoscaler = name.captures(&overlay).context("the autoscaler's metric")?;
    expressions.push(autoscaler[1].to_owned());
    Ok(expressions)
}

fn check_selector(selector: &Selector, known: &Known) -> Result<()> {
    let name = &selector.name;
    let words = known
        .get(name)
        .with_context(|| format!("there is no metric {name}"))?;
    let has = |label: &str| words.contains(label) || OF_TARGETS.contains(&label);
    for (label, value) in &selector.matchers {
        ensure!(has(label), "{name} has no label {label}");
        if !OF_TARGETS.contains(&label.as_str()) {
            for value in value.split('|') {
                ensure!(
                    words.contains(value),
                    "{label} of {name} is never {value:?}"
                );
            }
        }
    }
    for label in &selector.grouped_by {
        ensure!(has(label), "{name} has no label {label} to group by");
    }
    Ok(())
}

/// The services' table has what they write, with its types.
fn check_documentation(pages: &[&String]) -> Result<()> {
    let there: BTreeMap<_, _> = pages.iter().flat_map(|page| types(page)).collect();
    let table: BTreeMap<_, _> = rows(&text("../docs/operations.md"))
        .map(|row| (row[1].trim_matches('`').to_owned(), row[2].to_owned()))
        .collect();
    ensure!(there == table, "{there:?}\nis not documented as\n{table:?}");
    Ok(())
}

fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = text.lines().filter(|line| line.starts_with("| `tidegate_"));
    rows.map(|row| row.split('|').map(str::trim).collect())
}

fn quoted(text: &str) -> Result<Vec<String>> {
    let word = Regex::new("`([a-z_0-9]+)`")?;
    Ok(word
        .captures_iter(text)
        .map(|it| it[1].to_owned())
        .collect())
}

/// Metrics of a table, with the words that it quotes in the column of labels.
fn documented(text: &str) -> Result<Known> {
    let mut known = Known::new();
    for row in rows(text) {
        let (name, kind) = (row[1].trim_matches('`'), row[2]);
        let mut words: BTreeSet<_> = quoted(row[3])?.into_iter().collect();
        if name == "tidegate_check_ok" {
            words.extend(["presence", "history"].map(str::to_owned));
        }
        known.insert(name.to_owned(), words.clone());
        if kind == "histogram" {
            words.insert("le".to_owned());
            for part in ["bucket", "sum", "count"] {
                known.insert(format!("{name}_{part}"), words.clone());
            }
        }
    }
    Ok(known)
}

/// Metrics of a page, with their labels and the values of these.
fn written(page: &str) -> Result<Known> {
    let label = Regex::new("([a-z_]+)=\"([^\"]*)\"")?;
    let mut known: Known = types(page)
        .into_keys()
        .map(|name| (name, BTreeSet::new()))
        .collect();
    for line in page.lines().filter(|it| !it.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let words = known.entry(name.to_owned()).or_default();
        for found in label.captures_iter(line) {
            words.extend([found[1].to_owned(), found[2].to_owned()]);
        }
    }
    Ok(known)
}

fn types(page: &str) -> BTreeMap<String, String> {
    let typed = page.lines().filter_map(|it| it.strip_prefix("# TYPE "));
    let typed = typed.filter_map(|it| it.split_once(' '));
    typed
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect()
}

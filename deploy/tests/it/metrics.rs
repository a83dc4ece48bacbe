//! Dashboards and alerts ask for metrics that exist.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use regex::Regex;

use super::documents::text;

/// Holds what is asked for against what a gateway over NATS with kept namespaces writes.
pub(crate) fn check(metrics: &str) -> Result<()> {
    let name = Regex::new(r"\btidegate_[a-z0-9_]+")?;
    let names = |text: &str| -> BTreeSet<String> {
        name.find_iter(text)
            .map(|it| it.as_str().to_owned())
            .collect()
    };
    let there = names(metrics);
    let dashboard: serde_json::Value = serde_json::from_str(&text("grafana/tidegate.json"))?;
    let asked = [
        dashboard["panels"].to_string(),
        text("kubernetes/components/monitoring/alerts.yaml"),
        text("kubernetes/overlays/production/kustomization.yaml"),
    ];
    for asked in asked {
        let asked = names(&asked);
        let missing: Vec<_> = asked.difference(&there).collect();
        ensure!(
            !asked.is_empty() && missing.is_empty(),
            "no such metrics: {missing:?}"
        );
    }
    Ok(())
}

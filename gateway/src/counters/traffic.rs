//! Publications by namespace: of those that the configuration names, so that there are never more.

use std::collections::HashMap;
use std::sync::Arc;

use tidegate_backbone::Channel;
use tidegate_telemetry::metrics::Family;

use super::Counter;

/// The label of channels that no configured namespace has.
const OTHER: &str = "other";

/// Who published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A client of this node.
    Client,
    /// A backend, through the server API of this node.
    Backend,
}

/// Publications of one namespace.
#[derive(Debug, Default)]
pub struct Namespace {
    by_clients: Counter,
    by_backends: Counter,
    /// Those that the backbone brought to this node.
    pub received: Counter,
    /// Those put into connections' outboxes.
    pub delivered: Counter,
}

impl Namespace {
    /// Counts a publication that was confirmed.
    pub fn published(&self, origin: Origin) {
        match origin {
            Origin::Client => self.by_clients.add(1),
            Origin::Backend => self.by_backends.add(1),
        }
    }
}

/// Publications by namespace.
#[derive(Debug, Default)]
pub struct Traffic {
    named: HashMap<String, Arc<Namespace>>,
    /// Of channels without a namespace.
    unnamed: Arc<Namespace>,
    other: Arc<Namespace>,
}

impl Traffic {
    pub(super) fn new<'a>(namespaces: impl IntoIterator<Item = &'a str>) -> Self {
        let names = namespaces.into_iter();
        Self {
            named: names.map(|it| (it.to_owned(), Arc::default())).collect(),
            ..Self::default()
        }
    }

    /// Of a channel's namespace.
    #[must_use]
    pub fn of(&self, channel: &Channel) -> &Arc<Namespace> {
        match channel.namespace() {
            None => &self.unnamed,
            Some(name) => self.named.get(name).unwrap_or(&self.other),
        }
    }

    pub(super) fn families(&self) -> [Family; 3] {
        let mut published = Family::counter(
            "tidegate_namespace_published",
            "Publications of this node's clients and backends that were confirmed.",
        );
        let mut received = Family::counter(
            "tidegate_namespace_received",
            "Publications that came to this node for its subscribers.",
        );
        let mut delivered = Family::counter(
            "tidegate_namespace_delivered",
            "Publications put into connections' outboxes.",
        );
        for (name, namespace) in self.all() {
            let label = ("namespace", name);
            for (origin, count) in [
                ("client", &namespace.by_clients),
                ("backend", &namespace.by_backends),
            ] {
                published.add(&[label, ("by", origin)], count.get());
            }
            received.add(&[label], namespace.received.get());
            delivered.add(&[label], namespace.delivered.get());
        }
        [published, received, delivered]
    }

    /// In the order of their names.
    fn all(&self) -> impl Iterator<Item = (&str, &Arc<Namespace>)> {
        let named = self.named.iter().map(|(name, it)| (name.as_str(), it));
        let mut named: Vec<_> = named.collect();
        named.sort_unstable_by_key(|(name, _)| *name);
        let rest = [("", &self.unnamed), (OTHER, &self.other)];
        rest.into_iter().chain(named)
    }
}

#[cfg(test)]
mod tests {
    use tidegate_telemetry::metrics::page;

    use super::*;

    #[test]
    fn what_no_namespace_is_named_for_is_counted_together() {
        let traffic = Traffic::new(["chat"]);
        for channel in ["chat:a", "chat:b", "news", "x1:a", "x2:a", "x3:a"] {
            let channel = Channel::parse(channel).unwrap();
            traffic.of(&channel).received.add(1);
        }
        let chat = Channel::parse("chat:a").unwrap();
        traffic.of(&chat).published(Origin::Backend);
        let text = page(&traffic.families());
        for line in [
            "tidegate_namespace_received{namespace=\"chat\"} 2",
            "tidegate_namespace_received{namespace=\"\"} 1",
            "tidegate_namespace_received{namespace=\"other\"} 3",
            "tidegate_namespace_published{namespace=\"chat\",by=\"backend\"} 1",
            "tidegate_namespace_published{namespace=\"chat\",by=\"client\"} 0",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
        assert_eq!(text.matches("_received{").count(), 3, "{text}");
    }
}

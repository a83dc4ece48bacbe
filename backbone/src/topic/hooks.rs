//! What the application's backends are asked and told, and what keeps it until they have taken it.

use super::{JETSTREAM, Topic, is_plain};

impl Topic {
    /// What an application's backend of this name is asked; `None` if it is no plain name of letters, digits, `-` and `_`, or
    /// begins with `_`: such are those of [`Topic::relayed`].
    #[must_use]
    pub fn hook(name: &str) -> Option<Self> {
        let is_free = is_plain(name) && !name.starts_with('_');
        is_free.then(|| Self::of(&["hook", name]))
    }

    /// What nodes fetch themselves, for a backend that does not hear on the bus. The name may be anything.
    #[must_use]
    pub fn relayed(backend: &str) -> Self {
        Self(format!("hook._{}", token(backend)).into())
    }

    /// Where one of the nodes gets what is relayed to a backend.
    #[must_use]
    pub fn relay(backend: &str) -> Self {
        Self(format!("node.relay.{}", token(backend)).into())
    }

    /// What the backend that is asked about `self` is told of an event.
    ///
    /// # Panics
    /// If the event is no plain name.
    #[must_use]
    pub fn of_event(&self, event: &str) -> Self {
        assert!(is_plain(event), "{event:?} is no name for an event");
        Self(format!("{self}.{event}").into())
    }

    /// What the same backend is told of any event.
    #[must_use]
    pub fn of_events(&self) -> Self {
        Self(format!("{self}.*").into())
    }

    /// What backends are told, whatever it is.
    #[must_use]
    pub fn notices() -> Self {
        Self("hook.*.*".into())
    }

    /// What `JetStream` is asked for a consumer that stays.
    ///
    /// # Panics
    /// If the stream has no plain name.
    #[must_use]
    pub fn consumer_creation(stream: &str, consumer: &str) -> Self {
        assert!(is_plain(stream), "{stream:?} is no name for a stream");
        let consumer = token(consumer);
        Self(format!("{JETSTREAM}CONSUMER.DURABLE.CREATE.{stream}.{consumer}").into())
    }

    /// The name that a consumer has for `JetStream`.
    #[must_use]
    pub fn consumer_name(consumer: &str) -> String {
        token(consumer)
    }
}

/// One token for any name, and another one for any other.
fn token(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte.is_ascii_alphanumeric() || byte == b'-' {
            true => text.push(char::from(byte)),
            false => text.push_str(&format!("_{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_relayed_is_not_what_a_backend_on_the_bus_hears() {
        assert_eq!(Topic::hook("_app"), None);
        assert_eq!(Topic::hook("a.b"), None);
        let notice = Topic::relayed("a.b_c").of_event("disconnect");
        assert_eq!(notice.as_str(), "hook._a_2Eb_5Fc.disconnect");
        assert!(Topic::notices().covers(&notice));
        assert!(Topic::relayed("a.b_c").of_events().covers(&notice));
    }
}

//! A map from channels, as small as what is in it: most connections have one channel or a few.

use tidegate_backbone::Channel;

/// Values by channel, in the order of channel names.
#[derive(Debug)]
pub(crate) struct ByChannel<V>(Vec<(Channel, V)>);

impl<V> Default for ByChannel<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> ByChannel<V> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn get(&self, channel: &str) -> Option<&V> {
        self.find(channel).ok().map(|index| &self.0[index].1)
    }

    pub(crate) fn get_mut(&mut self, channel: &str) -> Option<&mut V> {
        self.find(channel).ok().map(|index| &mut self.0[index].1)
    }

    pub(crate) fn contains(&self, channel: &str) -> bool {
        self.find(channel).is_ok()
    }

    /// Sets the value of a channel; gives the one that it had.
    pub(crate) fn insert(&mut self, channel: Channel, value: V) -> Option<V> {
        match self.find(channel.as_str()) {
            Ok(index) => Some(std::mem::replace(&mut self.0[index].1, value)),
            Err(index) => {
                // A few are taken as they come, without room for more.
                if self.0.len() < 4 {
                    self.0.reserve_exact(1);
                }
                self.0.insert(index, (channel, value));
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, channel: &str) -> Option<(Channel, V)> {
        let removed = self.0.remove(self.find(channel).ok()?);
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        Some(removed)
    }

    pub(crate) fn channels(&self) -> impl Iterator<Item = &Channel> {
        self.0.iter().map(|(channel, _)| channel)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    /// Takes out what `condition` holds for.
    pub(crate) fn extract_if(
        &mut self,
        mut condition: impl FnMut(&V) -> bool,
    ) -> impl Iterator<Item = (Channel, V)> {
        self.0.extract_if(.., move |(_, value)| condition(value))
    }

    fn find(&self, channel: &str) -> Result<usize, usize> {
        self.0
            .binary_search_by(|(other, _)| other.as_str().cmp(channel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_replaced_and_removed_by_channel() {
        let mut map = ByChannel::default();
        for name in ["c", "a", "d", "b", "e", "f"] {
            assert_eq!(map.insert(Channel::parse(name).unwrap(), name), None);
        }
        assert_eq!(map.insert(Channel::parse("d").unwrap(), "D"), Some("d"));
        assert_eq!(map.values().copied().collect::<String>(), "abcDef");
        assert_eq!(map.remove("a").map(|(_, value)| value), Some("a"));
        assert!(map.remove("a").is_none() && map.get("a").is_none());
        *map.get_mut("b").unwrap() = "B";
        let taken = map.extract_if(|value| value.chars().all(char::is_uppercase));
        let taken: Vec<_> = taken
            .map(|(channel, value)| (channel.to_string(), value))
            .collect();
        assert_eq!(taken, [("b".to_owned(), "B"), ("d".to_owned(), "D")]);
        assert_eq!(
            (map.len(), map.contains("b"), map.contains("c")),
            (3, false, true)
        );
    }
}

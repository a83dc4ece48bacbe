//! The whole list in memory, read without a lock: a session looks on its own worker's time, and who writes copies one of the
//! shards.
//!
//! An entry costs its key and about 140 bytes. One that has expired counts for nothing and is dropped with a later change.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use bytes::Bytes;
use tidegate_backbone::News;
use tokio::sync::watch;

use super::entry::{Entry, Subject, Value, key_of};
use super::{Concerned, MANY};
use crate::auth::TokenId;

/// Parts of the list; a change copies one.
const SHARDS: usize = 256;

type Shard = HashMap<Arc<str>, Terms>;

/// Until when an entry counts, and for which tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Terms {
    /// Unix time in seconds; the largest for no end.
    until: i64,
    issued_before: i64,
}

/// Who is not let in.
#[derive(Debug)]
pub(crate) struct List {
    shards: Vec<ArcSwap<Shard>>,
    hasher: RandomState,
    len: AtomicUsize,
    max_entries: usize,
    /// Whether all that there is has been read.
    is_read: AtomicBool,
    changed: watch::Sender<()>,
}

impl List {
    /// An empty list that nothing has been read into.
    pub(crate) fn new(max_entries: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| ArcSwap::default()).collect(),
            hasher: RandomState::new(),
            len: AtomicUsize::new(0),
            max_entries,
            is_read: AtomicBool::new(false),
            changed: watch::Sender::new(()),
        }
    }

    /// Whether it has all that there is, and that is no more than it may be.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_read.load(Ordering::Acquire) && self.len() <= self.max_entries
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Tells of each change.
    pub(super) fn changed(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Whether a user is blocked. Anonymous users cannot be.
    pub(crate) fn blocks(&self, user: &str, now: i64) -> bool {
        let is_there = || self.terms(&key_of("blocked", user, None), now).is_some();
        !user.is_empty() && self.len() > 0 && is_there()
    }

    /// Whether a user's token is revoked: that of a subscription to a channel, or of a connection. One that does not say when
    /// it was issued counts as older than any.
    pub(crate) fn revokes(
        &self,
        token: &TokenId,
        user: &str,
        channel: Option<&str>,
        now: i64,
    ) -> bool {
        if self.len() == 0 {
            return false;
        }
        let by_id = token.id.as_deref().filter(|id| !id.is_empty());
        let by_id = by_id.and_then(|id| self.terms(&key_of("token", id, None), now));
        let is_older = || {
            let terms = self.terms(&key_of("issued", user, channel), now);
            let issued = token.issued_at.unwrap_or(i64::MIN);
            terms.is_some_and(|terms| issued < terms.issued_before)
        };
        by_id.is_some() || (!user.is_empty() && is_older())
    }

    /// Whether an entry can be added.
    pub(super) fn has_room_for(&self, key: &str) -> bool {
        self.len() < self.max_entries || self.has(key)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.shard(key).load().contains_key(key)
    }

    /// Whether it has exactly this entry.
    pub(super) fn holds(&self, entry: &Entry) -> bool {
        let terms = Terms {
            until: entry.expire_at.unwrap_or(i64::MAX),
            issued_before: entry.issued_before,
        };
        let key = entry.key();
        self.shard(&key).load().get(&*key) == Some(&terms)
    }

    /// Entries behind one, in the order of their keys, and whether there are more.
    pub(crate) fn page(&self, after: &str, limit: usize, now: i64) -> (Vec<(String, Entry)>, bool) {
        let mut first = BTreeSet::new();
        for shard in &self.shards {
            for (key, terms) in shard.load().iter() {
                if &**key > after && terms.until > now {
                    first.insert((Arc::clone(key), (terms.until, terms.issued_before)));
                }
                if first.len() > limit.saturating_add(1) {
                    first.pop_last();
                }
            }
        }
        let has_more = first.len() > limit;
        let entries = first.into_iter().take(limit);
        let entries = entries.filter_map(|(key, (until, issued_before))| {
            let entry = Entry {
                subject: Subject::of_key(&key)?,
                expire_at: (until != i64::MAX).then_some(until),
                issued_before,
            };
            Some((key.to_string(), entry))
        });
        (entries.collect(), has_more)
    }

    /// Takes what is new in the register; tells whom it concerns.
    pub(crate) fn apply(&self, news: News, now: i64) -> Concerned {
        let mut users = BTreeSet::new();
        let mut is_for_all = news.is_whole;
        let mut by_shard: HashMap<usize, Vec<(String, Option<Terms>)>> = HashMap::new();
        for change in news.changes {
            let Some(subject) = Subject::of_key(&change.key) else {
                tracing::warn!(
                    key = change.key,
                    "no entry of blocked users and revoked tokens"
                );
                continue;
            };
            let terms = change
                .value
                .and_then(|value| terms(&change.key, &subject, &value));
            match subject.user().filter(|_| terms.is_some()) {
                Some(user) if users.len() < MANY => drop(users.insert(user.to_owned())),
                None if terms.is_none() => {}
                _ => is_for_all = true,
            }
            let shard = self.index(&change.key);
            by_shard.entry(shard).or_default().push((change.key, terms));
        }
        let touched: Vec<_> = match news.is_whole {
            true => (0..SHARDS).collect(),
            false => by_shard.keys().copied().collect(),
        };
        for index in touched {
            let changes = by_shard.remove(&index).unwrap_or_default();
            self.rewrite(index, changes, news.is_whole, now);
        }
        if news.is_whole {
            self.is_read.store(true, Ordering::Release);
        }
        if self.len() > self.max_entries {
            let max_entries = self.max_entries;
            tracing::error!(
                max_entries,
                "more blocked users and revoked tokens than client.revocation.max_entries; the node is not ready"
            );
        }
        self.changed.send_replace(());
        match is_for_all {
            true => Concerned::Everybody,
            false => Concerned::Users(users.into_iter().collect()),
        }
    }

    fn rewrite(
        &self,
        index: usize,
        changes: Vec<(String, Option<Terms>)>,
        is_whole: bool,
        now: i64,
    ) {
        let before = self.shards[index].load_full();
        let mut shard = if is_whole {
            Shard::default()
        } else {
            Shard::clone(&before)
        };
        for (key, terms) in changes {
            match terms {
                Some(terms) => drop(shard.insert(key.into(), terms)),
                None => drop(shard.remove(&*key)),
            }
        }
        shard.retain(|_, terms| terms.until > now);
        self.len.fetch_add(shard.len(), Ordering::Relaxed);
        self.shards[index].store(Arc::new(shard));
        self.len.fetch_sub(before.len(), Ordering::Relaxed);
    }

    fn terms(&self, key: &str, now: i64) -> Option<Terms> {
        let shard = self.shard(key).load();
        shard.get(key).copied().filter(|terms| terms.until > now)
    }

    fn shard(&self, key: &str) -> &ArcSwap<Shard> {
        &self.shards[self.index(key)]
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "any bits of a hash will do"
    )]
    fn index(&self, key: &str) -> usize {
        self.hasher.hash_one(key) as usize % SHARDS
    }
}

/// What a value says. One that cannot be read was meant to keep somebody out, so it does.
fn terms(key: &str, subject: &Subject, value: &Bytes) -> Option<Terms> {
    let read = match value.is_empty() {
        true => Ok(Value::default()),
        false => serde_json::from_slice::<Value>(value),
    };
    let value = read.unwrap_or_else(|error| {
        tracing::warn!(key, %error, "an entry without an end, for its value cannot be read");
        Value::default()
    });
    let is_issued = matches!(subject, Subject::Issued { .. });
    if is_issued && value.issued_before.is_none() {
        tracing::warn!(key, "an entry without `issued_before` is passed over");
        return None;
    }
    Some(Terms {
        until: value.expire_at.filter(|at| *at != 0).unwrap_or(i64::MAX),
        issued_before: value.issued_before.unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use tidegate_backbone::Change;

    use super::*;

    const NOW: i64 = 1_000;

    fn list(entries: &[(&str, &str)]) -> List {
        let list = List::new(100);
        list.apply(news(entries, true), NOW);
        list
    }

    fn news(entries: &[(&str, &str)], is_whole: bool) -> News {
        let change = |(key, value): &(&str, &str)| Change {
            key: (*key).to_owned(),
            value: (*value != "-").then(|| Bytes::copy_from_slice(value.as_bytes())),
        };
        News {
            changes: entries.iter().map(change).collect(),
            is_whole,
        }
    }

    fn token(id: Option<&str>, issued_at: Option<i64>) -> TokenId {
        TokenId {
            id: id.map(Into::into),
            issued_at,
        }
    }

    #[test]
    fn users_are_blocked_until_their_entry_expires() {
        for (value, blocks, blocks_later) in [
            ("", true, true),
            ("{}", true, true),
            (r#"{"expire_at":0}"#, true, true),
            (r#"{"expire_at":1001}"#, true, false),
            (r#"{"expire_at":1000}"#, false, false),
            (r#"{"other":1}"#, true, true),
            ("nonsense", true, true),
            ("-", false, false),
        ] {
            let list = list(&[("blocked.a", value)]);
            assert_eq!(list.blocks("a", NOW), blocks, "{value}");
            assert_eq!(list.blocks("a", NOW + 1), blocks_later, "{value}");
            assert!(!list.blocks("b", NOW) && !list.blocks("", NOW));
        }
    }

    #[test]
    fn tokens_are_revoked_by_id_and_by_age() {
        let list = list(&[
            ("token.t", "{}"),
            ("issued.a", r#"{"issued_before":500}"#),
            ("issued.b.news", r#"{"issued_before":500}"#),
            ("issued.c", "{}"),
        ]);
        for (token, user, channel, expected) in [
            (token(Some("t"), None), "x", None, true),
            (token(Some("t"), Some(900)), "x", Some("news"), true),
            (token(Some("u"), None), "x", None, false),
            (token(None, None), "x", None, false),
            (token(None, Some(499)), "a", None, true),
            (token(None, Some(500)), "a", None, false),
            (token(None, None), "a", None, true),
            (token(None, Some(499)), "a", Some("news"), false),
            (token(None, Some(499)), "b", Some("news"), true),
            (token(None, Some(499)), "b", Some("other"), false),
            (token(None, Some(499)), "b", None, false),
            (token(None, None), "c", None, false),
            (token(Some(""), Some(1)), "", None, false),
        ] {
            let revokes = list.revokes(&token, user, channel, NOW);
            assert_eq!(revokes, expected, "{token:?} {user} {channel:?}");
        }
    }

    #[test]
    fn news_tell_whom_they_concern() {
        let list = list(&[("blocked.old", "{}")]);
        for (entries, expected) in [
            (vec![("blocked.a", "{}")], Some(vec!["a"])),
            (
                vec![("issued.b", r#"{"issued_before":1}"#)],
                Some(vec!["b"]),
            ),
            (vec![("blocked.a", "-")], Some(vec![])),
            (vec![("token.t", "-")], Some(vec![])),
            (vec![("token.t", "{}")], None),
            (vec![("nonsense", "{}")], Some(vec![])),
        ] {
            let concerned = list.apply(news(&entries, false), NOW);
            let users = |users: Vec<&str>| users.into_iter().map(str::to_owned).collect();
            let expected = expected.map_or(Concerned::Everybody, |it| Concerned::Users(users(it)));
            assert_eq!(concerned, expected, "{entries:?}");
        }
        assert!(list.blocks("old", NOW));
        let whole = list.apply(news(&[("blocked.new", "{}")], true), NOW);
        assert_eq!(whole, Concerned::Everybody);
        assert!(!list.blocks("old", NOW) && list.blocks("new", NOW));
        assert_eq!(list.len(), 1);
    }

    #[test]
    fn a_list_that_is_not_whole_or_too_long_cannot_be_relied_on() {
        let list = List::new(2);
        assert!(!list.is_complete());
        list.apply(news(&[("blocked.a", "{}")], false), NOW);
        assert!(!list.is_complete());
        list.apply(news(&[("blocked.a", "{}"), ("blocked.b", "{}")], true), NOW);
        assert!(list.is_complete());
        assert!(list.has_room_for("blocked.b") && !list.has_room_for("blocked.c"));
        list.apply(news(&[("blocked.c", "{}")], false), NOW);
        assert!(!list.is_complete() && list.blocks("c", NOW));
        list.apply(news(&[("blocked.a", "-")], false), NOW);
        assert!(list.is_complete());
    }

    #[test]
    fn it_is_shown_in_pages() {
        let keys: Vec<_> = (0..25).map(|it| format!("blocked.u{it:02}")).collect();
        let entries: Vec<_> = keys.iter().map(|key| (&**key, "{}")).collect();
        let list = list(&entries);
        let (mut after, mut all) = (String::new(), Vec::new());
        loop {
            let (page, has_more) = list.page(&after, 10, NOW);
            all.extend(page.iter().map(|(key, _)| key.clone()));
            let Some((last, _)) = page.last() else { break };
            after.clone_from(last);
            if !has_more {
                break;
            }
        }
        assert_eq!(all, keys);
    }
}

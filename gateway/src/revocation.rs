//! Who is not let in although a token or a backend says so: blocked users, and tokens that were revoked.
//!
//! In: operations of backends, and what other nodes put into the register that all share. Out: a [`List`] that sessions ask,
//! and the wish that connections look at it again when it has grown. Every node holds the whole list, is not ready until
//! it has it, and goes on with what it has while the register is away.

mod entry;
mod list;

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegate_backbone::{Backbone, Error, Register, RegisterOptions, Storage};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::config::RevocationConfig;
use crate::control::{Local, Whom};
use crate::counters::Counters;
pub(crate) use entry::{Entry, Subject};
pub(crate) use list::List;

/// The register's name.
const NAME: &str = "revocations";

/// Between two attempts to watch.
const RETRY: Duration = Duration::from_secs(1);

/// Between two looks of all connections at the list.
const BETWEEN: Duration = Duration::from_millis(200);

/// With more users than this concerned, all connections look.
const MANY: usize = 64;

/// How long an operation waits until this node has what it did.
const SEEN: Duration = Duration::from_secs(1);

/// The list of a node, and the register that it is read from.
pub(crate) struct Revocations {
    register: Arc<dyn Register>,
    list: Arc<List>,
    counters: Arc<Counters>,
}

/// Why an entry is not kept.
#[derive(Debug, PartialEq)]
pub(crate) enum Refused {
    /// There are as many as there may be.
    Full,
    /// The register did not take it.
    Unavailable(Error),
}

/// Whose connections are to look at the list again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Concerned {
    Users(Vec<String>),
    Everybody,
}

impl Revocations {
    /// # Errors
    /// Why there is no register.
    pub(crate) fn new(
        config: &RevocationConfig,
        list: Arc<List>,
        backbone: &Arc<dyn Backbone>,
        counters: &Arc<Counters>,
    ) -> Result<Self, String> {
        let register = backbone.register(RegisterOptions {
            name: NAME,
            description: "Blocked users and revoked tokens of Tidegate",
            replicas: u8::try_from(config.replicas).unwrap_or(1),
            storage: Storage::File,
            max_keys: config.max_entries,
        });
        Ok(Self {
            register: register.map_err(|error| error.to_string())?,
            list,
            counters: Arc::clone(counters),
        })
    }

    pub(crate) fn list(&self) -> &List {
        &self.list
    }

    /// Keeps an entry; ends once this node has it.
    pub(crate) async fn put(&self, entry: &Entry) -> Result<(), Refused> {
        let key = entry.key();
        if !self.list.has_room_for(&key) {
            return Err(Refused::Full);
        }
        let time_to_live = entry.expire_at.map(|at| {
            let left = at.saturating_sub(unix_seconds(SystemTime::now())).max(1);
            Duration::from_secs(left.unsigned_abs())
        });
        let put = self.register.put(&key, entry.value(), time_to_live).await;
        put.map_err(Refused::Unavailable)?;
        self.await_seen(|list| list.holds(entry)).await;
        Ok(())
    }

    /// Takes an entry away; ends once this node has let it go.
    pub(crate) async fn delete(&self, subject: Subject) -> Result<(), Refused> {
        let key = subject.key();
        let deleted = self.register.delete(&key).await;
        deleted.map_err(Refused::Unavailable)?;
        self.await_seen(|list| !list.has(&key)).await;
        Ok(())
    }

    /// The register has it; what the caller does next on this node shows it, too.
    async fn await_seen(&self, is_seen: impl Fn(&List) -> bool) {
        let mut changed = self.list.changed();
        let seen = changed.wait_for(|_| is_seen(&self.list));
        let _late = timeout(SEEN, seen).await;
    }

    /// Keeps the list in step, and has connections look at it, until the future is dropped.
    pub(crate) async fn keep(&self, local: &Local) -> Infallible {
        let mut watch = Arc::clone(&self.register).watch();
        let mut last = Instant::now() - BETWEEN;
        let mut missed = false;
        loop {
            let news = match missed {
                // Those who did not get it get it with the next ones, or by themselves.
                true => match timeout(RETRY, watch.next()).await {
                    Ok(news) => news.map(Some),
                    Err(_) => Ok(None),
                },
                false => watch.next().await.map(Some),
            };
            let concerned = match news {
                Ok(Some(news)) => self.take(news),
                Ok(None) => Concerned::Everybody,
                Err(error) => {
                    tracing::warn!(%error, "the list of blocked users and revoked tokens is not kept up to date");
                    sleep(RETRY).await;
                    continue;
                }
            };
            let concerned = if missed {
                Concerned::Everybody
            } else {
                concerned
            };
            if concerned == Concerned::Everybody {
                sleep_until(last + BETWEEN).await;
                last = Instant::now();
            }
            missed = !review(local, concerned).await;
        }
    }

    fn take(&self, news: tidegate_backbone::News) -> Concerned {
        let before = self.list.len() as u64;
        let concerned = self.list.apply(news, unix_seconds(SystemTime::now()));
        self.counters.revocations.add(self.list.len() as u64);
        self.counters.revocations.sub(before);
        concerned
    }
}

/// Has connections look at the list; tells whether all have been told.
async fn review(local: &Local, concerned: Concerned) -> bool {
    let users = match concerned {
        Concerned::Everybody => vec![None],
        Concerned::Users(users) => users.into_iter().map(Some).collect(),
    };
    let mut all = true;
    for user in users {
        let whom = Whom {
            user,
            ..Whom::default()
        };
        all &= local.review(whom).await.is_ok();
    }
    all
}

pub(crate) fn unix_seconds(now: SystemTime) -> i64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations")
            .field("entries", &self.list.len())
            .finish_non_exhaustive()
    }
}

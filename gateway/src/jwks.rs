//! Fetches the keys that issuers of tokens publish (JWKS) and keeps them fresh.
//!
//! In: where keys are published, and that somebody needs such as are not at hand. Out: [`Published`] filled anew. All
//! fetching is done by one task for each place, on a thread of its own: whoever needs keys waits for that task's next
//! fetch, so any number of tokens with unknown keys cause one fetch in `client.jwks.refetch_interval`.

mod fetch;
mod source;

use std::io;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

use crate::auth::{EndpointId, Published};
use crate::config::JwksConfig;
use crate::counters::Counters;
use source::Source;

/// The places of one node where keys are published.
#[derive(Debug)]
pub(crate) struct Jwks {
    sources: Vec<Arc<Source>>,
    /// The thread ends when this is dropped.
    _stop: watch::Sender<()>,
}

impl Jwks {
    /// Begins to fetch; `None` when nothing is published anywhere.
    ///
    /// # Errors
    /// One text a fault, each naming its option.
    pub(crate) fn start(
        config: &JwksConfig,
        endpoints: &[Arc<Published>],
        counters: &Arc<Counters>,
    ) -> Result<Option<Self>, Vec<String>> {
        if endpoints.is_empty() {
            return Ok(None);
        }
        let (stop, stopped) = watch::channel(());
        let runtime = start_thread(stopped)
            .map_err(|error| vec![format!("client.jwks: cannot start its thread: {error}")])?;
        let (mut sources, mut faults) = (Vec::new(), Vec::new());
        for published in endpoints {
            match Source::new(config, Arc::clone(published), Arc::clone(counters)) {
                Ok(source) => sources.push(Arc::new(source)),
                Err(fault) => faults.push(format!("{}: {fault}", published.option)),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        for source in &sources {
            runtime.spawn(Arc::clone(source).keep());
        }
        Ok(Some(Self {
            sources,
            _stop: stop,
        }))
    }

    /// Waits, within `client.jwks.timeout`, for keys that are fetched from now on; tells whether there are such.
    pub(crate) async fn fetch(&self, endpoint: EndpointId) -> bool {
        self.sources[endpoint.0].fetch().await
    }
}

/// Starts the thread that fetches, until the sender of `stopped` is dropped.
fn start_thread(mut stopped: watch::Receiver<()>) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let run = move || {
        runtime.block_on(async { while stopped.changed().await.is_ok() {} });
    };
    thread::Builder::new().name("jwks".to_owned()).spawn(run)?;
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, SystemTime};

    use futures_util::future::join_all;
    use tidegate_testkit::deadline::until_some;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::auth::{Purpose, Verifier};
    use crate::config::{SubscriptionTokenConfig, TokenConfig};

    /// Header and claims of a token by the key `x`.
    const TOKEN: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6IngifQ.e30.AAAA";

    /// Answers each connection once with a set of no keys; counts them.
    async fn issuer() -> (String, Arc<AtomicUsize>, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let asked = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut head = [0; 1024];
                let _some = socket.read(&mut head).await;
                let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 11\r\n\r\n{\"keys\":[]}";
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        (url, asked, task)
    }

    fn verifier(url: &str) -> Verifier {
        let token = TokenConfig {
            jwks_public_endpoint: url.to_owned(),
            ..TokenConfig::default()
        };
        Verifier::new(&token, &SubscriptionTokenConfig::default()).unwrap()
    }

    #[tokio::test]
    async fn a_storm_of_unknown_keys_causes_one_fetch_an_interval() {
        let (url, asked, _) = issuer().await;
        let verifier = verifier(&url);
        let config = JwksConfig {
            refetch_interval: Duration::from_millis(500),
            ..JwksConfig::default()
        };
        let jwks = Jwks::start(&config, verifier.endpoints(), &Arc::default());
        let jwks = jwks.unwrap().unwrap();
        let missing = || verifier.missing(Purpose::Connection, TOKEN, SystemTime::now());
        assert!(jwks.fetch(missing().unwrap()).await);
        for storm in 1..=2 {
            let before = asked.load(Ordering::SeqCst);
            let all = join_all((0..10_000).map(|_| jwks.fetch(missing().unwrap()))).await;
            assert!(all.into_iter().all(|are_there| are_there));
            assert_eq!(asked.load(Ordering::SeqCst), before + 1, "storm {storm}");
        }
    }

    #[tokio::test]
    async fn the_last_keys_serve_for_a_while_when_the_issuer_is_gone() {
        let (url, _, task) = issuer().await;
        let verifier = verifier(&url);
        let config = |stale_limit| JwksConfig {
            refetch_interval: Duration::from_millis(20),
            cache_min: Duration::from_millis(20),
            cache_max: Duration::from_millis(20),
            stale_limit,
            ..JwksConfig::default()
        };
        let counters = Arc::<Counters>::default();
        let start = |config| Jwks::start(&config, verifier.endpoints(), &counters);
        let patient = start(config(Duration::from_hours(1))).unwrap().unwrap();
        assert!(patient.fetch(EndpointId(0)).await);
        task.abort();
        let reason = || {
            let refused = verifier.connection(TOKEN, SystemTime::now());
            refused.unwrap_err().to_string()
        };
        let failed = async || (counters.jwks_fetch_failed.get() > 3).then_some(());
        until_some("fetches fail", failed).await.unwrap();
        let has_keys = "token invalid: its issuer publishes no such key for EdDSA";
        assert_eq!(reason(), has_keys);
        drop(patient);
        let _impatient = start(config(Duration::from_millis(50))).unwrap().unwrap();
        let forgotten = async || (reason() != has_keys).then(reason);
        let reason = until_some("keys are forgotten", forgotten).await.unwrap();
        assert_eq!(reason, "token invalid: its issuer's keys are not at hand");
    }

    #[tokio::test]
    async fn who_would_wait_too_long_is_told_at_once() {
        let (url, asked, _) = issuer().await;
        let verifier = verifier(&url);
        let config = JwksConfig {
            refetch_interval: Duration::from_hours(1),
            ..JwksConfig::default()
        };
        let jwks = Jwks::start(&config, verifier.endpoints(), &Arc::default());
        let jwks = jwks.unwrap().unwrap();
        let endpoint = EndpointId(0);
        assert!(jwks.fetch(endpoint).await);
        let all = join_all((0..10_000).map(|_| jwks.fetch(endpoint))).await;
        assert!(all.into_iter().all(|are_there| !are_there));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}

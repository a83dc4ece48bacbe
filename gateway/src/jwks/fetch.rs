//! One GET of a set of keys, bounded in time and size.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, HeaderValue};
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::time::timeout;

use crate::auth::{KeySet, KeySetError, Published};
use crate::config::{JwksConfig, ProxyTlsConfig};
use crate::hooks::{Protocol, client, unanswered};

/// The client of one place.
pub(super) struct Fetch {
    uri: Uri,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    timeout: Duration,
    size_limit: usize,
}

/// Why there are no keys. Says nothing of the address, which may have secrets.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("no answer within {0:?}")]
    Late(Duration),
    #[error("{0}")]
    Unanswered(String),
    #[error("it was answered with the status {0}")]
    Status(u16),
    #[error("the answer is over {0} bytes")]
    TooLarge(usize),
    #[error(transparent)]
    Malformed(#[from] KeySetError),
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) keys: KeySet,
    /// For how long the answer says that it is fresh.
    pub(super) fresh: Option<Duration>,
}

impl Fetch {
    /// # Errors
    /// What is wrong with the address or the file of authorities.
    pub(super) fn new(config: &JwksConfig, published: &Published) -> Result<Self, String> {
        let tls = ProxyTlsConfig {
            enabled: true,
            server_ca_pem_file: published.ca_file().map(Into::into),
        };
        Ok(Self {
            uri: published.url.parse().map_err(|_| "is no URL")?,
            client: client(Protocol::Http1, &tls, config.timeout)?,
            timeout: config.timeout,
            size_limit: config.response_size_limit,
        })
    }

    pub(super) async fn get(&self) -> Result<Found, FetchError> {
        let found = timeout(self.timeout, self.get_unhurried()).await;
        found.unwrap_or(Err(FetchError::Late(self.timeout)))
    }

    async fn get_unhurried(&self) -> Result<Found, FetchError> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.uri.clone();
        let accepted = HeaderValue::from_static("application/jwk-set+json, application/json");
        request.headers_mut().insert(ACCEPT, accepted);
        let response = self.client.request(request).await;
        let response =
            response.map_err(|error| FetchError::Unanswered(unanswered(&error).to_string()))?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let fresh = freshness(response.headers());
        let body = Limited::new(response.into_body(), self.size_limit);
        let body = body
            .collect()
            .await
            .map_err(|error| match error.is::<LengthLimitError>() {
                true => FetchError::TooLarge(self.size_limit),
                false => FetchError::Unanswered(error.to_string()),
            })?;
        let keys = KeySet::parse(&body.to_bytes())?;
        Ok(Found { keys, fresh })
    }
}

/// Without the address, which may have secrets.
impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch").finish_non_exhaustive()
    }
}

/// `Cache-Control` (RFC 9111 section 5.2.2).
fn freshness(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).iter();
    let texts = values.filter_map(|it| it.to_str().ok());
    let directives: Vec<_> = texts
        .flat_map(|it| it.split(','))
        .map(|it| it.trim().to_ascii_lowercase())
        .collect();
    let is_stale = |it: &String| it == "no-store" || it == "no-cache";
    if directives.iter().any(is_stale) {
        return Some(Duration::ZERO);
    }
    let seconds = directives
        .iter()
        .find_map(|it| it.strip_prefix("max-age="))?;
    let seconds = seconds.trim_matches('"').parse();
    seconds.ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_for_how_long_it_is_fresh() {
        for (lines, expected) in [
            (&[][..], None),
            (&["max-age=60"], Some(60)),
            (&["public, Max-Age=\"60\", must-revalidate"], Some(60)),
            (&["public", "max-age=5"], Some(5)),
            (&["max-age=60, no-cache"], Some(0)),
            (&["no-store"], Some(0)),
            (&["max-age=soon"], None),
            (&["max-age=-1"], None),
            (&["s-maxage=60"], None),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CACHE_CONTROL, HeaderValue::from_static(line));
            }
            let expected = expected.map(Duration::from_secs);
            assert_eq!(freshness(&headers), expected, "{lines:?}");
        }
    }
}

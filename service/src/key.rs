//! The key that callers show: `authorization: Bearer <key>`.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// The shortest key, in bytes.
const MIN_BYTES: usize = 16;

/// A secret that callers and service share.
#[derive(Clone)]
pub struct ApiKey(Arc<str>);

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Too short to be secret.
    #[error("key is shorter than {MIN_BYTES} bytes")]
    TooShort,
    /// It cannot stand in metadata.
    #[error("key has characters other than visible ASCII")]
    Characters,
}

impl ApiKey {
    /// Takes a key.
    ///
    /// # Errors
    /// [`KeyError`] with what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.len() < MIN_BYTES {
            return Err(KeyError::TooShort);
        }
        match text.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(Self(text.into())),
            false => Err(KeyError::Characters),
        }
    }
}

/// Lets calls with the key pass, or all where there is none.
#[derive(Debug, Clone)]
pub struct Gate(pub Option<ApiKey>);

impl Interceptor for Gate {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let Some(ApiKey(key)) = &self.0 else {
            return Ok(request);
        };
        let shown = request.metadata().get("authorization");
        let shown = shown.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        match shown.map(|shown| verify_slices_are_equal(shown, key.as_bytes())) {
            Some(Ok(())) => Ok(request),
            Some(Err(_)) => Err(Status::unauthenticated("the API key is another one")),
            None => Err(Status::unauthenticated("there is no API key")),
        }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

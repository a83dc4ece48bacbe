//! The key that callers show: `authorization: apikey <key>`, or `Bearer <key>`.

use std::path::Path;
use std::sync::Arc;
use std::{fmt, fs, io};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// The shortest key that is taken from a file, in bytes.
const MIN_BYTES: usize = 16;

/// What may stand before the key, in any case: what Centrifugo's API names, and what proxies and libraries know.
const SCHEMES: [&str; 2] = ["apikey", "bearer"];

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

/// Why a file gives no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] io::Error),
    /// What it holds.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl ApiKey {
    /// The key of a configuration that was made for Centrifugo, where any text is one; `None` where there is none.
    #[must_use]
    pub fn configured(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.into()))
    }

    /// The key in a file.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        Ok(Self::parse(fs::read_to_string(path)?.trim())?)
    }

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
pub(crate) struct Gate(pub(crate) Option<ApiKey>);

impl Interceptor for Gate {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let Some(ApiKey(key)) = &self.0 else {
            return Ok(request);
        };
        let shown = request.metadata().get("authorization");
        let shown = shown.and_then(|value| key_in(value.as_bytes()));
        match shown.map(|shown| verify_slices_are_equal(shown, key.as_bytes())) {
            Some(Ok(())) => Ok(request),
            Some(Err(_)) => Err(Status::unauthenticated("the API key is another one")),
            None => Err(Status::unauthenticated("there is no API key")),
        }
    }
}

fn key_in(value: &[u8]) -> Option<&[u8]> {
    let space = value.iter().position(|byte| *byte == b' ')?;
    let (scheme, key) = (&value[..space], &value[space + 1..]);
    let is_ours = |it: &&str| scheme.eq_ignore_ascii_case(it.as_bytes());
    SCHEMES.iter().any(is_ours).then_some(key)
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use tonic::metadata::MetadataValue;

    use super::*;

    #[test]
    fn the_key_is_found_behind_either_word() {
        let key = ApiKey::configured("k y");
        for (value, expected) in [
            ("apikey k y", Ok(())),
            ("Bearer k y", Ok(())),
            ("APIKEY k y", Ok(())),
            ("apikey k", Err("the API key is another one")),
            ("apikey ", Err("the API key is another one")),
            ("Basic k y", Err("there is no API key")),
            ("k y", Err("there is no API key")),
            ("", Err("there is no API key")),
        ] {
            let mut request = Request::new(());
            let shown = MetadataValue::try_from(value).unwrap();
            request.metadata_mut().insert("authorization", shown);
            let passed = Gate(key.clone()).call(request).map(drop);
            let passed = passed.map_err(|status| status.message().to_owned());
            assert_eq!(passed, expected.map_err(str::to_owned), "{value:?}");
        }
        assert!(Gate(key).call(Request::new(())).is_err());
        assert!(Gate(ApiKey::configured("")).call(Request::new(())).is_ok());
    }
}

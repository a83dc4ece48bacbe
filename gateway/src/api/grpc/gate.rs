//! The key that callers show: `authorization: apikey <key>`.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// Lets calls with the key pass, or all where there is none.
#[derive(Clone)]
pub(super) struct Gate(Arc<str>);

impl Gate {
    pub(super) fn new(key: &str) -> Self {
        Self(key.into())
    }
}

impl Interceptor for Gate {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        if self.0.is_empty() {
            return Ok(request);
        }
        let shown = request.metadata().get("authorization");
        let shown = shown.and_then(|value| value.as_bytes().strip_prefix(b"apikey "));
        match shown.map(|shown| verify_slices_are_equal(shown, self.0.as_bytes())) {
            Some(Ok(())) => Ok(request),
            Some(Err(_)) => Err(Status::unauthenticated("the API key is another one")),
            None => Err(Status::unauthenticated("there is no API key")),
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate(..)")
    }
}

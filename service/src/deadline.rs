//! The caller's deadline, as the gRPC protocol writes it: `grpc-timeout`, at most eight digits and a unit.

use std::future::pending;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{HeaderMap, Response};
use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::body::Body;
use tonic::{Request, Status};
use tower::Service;

/// We answer so long before the deadline: at it tonic ends the call by itself, with the status CANCELLED.
const AHEAD: Duration = Duration::from_millis(3);

/// When the caller no longer waits; never, if it did not say.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// The deadline of a call that came through a [`Port`](crate::Port). Its answer, or the first word of it, is awaited no
    /// longer; what a stream says after that is for whoever makes the stream to end.
    #[must_use]
    pub fn of<T>(request: &Request<T>) -> Self {
        let known = request.extensions().get().copied();
        known.unwrap_or(Self(None))
    }

    fn read(headers: &HeaderMap) -> Result<Self, Status> {
        let Some(value) = headers.get("grpc-timeout") else {
            return Ok(Self(None));
        };
        let read = value.to_str().ok().and_then(parse);
        let timeout = read.ok_or_else(|| Status::invalid_argument("grpc-timeout is no time"))?;
        Ok(Self(
            Instant::now().checked_add(timeout.saturating_sub(AHEAD)),
        ))
    }

    /// Returns when the deadline has passed.
    pub async fn passed(self) {
        match self.0 {
            Some(end) => sleep_until(end).await,
            None => pending().await,
        }
    }
}

/// What a call is answered whose deadline passes.
#[must_use]
pub fn exceeded() -> Status {
    Status::deadline_exceeded("the caller's deadline has passed")
}

/// Answers calls before their deadlines: with what is behind it, or with [`exceeded`].
#[derive(Debug, Clone)]
pub(crate) struct Deadlines<S>(pub(crate) S);

impl<S> Service<http::Request<Body>> for Deadlines<S>
where
    S: Service<http::Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let deadline = match Deadline::read(request.headers()) {
            Ok(deadline) => deadline,
            Err(status) => return Box::pin(async move { Ok(status.into_http()) }),
        };
        request.extensions_mut().insert(deadline);
        let answer = self.0.call(request);
        match deadline.0 {
            None => Box::pin(answer),
            Some(end) => Box::pin(async move {
                let answer = timeout_at(end, answer).await;
                answer.unwrap_or_else(|_| Ok(exceeded().into_http()))
            }),
        }
    }
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3_600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::HeaderValue;
    use tonic::Code;
    use tower::service_fn;

    use super::*;

    /// The status that a call with this timeout has, whose work takes so long.
    async fn status(timeout: &str, work: Duration) -> Option<Code> {
        let mut service = Deadlines(service_fn(move |request: http::Request<Body>| async move {
            assert!(request.extensions().get::<Deadline>().is_some());
            tokio::time::sleep(work).await;
            Ok::<_, Infallible>(Response::new(Body::empty()))
        }));
        let mut request = http::Request::new(Body::empty());
        if !timeout.is_empty() {
            let timeout = HeaderValue::from_str(timeout).unwrap();
            request.headers_mut().insert("grpc-timeout", timeout);
        }
        let answer = service.call(request).await.unwrap();
        Status::from_header_map(answer.headers()).map(|it| it.code())
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_longer_is_told_so_in_time() {
        let begin = Instant::now();
        let late = status("1S", Duration::from_secs(5)).await;
        assert_eq!(late, Some(Code::DeadlineExceeded));
        assert!(begin.elapsed() < Duration::from_secs(1));
        assert_eq!(status("1S", Duration::from_millis(900)).await, None);
        assert_eq!(status("", Duration::from_secs(5)).await, None);
        let malformed = status("soon", Duration::ZERO).await;
        assert_eq!(malformed, Some(Code::InvalidArgument));
    }

    #[test]
    fn times_are_read_as_the_protocol_writes_them() {
        for (text, expected) in [
            ("3H", Some(Duration::from_secs(10_800))),
            ("2M", Some(Duration::from_secs(120))),
            ("7S", Some(Duration::from_secs(7))),
            ("99999999m", Some(Duration::from_millis(99_999_999))),
            ("5u", Some(Duration::from_micros(5))),
            ("5n", Some(Duration::from_nanos(5))),
            ("0S", Some(Duration::ZERO)),
            ("", None),
            ("S", None),
            ("5", None),
            ("-5S", None),
            ("+5S", None),
            ("5d", None),
            ("123456789S", None),
            ("5é", None),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }
}

//! The caller's deadline, as the gRPC protocol writes it: `grpc-timeout`, at most eight digits and a unit.

use std::future::{Future, pending};
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::{Request, Response, Status};

/// We answer so long before the deadline: at it tonic ends the call by itself, with the status CANCELLED.
const AHEAD: Duration = Duration::from_millis(3);

/// When the caller no longer waits; never, if it did not say.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// The deadline of a call.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when it is not written as the protocol says.
    pub fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        let Some(value) = request.metadata().get("grpc-timeout") else {
            return Ok(Self(None));
        };
        let read = value.to_str().ok().and_then(parse);
        let timeout = read.ok_or_else(|| Status::invalid_argument("grpc-timeout is no time"))?;
        Ok(Self::after(timeout))
    }

    fn after(timeout: Duration) -> Self {
        Self(Instant::now().checked_add(timeout.saturating_sub(AHEAD)))
    }

    /// What `work` answers before the deadline.
    ///
    /// # Errors
    /// Those of `work`, or [`exceeded`].
    pub async fn meet<T>(
        self,
        work: impl Future<Output = Result<T, Status>>,
    ) -> Result<Response<T>, Status> {
        let Some(end) = self.0 else {
            return work.await.map(Response::new);
        };
        let answer = timeout_at(end, work).await;
        answer.map_err(|_| exceeded())?.map(Response::new)
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
    use tonic::Code;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_takes_longer_is_told_so() {
        let begin = Instant::now();
        let deadline = Deadline::after(Duration::from_secs(1));
        let late = deadline.meet(pending::<Result<(), Status>>()).await;
        assert_eq!(
            late.map_err(|it| it.code()).err(),
            Some(Code::DeadlineExceeded)
        );
        assert!(begin.elapsed() < Duration::from_secs(1));
        let in_time = Deadline(None).meet(async { Ok(1) }).await;
        assert_eq!(in_time.map(Response::into_inner).ok(), Some(1));
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

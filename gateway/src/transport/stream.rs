//! One response that does not end: moves what waits for a client into its body, and frames that came elsewhere to the
//! client's connection.
//!
//! In: the outbox of a connection, its inbox, the time. Out: bytes of the body, and at the end the reason as a last push.
//! It is to a response what `websocket` is to a socket.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tidegate_codec::{Bookmark, DisconnectCode};
use tokio::sync::oneshot;

use super::alarm::{Alarm, now};
use super::body::Writer;
use super::conversation::Conversation;
use super::emulation::Inbox;
use super::ending::Ending;
use super::marks::{Due, Marks};
use crate::connection::Connection;
use crate::outbox::Outbox;
use crate::worker::Worker;

/// Time for the last messages to leave. What the client has not taken by then is dropped.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Frames in a row after which others get a turn.
const FRAMES: usize = 16;

/// A client's response as a task.
pub(super) struct Stream {
    connection: Connection,
    writer: Writer,
    /// Where the client's further frames come from, if it can send any.
    inbox: Option<Inbox>,
    /// The ids of events, where the client remembers them.
    marks: Option<Marks>,
    /// Who waits to hear whether the client could connect.
    verdict: Option<oneshot::Sender<Verdict>>,
    alarm: Alarm,
    /// How the end goes; `None` before.
    end: Option<End>,
    /// In the worker's list.
    place: u32,
}

/// What comes with a client besides its connection.
#[derive(Default)]
pub(super) struct Extras {
    pub(super) inbox: Option<Inbox>,
    pub(super) marks: Option<Marks>,
    pub(super) verdict: Option<oneshot::Sender<Verdict>>,
}

/// Whether a client could connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Open,
    /// With this code.
    Refused(u32),
}

/// What remains to be done.
#[derive(Debug, Clone)]
enum End {
    /// The client is gone; what it said before is done first.
    Leaving,
    /// What the session has published still has to arrive.
    Settling(Ending),
    /// The last messages are leaving, until this time.
    Closing(Instant),
}

/// What a turn of the task came to.
enum Turn {
    Again,
    Rest,
    Done,
}

impl Stream {
    /// Starts the task of a client.
    pub(super) fn start(connection: Connection, writer: Writer, extras: Extras) {
        tracing::debug!(client = connection.client(), "connected");
        let mut stream = Self {
            place: connection.worker().enter(connection.outbox()),
            connection,
            writer,
            inbox: extras.inbox,
            marks: extras.marks,
            verdict: extras.verdict,
            alarm: Alarm::new(),
            end: None,
        };
        stream.alarm.set(&stream.connection);
        actix_web::rt::spawn(stream);
    }

    fn turn(&mut self, context: &mut Context<'_>) -> Turn {
        match self.end.clone() {
            None => self.serve(context),
            Some(End::Leaving) => self.leave(context),
            Some(End::Settling(ending)) => self.settle(&ending, context),
            Some(End::Closing(until)) => self.close(until, context),
        }
    }

    /// Moves messages until one side ends.
    fn serve(&mut self, context: &mut Context<'_>) -> Turn {
        let is_due = self.alarm.ring(&mut self.connection);
        if let Some(code) = self.outbox().take_asked_to_close() {
            self.dismiss(code, context);
        }
        let has_progressed = self.connection.progress(context);
        let has_read = self.read(context);
        if self.flush(context).is_err() || self.is_gone(context) {
            self.end = Some(End::Leaving);
            return Turn::Again;
        }
        self.judge();
        if let Some(ending) = self.ending() {
            self.end(ending);
            return Turn::Again;
        }
        if is_due || has_progressed || has_read {
            self.alarm.set(&self.connection);
        }
        Turn::Rest
    }

    fn outbox(&self) -> &Rc<Outbox> {
        self.connection.outbox()
    }

    fn worker(&self) -> &Rc<Worker> {
        self.connection.worker()
    }

    /// Gives the connection the frames that wait, as long as it takes them; tells whether there were any.
    fn read(&mut self, context: &mut Context<'_>) -> bool {
        let Some(inbox) = &mut self.inbox else {
            return false;
        };
        for round in 0..FRAMES {
            if !self.connection.takes_frames() {
                return round > 0;
            }
            match inbox.poll_next(context) {
                Poll::Ready(frame) => self.connection.receive(&frame),
                Poll::Pending => return round > 0,
            }
            self.connection.progress(context);
        }
        context.waker().wake_by_ref();
        true
    }

    /// Moves what waits into the body, as much as it takes. With nothing left that is how far the client's channels are, which
    /// it is then told.
    fn flush(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let (outbox, worker) = (Rc::clone(self.outbox()), Rc::clone(self.worker()));
        loop {
            let mut scratch = worker.scratch.borrow_mut();
            let flushed = outbox.poll_flush(&mut |bytes| {
                let written = self.writer.poll_write(bytes, &mut scratch, context);
                if let (Poll::Ready(Ok(count)), Some(marks)) = (&written, &mut self.marks) {
                    marks.written(*count);
                }
                written
            });
            match flushed {
                Poll::Ready(Ok(())) if self.mark() => {}
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Ready(Ok(())) | Poll::Pending => break,
            }
        }
        outbox.report(&worker.node.counters.queue_bytes);
        match self.writer.poll_flush(context) {
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    fn is_gone(&self, context: &mut Context<'_>) -> bool {
        let mut scratch = self.worker().scratch.borrow_mut();
        self.writer.is_gone(&mut scratch, context)
    }

    /// Adds an id to what was written, if it is time for one.
    fn mark(&mut self) -> bool {
        let Some(marks) = &mut self.marks else {
            return false;
        };
        let (now, wheel) = (now(), &self.connection.worker().wheel);
        let outbox = self.connection.outbox();
        match marks.due(now) {
            Due::Never => return false,
            Due::At(at) => {
                wheel.set(wheel.tick(at), outbox);
                return false;
            }
            Due::Now => {}
        }
        let mark = marks.mark(Bookmark::text(self.connection.positions()), now);
        if let Some(mark) = &mark {
            outbox.extend(|bytes| bytes.extend_from_slice(mark.as_bytes()));
        }
        mark.is_some()
    }

    /// Ends the session from outside. The client is told first how far it is.
    fn dismiss(&mut self, code: DisconnectCode, context: &mut Context<'_>) {
        if let Some(marks) = &mut self.marks {
            marks.hurry();
        }
        // If nobody reads, that is found out next.
        let _flushed = self.flush(context);
        self.connection.close(code);
    }

    /// Tells whether the client could connect, once that is known.
    fn judge(&mut self) {
        let closing = self.connection.closing();
        let refused = closing.map(|with| Verdict::Refused(with.code.into()));
        let open = self.connection.user().map(|_| Verdict::Open);
        if let Some(verdict) = refused.or(open)
            && let Some(waiting) = self.verdict.take()
        {
            // Who waited may have gone.
            let _told = waiting.send(verdict);
        }
    }

    fn ending(&self) -> Option<Ending> {
        if self.outbox().has_overflowed() {
            self.worker().node.counters.closed_slow.add(1);
            return Some(Ending::Disconnect(DisconnectCode::Slow.into()));
        }
        self.connection.closing().map(Ending::Disconnect)
    }

    /// Does what the client asked for before it went.
    fn leave(&mut self, context: &mut Context<'_>) -> Turn {
        self.outbox().abandon();
        self.connection.progress(context);
        if self.connection.is_working() {
            return Turn::Rest;
        }
        self.end(Ending::Gone);
        Turn::Again
    }

    fn end(&mut self, ending: Ending) {
        ending.tell(&self.worker().node, self.connection.names());
        self.inbox = None;
        self.connection.end();
        self.end = Some(End::Settling(ending));
    }

    fn settle(&mut self, ending: &Ending, context: &mut Context<'_>) -> Turn {
        self.connection.progress(context);
        if self.connection.is_working() {
            return Turn::Rest;
        }
        let Some(push) = ending.push() else {
            return Turn::Done;
        };
        self.outbox().reopen();
        self.connection.send_push(&push);
        let until = now() + CLOSE_TIMEOUT;
        let wheel = &self.worker().wheel;
        wheel.set(wheel.tick(until), self.outbox());
        self.end = Some(End::Closing(until));
        Turn::Again
    }

    fn close(&mut self, until: Instant, context: &mut Context<'_>) -> Turn {
        let is_over = match self.flush(context) {
            Ok(()) if self.outbox().waiting() == 0 => self.writer.poll_end(context).is_ready(),
            Ok(()) => false,
            Err(_) => true,
        };
        match is_over || now() >= until {
            true => Turn::Done,
            false => Turn::Rest,
        }
    }
}

impl Future for Stream {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let stream = self.get_mut();
        stream.outbox().signal().running(context);
        stream.writer.watch(context);
        loop {
            match stream.turn(context) {
                Turn::Again => {}
                Turn::Rest => {
                    stream.outbox().signal().resting();
                    return Poll::Pending;
                }
                Turn::Done => return Poll::Ready(()),
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.outbox().signal().ended();
        self.worker().leave(self.place);
    }
}

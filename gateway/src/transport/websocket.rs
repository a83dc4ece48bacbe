//! One WebSocket: moves bytes between a socket and a conversation.
//!
//! In: frames under the size limits. Out: the conversation's outbox, as much at a time as the socket takes. It is one small
//! task: what is read goes through the worker's scratch buffer, so that a connection has no buffer of its own while
//! nothing is under way, and it is woken by its socket, its outbox, the worker's timer wheel and what the conversation
//! waits for. Knows nothing of channels or NATS.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tidegate_codec::DisconnectCode;
use tidegate_websocket::{Decoder, Event, Opcode, Violation, write_frame};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::alarm::{Alarm, now};
use super::conversation::Conversation;
use super::ending::Ending;
use crate::admission::Admitted;
use crate::worker::Worker;

/// Time for the last frames to leave when a connection is closed, and for the client to close too. What it has not taken
/// by then is dropped.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Reads in a row after which others get a turn.
const READS: usize = 8;

/// A client's socket as a task.
pub(super) struct Socket<T, C: Conversation> {
    io: T,
    decoder: Decoder,
    conversation: C,
    /// `None` while frames move both ways.
    end: Option<Box<End>>,
    alarm: Alarm,
    /// In the worker's list.
    place: u32,
    _admitted: Admitted,
}

/// How far the end of a conversation has come.
struct End {
    ending: Ending,
    stage: Stage,
    /// When the stage is over at the latest, if it has such a time.
    until: Instant,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// The client says nothing more; what it said before is done first.
    Leaving,
    /// The session is over, and what it has published still has to arrive.
    Settling,
    /// What waits, and the close frame, are leaving.
    Closing,
    /// Waits for the client to close. Bytes that nobody has read when a socket is closed make the kernel throw away what
    /// was written last.
    Lingering,
}

/// What a turn of the task came to.
enum Turn {
    /// The stage changed: another turn is due.
    Again,
    /// Nothing is to be done now.
    Rest,
    /// The socket can be closed.
    Done,
}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static, C: Conversation + Unpin> Socket<T, C> {
    /// Starts the task of a client whose upgrade was granted. `early` is what came behind its request.
    pub(super) fn start(
        io: T,
        decoder: Decoder,
        conversation: C,
        admitted: Admitted,
        early: &mut [u8],
    ) {
        tracing::debug!(client = conversation.names().0, "connected");
        let mut socket = Self {
            io,
            decoder,
            place: conversation.worker().enter(conversation.outbox()),
            conversation,
            end: None,
            alarm: Alarm::new(),
            _admitted: admitted,
        };
        socket.take(early);
        socket.alarm.set(&socket.conversation);
        actix_web::rt::spawn(socket);
    }

    fn turn(&mut self, context: &mut Context<'_>) -> Turn {
        let Some(End {
            ending,
            stage,
            until,
        }) = self.end.as_deref()
        else {
            return self.serve(context);
        };
        let (ending, stage, until) = (ending.clone(), *stage, *until);
        match stage {
            Stage::Leaving => self.leave(ending, context),
            Stage::Settling => self.settle(ending, context),
            Stage::Closing => self.close(ending, until, context),
            Stage::Lingering => self.linger(ending, until, context),
        }
    }

    /// Moves frames both ways until one side ends.
    fn serve(&mut self, context: &mut Context<'_>) -> Turn {
        let is_due = self.alarm.ring(&mut self.conversation);
        if let Some(code) = self.conversation.outbox().take_asked_to_close() {
            self.conversation.close(code);
        }
        let has_progressed = self.conversation.progress(context);
        let has_read = self.read(context);
        // Sends the answers to what was read together.
        match self.flush(context) {
            Poll::Ready(Err(_)) if self.is_open() => self.enter(Stage::Leaving, Ending::Gone),
            _ => {}
        }
        if self.is_open() {
            self.look_for_an_end();
        }
        if !self.is_open() {
            return Turn::Again;
        }
        // What is merely written to the client changes no deadline.
        if is_due || has_progressed || has_read {
            self.alarm.set(&self.conversation);
        }
        Turn::Rest
    }

    fn is_open(&self) -> bool {
        self.end.is_none()
    }

    fn worker(&self) -> &Rc<Worker> {
        self.conversation.worker()
    }

    /// Goes on to a stage that has no time of its own.
    fn enter(&mut self, stage: Stage, ending: Ending) {
        let until = now();
        self.end = Some(Box::new(End {
            ending,
            stage,
            until,
        }));
    }

    /// Goes on to a stage that lasts [`CLOSE_TIMEOUT`].
    fn enter_for_a_while(&mut self, stage: Stage, ending: Ending) {
        let until = now() + CLOSE_TIMEOUT;
        self.end = Some(Box::new(End {
            ending,
            stage,
            until,
        }));
        let wheel = &self.worker().wheel;
        wheel.set(wheel.tick(until), self.conversation.outbox());
    }

    fn look_for_an_end(&mut self) {
        if self.conversation.outbox().has_overflowed() {
            self.worker().node.counters.closed_slow.add(1);
            self.end(Ending::Disconnect(DisconnectCode::Slow.into()));
        } else if let Some(with) = self.conversation.closing() {
            self.end(Ending::Disconnect(with));
        }
    }

    /// Reads what is there, as long as the conversation takes it. Tells whether there was anything.
    fn read(&mut self, context: &mut Context<'_>) -> bool {
        let worker = Rc::clone(self.worker());
        for round in 0..READS {
            if !self.is_open() || !self.conversation.takes_messages() {
                return round > 0;
            }
            let mut scratch = worker.scratch.borrow_mut();
            match self.read_into(&mut scratch, context) {
                Poll::Ready(Ok(0) | Err(_)) => self.enter(Stage::Leaving, Ending::Gone),
                Poll::Ready(Ok(size)) => self.take(&mut scratch[..size]),
                Poll::Pending => return round > 0,
            }
            drop(scratch);
            self.conversation.progress(context);
        }
        context.waker().wake_by_ref();
        true
    }

    fn read_into(
        &mut self,
        buffer: &mut [u8],
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.io).poll_read(context, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Takes bytes of the client, until they end or the conversation does.
    fn take(&mut self, mut input: &mut [u8]) {
        while self.is_open() {
            match self.next_event(&mut input) {
                Ok(Some(event)) => self.take_event(event),
                Ok(None) => return,
                Err(violation) => self.end(Ending::Violation(violation)),
            }
        }
    }

    fn take_event(&mut self, event: Event) {
        match event {
            Event::Message(message) => self.conversation.message(message),
            Event::Ping(data) => self
                .conversation
                .outbox()
                .extend(|bytes| write_frame(bytes, Opcode::Pong, &data)),
            Event::Pong(_) => self.conversation.pong(),
            Event::Close(_) => self.enter(Stage::Leaving, Ending::Left),
        }
    }

    fn next_event(&mut self, input: &mut &mut [u8]) -> Result<Option<Event>, Violation> {
        let worker = self.conversation.worker();
        let limits = self.conversation.limits();
        let is_compressed = self.conversation.outbox().wire().deflate.is_some();
        let mut inflater = is_compressed.then(|| worker.inflater.borrow_mut());
        self.decoder.next(input, &limits, inflater.as_deref_mut())
    }

    fn flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self {
            io, conversation, ..
        } = self;
        let mut io = Pin::new(io);
        let outbox = conversation.outbox();
        let flushed = outbox.poll_flush(&mut |bytes| io.as_mut().poll_write(context, bytes));
        outbox.report(&conversation.worker().node.counters.queue_bytes);
        ready!(flushed)?;
        io.poll_flush(context)
    }

    /// Does what the client asked for before it left.
    fn leave(&mut self, ending: Ending, context: &mut Context<'_>) -> Turn {
        if matches!(ending, Ending::Gone) {
            self.conversation.outbox().abandon();
        }
        self.conversation.progress(context);
        if self.conversation.is_working() {
            return Turn::Rest;
        }
        self.end(ending);
        Turn::Again
    }

    fn end(&mut self, ending: Ending) {
        ending.tell(&self.worker().node, self.conversation.names());
        self.conversation.end();
        self.enter(Stage::Settling, ending);
    }

    fn settle(&mut self, ending: Ending, context: &mut Context<'_>) -> Turn {
        self.conversation.progress(context);
        if self.conversation.is_working() {
            return Turn::Rest;
        }
        if matches!(ending, Ending::Gone) {
            return Turn::Done;
        }
        let outbox = self.conversation.outbox();
        outbox.reopen();
        outbox.extend(|bytes| ending.write(bytes));
        self.enter_for_a_while(Stage::Closing, ending);
        Turn::Again
    }

    fn close(&mut self, ending: Ending, until: Instant, context: &mut Context<'_>) -> Turn {
        let written = match (self.flush(context), &ending) {
            // What the client says has no meaning, its answer to the close frame included: it is told not to wait.
            (Poll::Ready(Ok(())), Ending::Violation(_)) => {
                Pin::new(&mut self.io).poll_shutdown(context)
            }
            (flushed, _) => flushed,
        };
        match written {
            Poll::Ready(Ok(())) => {}
            // A client that reads nothing.
            Poll::Pending if now() < until => return Turn::Rest,
            Poll::Pending | Poll::Ready(Err(_)) => return Turn::Done,
        }
        if matches!(ending, Ending::Left) {
            return Turn::Done;
        }
        self.enter_for_a_while(Stage::Lingering, ending);
        Turn::Again
    }

    /// Throws away what the client still says.
    fn linger(&mut self, ending: Ending, until: Instant, context: &mut Context<'_>) -> Turn {
        // After a violation nothing that the client says has a meaning.
        let is_understood = !matches!(ending, Ending::Violation(_));
        let worker = Rc::clone(self.worker());
        for _ in 0..READS {
            let mut scratch = worker.scratch.borrow_mut();
            match self.read_into(&mut scratch, context) {
                Poll::Ready(Ok(0) | Err(_)) => return Turn::Done,
                Poll::Ready(Ok(size))
                    if is_understood && self.is_farewell(&mut scratch[..size]) =>
                {
                    return Turn::Done;
                }
                Poll::Ready(Ok(_)) if now() < until => {}
                Poll::Pending if now() < until => return Turn::Rest,
                Poll::Ready(Ok(_)) | Poll::Pending => return Turn::Done,
            }
        }
        context.waker().wake_by_ref();
        Turn::Rest
    }

    /// Whether the client closes too.
    fn is_farewell(&mut self, mut input: &mut [u8]) -> bool {
        loop {
            match self.next_event(&mut input) {
                Ok(Some(Event::Close(_))) => return true,
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return false,
            }
        }
    }
}

impl<T, C> Future for Socket<T, C>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
    C: Conversation + Unpin,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let socket = self.get_mut();
        socket.conversation.outbox().signal().running(context);
        loop {
            match socket.turn(context) {
                Turn::Again => {}
                Turn::Rest => {
                    socket.conversation.outbox().signal().resting();
                    return Poll::Pending;
                }
                Turn::Done => {
                    // TLS has a last word (RFC 8446 section 6.1). What the socket does not take at once is dropped.
                    let _said = Pin::new(&mut socket.io).poll_shutdown(context);
                    return Poll::Ready(());
                }
            }
        }
    }
}

impl<T, C: Conversation> Drop for Socket<T, C> {
    fn drop(&mut self) {
        self.conversation.outbox().signal().ended();
        self.conversation.worker().leave(self.place);
    }
}

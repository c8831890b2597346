//! The task that owns one socket: it polls the closure, writes what that has queued, reads on, and closes.

use std::any::Any;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::Duration;

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep};
use tungstenite::protocol::CloseFrame;

use super::connection::Connection;
use super::outcome::{BoxError, close_frame, internal_error, is_end};
use super::protocol::Extensions;
use super::registry::Member;
use super::{CloseCode, Config, lending};
use crate::{Io, trace};

/// What the closure has become: its future.
pub(crate) type Body = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// A peer whose connection we keep only so that it reads our last frame may send this much more.
const LINGER_BYTES: u32 = 16 << 20;

pub(crate) struct Session {
    /// `None` only if it was lost in a panic.
    connection: Option<Box<Connection>>,
    /// `None` when it has ended, or if there is none.
    body: Option<Body>,
    /// How the body ended, if that alone says how to close.
    verdict: Option<Box<CloseFrame>>,
    stage: Stage,
    /// Bounds the stages that wait for the peer alone.
    timer: Option<Pin<Box<Sleep>>>,
    close_timeout: Millis,
    linger: Millis,
}

/// Half of a `Duration`: there is one for each socket.
#[derive(Clone, Copy, Debug)]
struct Millis(u32);

impl Millis {
    fn from(time: Duration) -> Self {
        Self(u32::try_from(time.as_millis()).unwrap_or(u32::MAX))
    }
}

/// What is left to do with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Frames are exchanged.
    Open,
    /// The last byte is written, and the write side is being shut.
    Shutting,
    /// The peer is to end the connection, and has this many bytes left for it.
    Lingering(u32),
}

impl Session {
    /// `body`: if there is one, and unless the closure has panicked.
    pub(crate) fn new(
        io: Io,
        config: &Config,
        extensions: &Extensions,
        member: Member,
        body: thread::Result<Option<Body>>,
    ) -> Self {
        let mut session = Self {
            connection: Some(Box::new(Connection::new(io, config, extensions, member))),
            body: None,
            verdict: None,
            stage: Stage::Open,
            timer: None,
            close_timeout: Millis::from(config.close_timeout),
            linger: Millis::from(config.linger),
        };
        match body {
            Ok(body) => session.body = body,
            Err(panic) => session.panicked(panic),
        }
        session
    }

    /// Everything that can be done without waiting.
    fn drive(&mut self, mut connection: Box<Connection>, cx: &mut Context<'_>) -> Option<Box<Connection>> {
        // What has arrived goes first: the closure then sees all of it in one poll, and its answers leave in one write.
        connection.read(cx);
        connection.wake_reader();
        let mut poll_body = true;
        loop {
            if std::mem::take(&mut poll_body) {
                connection = self.poll_body(connection, cx)?;
            }
            self.conclude(&mut connection);
            poll_body |= connection.write(cx);
            connection.decode_ahead();
            let read = connection.read(cx);
            poll_body |= connection.wake_reader();
            if read || poll_body || connection.can_write() {
                continue;
            }
            if connection.link().take_rung() && connection.keep_deadlines() {
                poll_body |= connection.wake_reader();
                continue;
            }
            // Once more if this is the end, so that all who wait for something hear of it.
            if connection.is_over() || self.poll_close(&mut connection, cx).is_pending() {
                return Some(connection);
            }
            poll_body |= connection.wake_reader();
        }
    }

    fn poll_body(&mut self, connection: Box<Connection>, cx: &mut Context<'_>) -> Option<Box<Connection>> {
        let Some(body) = &mut self.body else {
            return Some(connection);
        };
        // All of it is a user's code: the future, its error, and their destructors.
        let (connection, result) = lending::lend(connection, || {
            catch_unwind(AssertUnwindSafe(|| {
                let result = ready!(body.as_mut().poll(cx));
                Poll::Ready(result.err().map(|error| {
                    if !is_end(&error) {
                        trace::handler_failed(&error);
                    }
                    close_frame(&error)
                }))
            }))
        });
        match result {
            Ok(Poll::Pending) => return connection,
            Ok(Poll::Ready(verdict)) => self.verdict = verdict.map(Box::new),
            Err(panic) => self.panicked(panic),
        }
        let body = self.body.take();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(body))) {
            self.panicked(panic);
        }
        connection
    }

    /// Drops everything, as it is.
    fn abort(&mut self, connection: Box<Connection>) {
        let body = self.body.take();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(body))) {
            self.panicked(panic);
        }
        drop(connection);
    }

    fn panicked(&mut self, panic: Box<dyn Any + Send>) {
        trace::handler_panicked();
        self.verdict = Some(Box::new(internal_error()));
        // Its destructor may panic too.
        std::mem::forget(panic);
    }

    /// Closes when the closure has failed, or has ended and all handles to the socket are gone.
    fn conclude(&mut self, connection: &mut Connection) {
        if let Some(frame) = self.verdict.take() {
            connection.close(&frame);
        } else if self.body.is_none() && connection.link().is_dropped() && !connection.close_sent() {
            connection.close(&CloseFrame {
                code: CloseCode::Normal,
                reason: "".into(),
            });
        }
    }

    /// Brings the closing handshake and the connection to their end; ready when the connection is over.
    fn poll_close(&mut self, connection: &mut Connection, cx: &mut Context<'_>) -> Poll<()> {
        while !connection.is_over() {
            self.stage = match self.stage {
                Stage::Open if connection.is_finished() => Stage::Shutting,
                Stage::Open => {
                    if !connection.close_sent() {
                        return Poll::Pending;
                    }
                    if connection.take_progress() {
                        self.set_timer(self.close_timeout);
                    }
                    return self.poll_timer(connection, cx);
                }
                Stage::Shutting => match connection.poll_shutdown(cx) {
                    Poll::Ready(()) => {
                        self.set_timer(self.linger);
                        Stage::Lingering(LINGER_BYTES)
                    }
                    Poll::Pending => return self.poll_timer(connection, cx),
                },
                Stage::Lingering(left) => match connection.poll_discard(cx) {
                    Poll::Ready(Some(length)) if length < left as usize => Stage::Lingering(left - length as u32),
                    Poll::Ready(_) => {
                        connection.fail(io::ErrorKind::ConnectionAborted.into());
                        break;
                    }
                    Poll::Pending => return self.poll_timer(connection, cx),
                },
            };
        }
        self.timer = None;
        Poll::Ready(())
    }

    fn set_timer(&mut self, Millis(time): Millis) {
        let time = Duration::from_millis(time.into());
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(Instant::now() + time),
            None => self.timer = Some(Box::pin(sleep(time))),
        }
    }

    fn poll_timer(&mut self, connection: &mut Connection, cx: &mut Context<'_>) -> Poll<()> {
        if self.timer.is_none() {
            self.set_timer(self.close_timeout);
        }
        let Some(timer) = &mut self.timer else {
            return Poll::Pending;
        };
        // A peer that sends without end uses up the task's budget, and must not hold the time up with it.
        ready!(pin!(unconstrained(timer.as_mut())).poll(cx));
        connection.fail(io::Error::new(
            io::ErrorKind::TimedOut,
            "the peer did not answer the Close frame in time",
        ));
        Poll::Ready(())
    }
}

impl Future for Session {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(mut connection) = this.connection.take() else {
            return Poll::Ready(());
        };
        connection.begin(cx.waker());
        // Now that its waker is known: an abort that comes before this is seen here, a later one wakes it.
        if connection.link().is_aborted() {
            connection.finish();
            this.abort(connection);
            return Poll::Ready(());
        }
        let Some(mut connection) = this.drive(connection, cx) else {
            return Poll::Ready(());
        };
        connection.finish();
        if this.body.is_none() && connection.is_over() && connection.is_delivered() {
            return Poll::Ready(());
        }
        this.connection = Some(connection);
        Poll::Pending
    }
}

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The byte stream of an upgraded connection.
///
/// It begins with the first byte after the request, also if that byte came together with it.
pub struct Io {
    kind: Kind,
    /// What came together with the request; boxed, because it is rare and then soon gone.
    early: Option<Box<Bytes>>,
}

/// A stream whose type is known is taken out of hyper's box: its layers cost some 50 ns for each wake-up.
enum Kind {
    Tcp(TcpStream),
    /// Boxed: it is twice as long as a `TcpStream`.
    Upgraded(Box<TokioIo<Upgraded>>),
    Other(Box<dyn Stream>),
}

/// A stream of HTTP/2 takes whatever it is given, whether its window is open or not, and copies it; four such pieces wait
/// in hyper for a peer that does not read.
const PIECE: usize = 16 << 10;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Io {
    /// Any byte stream, such as one half of [`tokio::io::duplex`]: to test a closure without a server.
    pub fn new(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self {
            kind: Kind::Other(Box::new(stream)),
            early: None,
        }
    }

    fn tcp(stream: TokioIo<TcpStream>, early: Bytes) -> Self {
        Self {
            kind: Kind::Tcp(stream.into_inner()),
            early: (!early.is_empty()).then(|| Box::new(early)),
        }
    }
}

impl From<Upgraded> for Io {
    fn from(upgraded: Upgraded) -> Self {
        let upgraded = match upgraded.downcast() {
            Ok(parts) => return Self::tcp(parts.io, parts.read_buf),
            Err(upgraded) => upgraded,
        };
        // hyper-util's auto server, and so `axum::serve`, wraps the stream once more.
        match auto::upgrade::downcast(upgraded) {
            Ok(parts) => Self::tcp(parts.io, parts.read_buf),
            Err(upgraded) => Self {
                kind: Kind::Upgraded(Box::new(TokioIo::new(upgraded))),
                early: None,
            },
        }
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io").finish_non_exhaustive()
    }
}

macro_rules! delegate {
    ($io:expr, $stream:ident => $call:expr) => {
        match &mut $io.kind {
            Kind::Tcp(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Kind::Upgraded(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Kind::Other(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
        }
    };
}

impl AsyncRead for Io {
    #[inline]
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let io = &mut *self;
        if let Some(early) = &mut io.early {
            let length = early.len().min(buf.remaining());
            buf.put_slice(&early[..length]);
            early.advance(length);
            if early.is_empty() {
                io.early = None;
            }
            return Poll::Ready(Ok(()));
        }
        delegate!(io, stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Io {
    #[inline]
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.kind {
            // Of hyper's streams, those that do not gather are HTTP/2's.
            Kind::Upgraded(stream) if !stream.is_write_vectored() => {
                Pin::new(stream).poll_write(cx, &buf[..buf.len().min(PIECE)])
            }
            _ => delegate!(self, stream => stream.poll_write(cx, buf)),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        delegate!(self, stream => stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.kind {
            Kind::Tcp(stream) => stream.is_write_vectored(),
            Kind::Upgraded(stream) => stream.is_write_vectored(),
            Kind::Other(stream) => stream.is_write_vectored(),
        }
    }

    #[inline]
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => stream.poll_shutdown(cx))
    }
}

use std::any::type_name;
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
/// It begins with the first byte after the request, also if that byte came together with it. Its `Debug` output names
/// the type of the transport.
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

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    fn name(&self) -> &'static str {
        type_name::<Self>()
    }
}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Takes a transport whose type is known out of hyper's box.
pub(crate) type Unbox = fn(Upgraded) -> Result<Io, Upgraded>;

impl Io {
    /// Any byte stream, such as one half of [`tokio::io::duplex`]: to test a closure without a server.
    pub fn new(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self {
            kind: Kind::Other(Box::new(stream)),
            early: None,
        }
    }

    /// `unbox` knows the server's transport, if it is none that we know.
    pub(crate) fn from_upgraded(upgraded: Upgraded, unbox: Option<Unbox>) -> Self {
        let upgraded = match take_out(upgraded) {
            Ok((stream, early)) => return Self::taken(Kind::Tcp(stream), early),
            Err(upgraded) => upgraded,
        };
        let upgraded = match unbox {
            Some(unbox) => match unbox(upgraded) {
                Ok(io) => return io,
                Err(upgraded) => upgraded,
            },
            None => upgraded,
        };
        Self::taken(Kind::Upgraded(Box::new(TokioIo::new(upgraded))), Bytes::new())
    }

    /// An [`Unbox`] for transports of type `T`.
    pub(crate) fn unbox<T>(upgraded: Upgraded) -> Result<Self, Upgraded>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (stream, early) = take_out::<T>(upgraded)?;
        Ok(Self::taken(Kind::Other(Box::new(stream)), early))
    }

    fn taken(kind: Kind, early: Bytes) -> Self {
        Self {
            kind,
            early: (!early.is_empty()).then(|| Box::new(early)),
        }
    }
}

/// A stream of this type, and what hyper has read from it beyond the request.
fn take_out<T>(upgraded: Upgraded) -> Result<(T, Bytes), Upgraded>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let upgraded = match upgraded.downcast::<TokioIo<T>>() {
        Ok(parts) => return Ok((parts.io.into_inner(), parts.read_buf)),
        Err(upgraded) => upgraded,
    };
    // hyper-util's auto server, and so `axum::serve`, wraps the stream once more.
    let parts = auto::upgrade::downcast::<TokioIo<T>>(upgraded)?;
    Ok((parts.io.into_inner(), parts.read_buf))
}

impl From<Upgraded> for Io {
    fn from(upgraded: Upgraded) -> Self {
        Self::from_upgraded(upgraded, None)
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match &self.kind {
            Kind::Tcp(_) => type_name::<TcpStream>(),
            Kind::Upgraded(_) => type_name::<Upgraded>(),
            Kind::Other(stream) => (**stream).name(),
        };
        f.debug_struct("Io").field("transport", &transport).finish()
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

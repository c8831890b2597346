use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
#[cfg(feature = "websocket")]
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use hyper::upgrade::OnUpgrade;
#[cfg(feature = "websocket")]
use tokio::io::{AsyncRead, AsyncWrite};

use crate::Io;
use crate::io::Unbox;

#[cfg(feature = "websocket")]
type BoxFuture = Pin<Box<dyn Future<Output = io::Result<Io>> + Send>>;

/// How a connection comes from the server, after the head of the response.
pub(crate) enum Handover {
    /// hyper offers it for any HTTP/1.1 request with `Upgrade` and for any CONNECT: its presence proves nothing.
    Hyper {
        on_upgrade: OnUpgrade,
        unbox: Option<Unbox>,
    },
    /// By a server of another making. The mutex, never locked, makes it `Sync`, as the responses' futures are.
    #[cfg(feature = "websocket")]
    Other(Mutex<BoxFuture>),
}

/// Why it did not come.
pub(crate) enum Failed {
    Hyper(hyper::Error),
    #[cfg_attr(not(feature = "websocket"), allow(dead_code))]
    Other(io::Error),
}

#[cfg(feature = "websocket")]
impl Handover {
    pub(crate) fn other<T>(io: impl Future<Output = io::Result<T>> + Send + 'static) -> Self
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self::Other(Mutex::new(Box::pin(async { io.await.map(Io::new) })))
    }
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover").finish_non_exhaustive()
    }
}

impl Future for Handover {
    type Output = Result<Io, Failed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match &mut *self {
            Self::Hyper { on_upgrade, unbox } => match ready!(Pin::new(on_upgrade).poll(cx)) {
                Ok(upgraded) => Ok(Io::from_upgraded(upgraded, *unbox)),
                Err(error) => Err(Failed::Hyper(error)),
            },
            #[cfg(feature = "websocket")]
            Self::Other(future) => {
                let future = future.get_mut().unwrap_or_else(PoisonError::into_inner);
                ready!(future.as_mut().poll(cx)).map_err(Failed::Other)
            }
        })
    }
}

//! A server that cannot upgrade is told of it, and answers as well as it can.

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use upsock::ws::{self, Rejection, UpgradeLayer};

use crate::support::{Client, Head, accept, ask, serve, service, within};
use crate::{assert_upgrade_required, echo, handshake};

/// What `tracing` is told on this thread.
#[cfg(feature = "tracing")]
struct Log(
    Arc<Mutex<Vec<u8>>>,
    #[expect(dead_code, reason = "it is there to be dropped")] Box<dyn std::any::Any>,
);

#[cfg(feature = "tracing")]
impl Log {
    fn start() -> Self {
        use tracing_subscriber::util::SubscriberInitExt;

        #[derive(Clone)]
        struct Writer(Arc<Mutex<Vec<u8>>>);

        impl std::io::Write for Writer {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().map_err(|_| std::io::ErrorKind::Other)?.write(bytes)
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }

        let bytes = Arc::new(Mutex::default());
        let writer = Writer(bytes.clone());
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        Self(bytes, Box::new(subscriber.set_default()))
    }

    /// The one event that `upsock` has told of.
    fn event(&self) -> String {
        let log = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let mut lines = log.lines().filter(|line| line.contains("upsock"));
        let event = lines.next().expect("an event").to_string();
        assert_eq!(lines.next(), None);
        event
    }
}

#[tokio::test]
async fn a_server_that_cannot_upgrade_answers_500() {
    #[cfg(feature = "tracing")]
    let log = Log::start();
    let inner = UpgradeLayer::new().layer(service(|_| -> Response<Full<Bytes>> { ws::upgrade(echo).into() }));
    let server = serve(service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().remove::<OnUpgrade>();
        inner.call(request)
    }))
    .await;
    let mut client = Client::connect(server).await;
    client.send(handshake().and(Head::get("/").and(""))).await;
    let answer = client.answer().await;
    assert_eq!(
        (answer.status, answer.reason.as_str()),
        (500, &*Rejection::CannotUpgrade.to_string())
    );
    assert_eq!(
        (answer.header("upgrade"), answer.header("sec-websocket-accept")),
        (None, None)
    );
    assert!(answer.lists("connection", "close"));
    assert_eq!(client.rest().await, b"");
    #[cfg(feature = "tracing")]
    {
        let event = log.event();
        assert!(event.contains("ERROR") && event.contains("`with_upgrades`"), "{event}");
    }
    // Not asked to upgrade, it has nothing to complain of.
    assert_upgrade_required(&ask(server, &Head::get("/")).await);
}

/// hyper offers an `OnUpgrade` also without `with_upgrades`; it fails when the `101` is out.
#[tokio::test]
async fn a_server_that_forgot_with_upgrades_is_reported() {
    #[cfg(feature = "tracing")]
    let log = Log::start();
    let (sender, failed) = oneshot::channel();
    let sender = Arc::new(Mutex::new(Some(sender)));
    let route = UpgradeLayer::new().layer(service(move |_| -> Response<Full<Bytes>> {
        let sender = sender.lock().unwrap().take().unwrap();
        let upgrade = ws::upgrade(|_| async {});
        upgrade.on_failed(|error| drop(sender.send(error))).into()
    }));
    let server = accept(move |stream| {
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), route.clone()));
    })
    .await;
    let mut client = Client::connect(server).await;
    client.send(handshake().and("")).await;
    assert_eq!(client.answer().await.status, 101);
    assert_eq!(client.rest().await, b"");
    assert!(within(failed).await.unwrap().is_user());
    #[cfg(feature = "tracing")]
    {
        let event = log.event();
        assert!(event.contains("ERROR") && event.contains("`with_upgrades`"), "{event}");
    }
}

/// A framework that makes a response anew; only the log can tell.
#[tokio::test]
async fn a_response_that_has_lost_its_extensions_is_reported() {
    #[cfg(feature = "tracing")]
    let log = Log::start();
    let server = serve(UpgradeLayer::new().layer(service(|_| {
        let mut response: Response<Full<Bytes>> = ws::upgrade(echo).into();
        response.extensions_mut().clear();
        response
    })))
    .await;
    let answer = ask(server, &handshake()).await;
    assert_eq!((answer.status, answer.header("upgrade")), (426, Some("websocket")));
    // Not asked to upgrade, there is nothing to complain of.
    assert_eq!(ask(server, &Head::get("/")).await.status, 426);
    #[cfg(feature = "tracing")]
    {
        let event = log.event();
        assert!(event.contains("WARN") && event.contains("extensions"), "{event}");
    }
}

//! The HTTP server: routes, the page, a clean end on Ctrl-C.

use std::future::IntoFuture;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;
use upsock::ws::{self, UpgradeLayer};

use crate::chat::Chat;
use crate::visit::{Wish, visit};

/// After Ctrl-C or SIGTERM: how long open sockets, and then requests, may take to end before the process leaves anyway.
const GRACE: Duration = Duration::from_secs(3);

/// What all of them may hold is this times some megabytes: see the settings below, and the hubs' in `chat.rs`.
const MAX_SOCKETS: usize = 10_000;

/// Two thousand characters fit in here, however wastefully their JSON is escaped (12 bytes for one at worst).
const MAX_MESSAGE: usize = 32 * 1024;

/// How long somebody may read nothing: a phone comes out of a tunnel.
const PATIENCE: Duration = Duration::from_secs(20);

/// Nothing but our own files may run or be shown: were a message ever to reach the page as HTML, it would stay inert.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page: path, type and content.
const FILES: [(&str, &str, &str); 9] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/style.css", CSS, include_str!("page/style.css")),
    ("/chat.js", SCRIPT, include_str!("page/chat.js")),
    ("/connection.js", SCRIPT, include_str!("page/connection.js")),
    ("/log.js", SCRIPT, include_str!("page/log.js")),
    ("/people.js", SCRIPT, include_str!("page/people.js")),
    ("/rooms.js", SCRIPT, include_str!("page/rooms.js")),
    ("/seen.js", SCRIPT, include_str!("page/seen.js")),
    ("/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
];
const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Prints the URL, and serves until it is told to stop. Then all sockets are closed with 1001, and their pages come back:
/// to another node, if a balancer stands in front.
pub(crate) async fn serve(listener: TcpListener, chat: Arc<Chat>) -> io::Result<()> {
    let page = FILES
        .iter()
        .fold(Router::new(), |page, &(path, content_type, content)| {
            page.route(path, get(file(content_type, content)))
        });
    let layer = UpgradeLayer::new().max_sockets(MAX_SOCKETS);
    let app = page
        .route("/ws/{username}", get(join))
        .with_state(chat)
        .layer(layer.clone());

    let told_to_stop = stop_signal()?;
    println!("http://{}/", listener.local_addr()?);
    // A chat sends small messages that must not wait for the answer to the one before (Nagle's algorithm).
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let stop = Arc::new(Notify::new());
    let stopped = stop.clone();
    let server = axum::serve(listener, app).with_graceful_shutdown(async move { stopped.notified().await });
    let mut server = tokio::spawn(server.into_future());
    tokio::select! {
        result = &mut server => return result?,
        () = told_to_stop => {}
    }
    stop.notify_one();
    // The server may be done before them: it does not know its connections any more that have become sockets.
    layer.sockets().shutdown(GRACE).await;
    match timeout(GRACE, server).await {
        Ok(result) => result?,
        Err(_) => Ok(()),
    }
}

/// Ends with Ctrl-C, or with what asks a service to end: from now on neither kills the process.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

async fn join(Path(username): Path<String>, Query(wish): Query<Wish>, State(chat): State<Arc<Chat>>) -> Response {
    ws::upgrade(move |socket| visit(socket, chat, username, wish))
        .configure(|config| config.max_message(MAX_MESSAGE).write_deadline(PATIENCE))
        // With the crate's feature `axum` a handler returns `ws::Upgrade` itself.
        .into_response()
}

fn file(content_type: &'static str, content: &'static str) -> impl IntoResponse + Clone {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // The next build of this example must not meet the last one's script.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, content)
}

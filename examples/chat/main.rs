//! A chat room, with its page inside the binary.
//!
//! ```text
//! cargo run --example chat -- --listen 127.0.0.1:8080
//! ```
//!
//! Open the printed URL in two windows. How the files share the work:
//!
//! | file | what it holds |
//! |---|---|
//! | `main.rs` | the HTTP server: routes, the page, a clean end on Ctrl-C |
//! | `visit.rs` | one person's socket, from joining to leaving |
//! | `room.rs` | who is here, what was said, and how everybody hears of it |
//! | `name.rs` | what may be a name |
//! | `wire.rs` | the JSON that travels |

mod name;
mod room;
mod visit;
mod wire;

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::process::exit;
use std::sync::Arc;
use std::time::Duration;
use std::{env, io};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;
use upsock::ws::{self, UpgradeLayer};

use room::Room;

/// After Ctrl-C or SIGTERM: how long open sockets, and then requests, may take to end before the process leaves anyway.
const GRACE: Duration = Duration::from_secs(3);

/// Two thousand characters fit in here, however wastefully their JSON is escaped (12 bytes for one at worst).
const MAX_MESSAGE: usize = 32 * 1024;

/// How long somebody may read nothing: a phone comes out of a tunnel.
const PATIENCE: Duration = Duration::from_secs(20);

/// Nothing but our own files may run or be shown: were a message ever to reach the page as HTML, it would stay inert.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page: path, type and content.
const FILES: [(&str, &str, &str); 6] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/style.css", CSS, include_str!("page/style.css")),
    ("/chat.js", SCRIPT, include_str!("page/chat.js")),
    ("/connection.js", SCRIPT, include_str!("page/connection.js")),
    ("/log.js", SCRIPT, include_str!("page/log.js")),
    ("/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
];
const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

#[tokio::main]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind(listen_address()).await?;
    println!("http://{}/", listener.local_addr()?);

    let page = FILES
        .iter()
        .fold(Router::new(), |page, &(path, content_type, content)| {
            page.route(path, get(file(content_type, content)))
        });
    let layer = UpgradeLayer::new();
    let app = page
        .route("/ws/{username}", get(join))
        .with_state(Room::new())
        .layer(layer.clone());

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
        result = stop_signal() => result?,
    }
    stop.notify_one();
    // The server may be done before them: it does not know its connections any more that have become sockets.
    layer.sockets().shutdown(GRACE).await;
    match timeout(GRACE, server).await {
        Ok(result) => result?,
        Err(_) => Ok(()),
    }
}

/// Waits for Ctrl-C, or for what asks a service to end.
async fn stop_signal() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            result = tokio::signal::ctrl_c() => result,
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

async fn join(Path(username): Path<String>, State(room): State<Arc<Room>>) -> Response {
    ws::upgrade(move |socket| visit::visit(socket, room, username))
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

fn listen_address() -> SocketAddr {
    let mut arguments = env::args().skip(1);
    let address = match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (None, ..) => Some(SocketAddr::from(([127, 0, 0, 1], 8080))),
        (Some("--listen"), Some(address), None) => address.parse().ok(),
        _ => None,
    };
    address.unwrap_or_else(|| {
        eprintln!("usage: chat [--listen ADDRESS:PORT]");
        exit(2)
    })
}

//! What the servers share, so that they differ in their WebSockets only.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

/// A free port on the loopback interface, for as many connections as the system allows.
///
/// The address is printed: whoever has started this server reads it there.
pub fn listen() -> io::Result<std::net::TcpListener> {
    allow_many_files()?;
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    println!("{}", listener.local_addr()?);
    Ok(listener)
}

/// Raises the limit of open files as far as it goes without privileges.
pub fn allow_many_files() -> io::Result<()> {
    rlimit::increase_nofile_limit(u64::MAX).map(drop)
}

/// How a server is to compress.
#[derive(Clone, Copy)]
pub struct Deflate {
    pub level: u8,
    /// Shorter messages are sent as they are; `None` for what the library would do.
    pub threshold: Option<usize>,
}

/// From the server's command line: `--deflate LEVEL [--threshold BYTES]`. `None` if it is not to compress.
///
/// # Panics
/// If it says anything else.
pub fn deflate() -> Option<Deflate> {
    let mut arguments = std::env::args().skip(1);
    let mut option = |name: &str| {
        let argument = arguments.next()?;
        assert_eq!(argument, name, "what is that?");
        arguments.next()?.parse::<usize>().ok()
    };
    let level = option("--deflate")?.try_into().expect("a level");
    let threshold = option("--threshold");
    Some(Deflate { level, threshold })
}

/// Runs a server in this thread.
pub fn run<F>(serve: impl FnOnce(TcpListener) -> F) -> io::Result<()>
where
    F: Future<Output = io::Result<()>>,
{
    let listener = listen()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { serve(TcpListener::from_std(listener)?).await })
}

/// The next connection.
///
/// Without `TCP_NODELAY` the kernel would hold small messages back until larger ones come.
pub async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            return stream;
        }
        // Out of files: some will be free again.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

//! One process loses its connection, and the server and the others do not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::{Server, Visitor, soon, until};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use upsock::ws::hub::Hub;
use upsock_nats::Nats;

use crate::node::{Node, check_all};
use crate::{down, hub, up};

/// A way to the server that can be cut, and is there again at once: also for a client that tries by itself.
struct Way {
    url: String,
    connections: Arc<Mutex<JoinSet<()>>>,
}

impl Way {
    async fn to(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("nats://{}", listener.local_addr().unwrap());
        let connections = Arc::new(Mutex::new(JoinSet::new()));
        let (open, port) = (connections.clone(), server.port());
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                open.lock().unwrap().spawn(async move {
                    let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { url, connections }
    }

    /// What is in it is lost.
    fn cut(&self) {
        self.connections.lock().unwrap().abort_all();
    }

    fn hub(&self) -> Hub {
        let relay = Nats::new(&self.url).unwrap().settle(Duration::from_millis(50));
        Hub::builder().relay(relay).build()
    }
}

/// What the server has not got is sent again, and what it has got does not come twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_loses_nothing_of_what_it_sends() {
    let server = Server::nats().await;
    let way = Way::to(&server).await;
    let mut nodes = [Node::new("cut", way.hub()), Node::new("whole", hub(&server))];
    for node in &nodes {
        up(&node.hub).await;
    }
    for node in &mut nodes {
        node.talk(Duration::from_micros(200));
    }
    for number in 1..=20 {
        let sent = nodes[0].sent();
        until(|| nodes[0].sent() > sent + 200).await;
        // Much of it is on its way.
        nodes[0].burst_aside(500);
        way.cut();
        until(|| nodes[0].told().downs == number).await;
        up(&nodes[0].hub).await;
    }
    let lost = check_all(&mut nodes).await;
    let (cut, whole) = (nodes[0].told(), nodes[1].told());
    println!("{lost} lost on the way to who was cut off");
    assert_eq!((whole.missed, whole.gaps, whole.downs), (0, 0, 0));
    assert_eq!((cut.gaps, cut.downs), (20, 20));
}

/// Who waits for the server waits until it is there again.
#[tokio::test]
async fn what_was_not_acknowledged_is_sent_again() {
    let mut server = Server::nats().await;
    let (here, there) = (hub(&server), hub(&server));
    let mut visitor = Visitor::of(&there, "x");
    let mut local = Visitor::of(&here, "x");
    up(&here).await;
    up(&there).await;
    server.pause().await;
    let published: Vec<_> = (0..100)
        .map(|number| {
            let here = here.clone();
            tokio::spawn(async move { here.publish("x", number.to_string()).await })
        })
        .collect();
    for number in 0..100 {
        local.expect(&number.to_string()).await;
    }
    until(|| here.relay_state().unwrap().waiting == 0).await;
    // It has never read them.
    server.kill();
    down(&here).await;
    down(&there).await;
    server.start().await;
    for published in published {
        assert_eq!(soon(published).await.unwrap(), Ok(1));
    }
    for number in 0..100 {
        visitor.expect(&number.to_string()).await;
    }
    visitor.silence(Duration::from_millis(100)).await;
}

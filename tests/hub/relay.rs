//! Hubs joined by a relay: nothing comes back to where it came from, nothing comes twice, and what is lost is said.

use upsock::ws::Message;
use upsock::ws::hub::{Event, Events, History, Hub, Unrelayed};

use crate::mesh::{Fault, Mesh};
use crate::peer::{BINARY, soon};
use crate::{Visitor, rest, until};

fn plain(mesh: &Mesh) -> Hub {
    mesh.hub(|builder| builder)
}

async fn next(events: &mut Events) -> String {
    loop {
        match soon(events.recv()).await.unwrap() {
            Event::Joined(_) | Event::Left(_) => {}
            Event::Gap { room, missed } => return format!("gap {room:?} {missed:?}"),
            other => return format!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_message_reaches_members_in_all_processes_once() {
    let mesh = Mesh::new();
    let hubs = [plain(&mesh), plain(&mesh), plain(&mesh)];
    let mut visitors = [Visitor::new(), Visitor::new(), Visitor::new()];
    let _memberships: Vec<_> = hubs
        .iter()
        .zip(&visitors)
        .map(|(hub, visitor)| hub.join("x", &visitor.sender()))
        .collect();
    rest().await;
    for (number, hub) in hubs.iter().enumerate() {
        // Those of this process.
        assert_eq!(hub.broadcast("x", format!("from {number}")), 1);
        hub.broadcast("x", vec![number as u8; 5000]);
        hub.broadcast("y", "elsewhere");
        for visitor in &mut visitors {
            visitor.expect(format!("from {number}")).await;
            let frame = visitor.client.frame().await;
            assert!(frame.opcode == BINARY && frame.payload == vec![number as u8; 5000]);
        }
    }
    for visitor in &mut visitors {
        visitor.client.expect_silence().await;
    }
}

/// A room that nobody is in is not wanted, and wanted again when somebody is.
#[tokio::test]
async fn only_what_is_wanted_comes() {
    let mesh = Mesh::new();
    let (here, there) = (plain(&mesh), plain(&mesh));
    let mut visitor = Visitor::new();
    for round in 0..3 {
        let membership = here.join("x", &visitor.sender());
        rest().await;
        there.broadcast("x", format!("round {round}"));
        visitor.expect(format!("round {round}")).await;
        drop(membership);
        rest().await;
        let before = mesh.delivered.load(std::sync::atomic::Ordering::Relaxed);
        there.broadcast("x", "to nobody");
        rest().await;
        assert_eq!(mesh.delivered.load(std::sync::atomic::Ordering::Relaxed), before);
    }
}

/// Members in the same process never wait for the relay; what others are to get waits, within its bounds.
#[tokio::test]
async fn a_relay_that_is_down_holds_nobody_up() {
    let mesh = Mesh::new();
    mesh.set_up(false);
    let here = mesh.hub(|builder| builder.backlog(5, usize::MAX));
    let there = plain(&mesh);
    let mut visitors = [Visitor::new(), Visitor::new()];
    let _here = here.join("x", &visitors[0].sender());
    let _there = there.join("x", &visitors[1].sender());
    let mut events = there.events();
    rest().await;
    assert!(!here.relay_state().unwrap().up);
    for number in 1..=8 {
        assert_eq!(here.broadcast("x", number.to_string()), 1);
        visitors[0].expect(number.to_string()).await;
    }
    let state = here.relay_state().unwrap();
    assert_eq!((state.waiting, state.refused), (5, 3));
    assert_eq!(here.publish("x", "9").await, Err(Unrelayed::Refused));
    visitors[0].expect("9").await;
    visitors[1].client.expect_silence().await;

    mesh.set_up(true);
    for number in 1..=5 {
        visitors[1].expect(number.to_string()).await;
    }
    assert_eq!(next(&mut events).await, "RelayUp");
    assert_eq!(soon(here.publish("x", "10")).await, Ok(1));
    visitors[1].expect("10").await;
    assert_eq!(next(&mut events).await, r#"gap Some("x") Some(4)"#);
    mesh.set_up(false);
    assert_eq!(next(&mut events).await, "RelayDown");
}

#[tokio::test]
async fn what_is_lost_on_the_way_is_noticed() {
    let mesh = Mesh::new();
    let (here, there) = (plain(&mesh), plain(&mesh));
    let mut visitor = Visitor::new();
    let _there = there.join("x", &visitor.sender());
    let mut events = there.events();
    rest().await;
    mesh.fail([Fault::None, Fault::Lost, Fault::Lost]);
    for number in 1..=4 {
        here.broadcast("x", number.to_string());
    }
    visitor.expect("1").await;
    visitor.expect("4").await;
    loop {
        match next(&mut events).await {
            up if up == "RelayUp" => {}
            gap => break assert_eq!(gap, r#"gap Some("x") Some(2)"#),
        }
    }
}

#[tokio::test]
async fn what_comes_twice_or_late_comes_once_or_is_a_gap() {
    let mesh = Mesh::new();
    let (here, there) = (plain(&mesh), plain(&mesh));
    let mut visitor = Visitor::new();
    let _there = there.join("x", &visitor.sender());
    rest().await;
    let mut events = there.events();
    mesh.fail([Fault::None, Fault::Twice, Fault::None, Fault::Late]);
    for number in 1..=6 {
        here.broadcast("x", number.to_string());
    }
    // The fourth comes after the fifth: too late.
    for text in ["1", "2", "3", "5", "6"] {
        visitor.expect(text).await;
    }
    visitor.client.expect_silence().await;
    assert_eq!(next(&mut events).await, r#"gap Some("x") Some(1)"#);
}

#[tokio::test]
async fn what_is_no_message_of_a_hub_harms_nothing() {
    let mesh = Mesh::new();
    let (here, there) = (plain(&mesh), plain(&mesh));
    let mut visitor = Visitor::new();
    let _there = there.join("x", &visitor.sender());
    rest().await;
    for length in 0..60 {
        mesh.publish("x", vec![1; length].into());
        mesh.publish("x", vec![0xff; length].into());
    }
    here.broadcast("x", "fine");
    loop {
        // Some of it happens to be one.
        let frame = visitor.client.frame().await;
        if frame.payload == b"fine" {
            break;
        }
        assert!(frame.payload.iter().all(|byte| *byte == 1));
    }
}

#[tokio::test]
async fn a_publisher_hears_whether_the_relay_has_it() {
    let hub = Hub::new();
    assert_eq!(hub.publish("x", "alone").await, Ok(0));
    let mesh = Mesh::new();
    assert_eq!(soon(plain(&mesh).publish("x", "taken")).await, Ok(0));
    let mesh = Mesh::new().without_acknowledgements();
    let hub = plain(&mesh);
    assert_eq!(soon(hub.publish("x", "dropped")).await, Err(Unrelayed::Unacknowledged));
    assert_eq!(soon(hub.publish("x", Message::Ping("".into()))).await, Ok(0));
}

/// Not even to a room of the same name that has come since.
#[tokio::test]
async fn an_echo_does_not_come_back() {
    let mesh = Mesh::new();
    mesh.set_up(false);
    let hub = mesh.hub(|builder| builder.history(History::new().rooms(0)));
    hub.broadcast("x", "to nobody");
    assert_eq!(hub.rooms(), 0);
    let mut visitor = Visitor::new();
    let _membership = hub.join("x", &visitor.sender());
    mesh.set_up(true);
    until(|| hub.relay_state().unwrap().waiting == 0).await;
    hub.broadcast("x", "hello");
    visitor.expect("hello").await;
    visitor.client.expect_silence().await;
}

/// A relay that ends leaves the hub to itself.
#[tokio::test]
async fn a_relay_may_end() {
    struct Ends;
    impl upsock::ws::Relay for Ends {
        async fn run(self, port: upsock::ws::hub::Port) {
            port.up();
        }
    }
    let hub: Hub = Hub::builder().relay(Ends).build();
    let mut visitor = Visitor::new();
    let _membership = hub.join("x", &visitor.sender());
    rest().await;
    assert!(!hub.relay_state().unwrap().up);
    assert_eq!(hub.broadcast("x", "hello"), 1);
    visitor.expect("hello").await;
}

/// What was sent before a hub is dropped is still published.
#[tokio::test]
async fn a_hub_that_is_dropped_lets_its_relay_finish() {
    let mesh = Mesh::new();
    let there = plain(&mesh);
    let mut visitor = Visitor::new();
    let _there = there.join("x", &visitor.sender());
    rest().await;
    let here = plain(&mesh);
    here.broadcast("x", "last words");
    drop(here);
    visitor.expect("last words").await;
}

//! A server that takes nothing but TLS.

use support::{Server, Visitor, soon};
use upsock::ws::hub::Hub;
use upsock_nats::{ConnectOptions, Nats};

use crate::{relay, up};

#[tokio::test]
async fn tls_with_a_certificate_of_ones_own() {
    let directory = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (cert, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    std::fs::write(&cert, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let [cert_path, key_path] = [&cert, &key].map(|path| path.to_str().unwrap());
    let server = Server::nats_with(&["--tls", "--tlscert", cert_path, "--tlskey", key_path]).await;
    let options = ConnectOptions::new().add_root_certificates(cert.clone());
    let build = |relay: Nats| -> Hub { Hub::builder().relay(relay).build() };
    // The server asks for it, or the URL does.
    let here = build(relay(&server).options(options.clone()));
    let there = build(
        Nats::new(&server.url().replace("nats:", "tls:"))
            .unwrap()
            .options(options),
    );
    let stranger = build(relay(&server));
    let mut visitor = Visitor::of(&there, "x");
    up(&here).await;
    up(&there).await;
    assert_eq!(soon(here.publish("x", vec![7; 100_000])).await, Ok(0));
    assert_eq!(visitor.message().await.len(), 100_000);
    // It does not know the certificate.
    assert!(!stranger.relay_state().unwrap().up);
}

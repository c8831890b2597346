//! gRPC works as ever beside the WebSocket, on the same port.

use smoke::Server;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

#[tokio::test]
async fn a_call_is_answered() {
    let server = Server::start(env!("CARGO_BIN_EXE_on-tonic"));
    let channel = tonic::transport::Endpoint::new(format!("http://{}", server.address)).unwrap();
    let mut client = HealthClient::new(channel.connect().await.unwrap());
    let answer = client.check(HealthCheckRequest { service: "".into() }).await.unwrap();
    assert_eq!(answer.into_inner().status, 1);
}

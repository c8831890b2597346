//! actix-ws over actix-web, with one worker.

use std::io;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt, web};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, Closed, Session};

async fn echo(mut session: Session, mut messages: AggregatedMessageStream) -> Result<(), Closed> {
    while let Some(Ok(message)) = messages.recv().await {
        match message {
            AggregatedMessage::Text(text) => session.text(text).await?,
            AggregatedMessage::Binary(data) => session.binary(data).await?,
            AggregatedMessage::Ping(data) => session.pong(&data).await?,
            AggregatedMessage::Pong(_) => {}
            AggregatedMessage::Close(_) => break,
        }
    }
    session.close(None).await
}

async fn route(request: HttpRequest, body: web::Payload) -> actix_web::Result<HttpResponse> {
    let (response, session, messages) = actix_ws::handle(&request, body)?;
    rt::spawn(echo(session, messages.aggregate_continuations()));
    Ok(response)
}

#[actix_web::main]
async fn main() -> io::Result<()> {
    HttpServer::new(|| App::new().route("/echo", web::get().to(route)))
        .workers(1)
        .tcp_nodelay(true)
        .listen(compare::listen()?)?
        .run()
        .await
}

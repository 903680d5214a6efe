//! The model's server.

use std::convert::Infallible;
use std::future::IntoFuture;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use futures::stream;
use serde_json::Value;
use tokio::net::TcpListener;

use super::Shared;
use super::reply::{Prompt, Reply, reply};

/// Serves it on a free port of 127.0.0.1, until the runtime ends; answers the port.
#[expect(clippy::disallowed_methods, reason = "it lives as long as the command's runtime")]
pub async fn serve(ledger: Shared) -> std::io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    let router = Router::new().route("/v1/chat/completions", post(complete)).with_state(ledger);
    tokio::spawn(axum::serve(listener, router).into_future());
    Ok(port)
}

async fn complete(State(ledger): State<Shared>, Json(body): Json<Value>) -> Response {
    let prompt = Prompt::read(&body);
    let (number, tries) = ledger.note(prompt.tokens.clone(), prompt.token);
    match reply(&prompt, number, tries) {
        Reply::Fails(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, "{\"error\":{\"message\":\"as the letter wants it\"}}").into_response()
        }
        Reply::Streams { pieces, pause } => {
            let frames = pieces.into_iter().map(|piece| format!("data: {piece}\n\n"));
            let frames: Vec<String> = frames.chain(["data: [DONE]\n\n".to_owned()]).collect();
            let body = Body::from_stream(stream_of(frames, pause, ledger, number));
            ([(CONTENT_TYPE, "text/event-stream")], body).into_response()
        }
    }
}

/// Frame after frame; if nobody listens any more, it is dropped where it is.
fn stream_of(
    frames: Vec<String>,
    pause: Duration,
    ledger: Shared,
    number: u64,
) -> impl futures::Stream<Item = Result<String, Infallible>> {
    stream::unfold(frames.into_iter(), move |mut frames| {
        let ledger = ledger.clone();
        async move {
            let frame = frames.next()?;
            tokio::time::sleep(pause).await;
            if frames.len() == 0 {
                ledger.ended(number);
            }
            Some((Ok(frame), frames))
        }
    })
}

//! Who is told of outcomes.

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::support::DEADLINE;

pub struct Receiver {
    pub url: String,
    posts: mpsc::UnboundedReceiver<HeaderMap>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    #[expect(clippy::disallowed_methods, reason = "a test's own server lives as long as the test")]
    pub async fn start() -> Self {
        let (told, posts) = mpsc::unbounded_channel();
        let hear = move |headers: HeaderMap| {
            told.send(headers).unwrap();
            async { StatusCode::OK }
        };
        let router = Router::new().route("/secret-place", post(hear));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/secret-place", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, posts, task }
    }

    /// The headers of the next post.
    pub async fn next(&mut self) -> HeaderMap {
        timeout(DEADLINE, self.posts.recv()).await.expect("nothing is posted").unwrap()
    }
}

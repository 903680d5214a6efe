//! A mailbox inside a program of one's own: `cargo run -p postroom --example embed`.

use std::sync::Arc;
use std::time::Duration;

use postroom::prelude::*;

/// Answers every message with its words in capitals.
struct Shout;

#[async_trait::async_trait]
impl Executor for Shout {
    async fn run(&self, activation: Activation, _context: Arc<dyn RunContext>) -> RunOutcome {
        let heard = activation.input.iter().map(|logged| logged.message.content.text());
        RunOutcome::natural_end(Some(heard.collect::<Vec<_>>().join(" ").to_uppercase()))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ids: Arc<dyn IdSource> = Arc::new(SystemIds::new());
    // For a mailbox that outlives the program:
    // SqliteStore::open(sqlite::Options::new("mail.db", Arc::new(SystemClock), ids.clone()))?
    let store = MemoryStore::new(Arc::new(SystemClock), ids.clone());
    let parts = Parts {
        store: Arc::new(store),
        signals: Arc::new(LocalSignals::default()),
        live: Arc::new(LocalLive::default()),
        feed: Arc::new(LocalFeed::default()),
        executor: Arc::new(Shout),
        ids: ids.clone(),
        spawner: Arc::new(TokioSpawner),
        tracer: None,
        on_collect: None,
    };
    let postroom = Postroom::new(parts, Config::default(), NodeId::from(ids.new_uuid()));
    postroom.start().await?;

    let thread = ThreadId::parse("my first thread")?;
    let hello = Submit::new(Mode::Enqueue, vec![NewMessage::user("hello")]);
    let submitted = postroom.submit(Some(thread), hello).await?;
    let run = postroom.wait(&submitted.run_id, Duration::from_secs(10)).await?;
    println!("{}", run.output.unwrap_or_default());

    postroom.shutdown().await;
    Ok(())
}

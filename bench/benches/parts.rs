//! Parts of Postroom by themselves: what one command costs.

use std::sync::Arc;

use divan::Bencher;
use postroom_core::command::{Command, Envelope, Mode, Submit};
use postroom_core::id::ThreadId;
use postroom_core::message::NewMessage;
use postroom_core::ports::{IdSource, MailboxStore};
use postroom_core::run::RunSpec;
use postroom_stores::memory::MemoryStore;
use postroom_stores::system::{SystemClock, SystemIds};

fn main() {
    divan::main();
}

#[divan::bench]
fn new_id(bencher: Bencher<'_, '_>) {
    let ids = SystemIds::new();
    bencher.bench(|| ids.new_uuid());
}

#[divan::bench]
fn parse_thread_id(bencher: Bencher<'_, '_>) {
    bencher.bench(|| ThreadId::parse(divan::black_box("01900000-0000-7000-8000-000000000001")));
}

/// A submission to an idle thread of the memory store, without waiting for anything.
#[divan::bench]
fn submit(bencher: Bencher<'_, '_>) {
    let store = MemoryStore::new(Arc::new(SystemClock), Arc::new(SystemIds::new()));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let spec: Arc<RunSpec> = Arc::default();
    let mut number = 0_u64;
    bencher
        .with_inputs(|| {
            number += 1;
            let thread = ThreadId::parse(&format!("thread-{number}")).expect("an id");
            let mut submit = Submit::new(Mode::Enqueue, vec![NewMessage::user("hello")]);
            submit.spec = spec.clone();
            vec![Envelope::new(thread, Command::Submit(Box::new(submit)))]
        })
        .bench_local_values(|commands| runtime.block_on(store.apply(commands)));
}

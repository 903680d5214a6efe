//! A node's life: its tasks run, stand still, or are dropped where they stand.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use postroom_core::ports::Spawner;
use postroom_service::TokioSpawner;

use crate::world::{World, said};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One node's process.
pub struct Life {
    /// For the trace.
    pub name: String,
    world: Weak<World>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    dead: bool,
    frozen: bool,
    /// Tasks that were woken while the node was frozen.
    asleep: Vec<Waker>,
    tasks: Vec<Weak<Cell>>,
}

/// Where a task is kept between polls, so that a death can drop it at once.
type Cell = Mutex<Option<Task>>;

impl Life {
    /// A process that begins.
    pub fn new(world: &Arc<World>, name: String) -> Arc<Self> {
        let (world, state) = (Arc::downgrade(world), Mutex::default());
        Arc::new(Self { name, world, state })
    }

    /// Whether it has ended.
    pub fn is_dead(&self) -> bool {
        self.state.lock().dead
    }

    /// Whether it stands still.
    pub fn is_frozen(&self) -> bool {
        self.state.lock().frozen
    }

    /// Ends it: every task is dropped where it stands.
    pub fn kill(&self) {
        let tasks = {
            let mut state = self.state.lock();
            state.dead = true;
            state.asleep.clear();
            std::mem::take(&mut state.tasks)
        };
        // A task that is being polled right now is not in its cell: it is dropped after that poll.
        // One at a time, and with nothing locked: what is dropped may take others with it.
        for task in tasks.iter().filter_map(Weak::upgrade) {
            let task = task.lock().take();
            drop(task);
        }
    }

    /// Stops it, without its knowing.
    pub fn freeze(&self) {
        self.state.lock().frozen = true;
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        let asleep = {
            let mut state = self.state.lock();
            state.frozen = false;
            std::mem::take(&mut state.asleep)
        };
        asleep.iter().for_each(Waker::wake_by_ref);
    }

    fn keep(&self, cell: &Arc<Cell>) -> bool {
        let mut state = self.state.lock();
        if !state.dead {
            state.tasks.push(Arc::downgrade(cell));
            if state.tasks.len().is_power_of_two() {
                state.tasks.retain(|task| task.strong_count() > 0);
            }
        }
        !state.dead
    }

    /// Whether a task may be polled; `None` for never again.
    fn may_run(&self, waker: &Waker) -> Option<bool> {
        let mut state = self.state.lock();
        if state.dead {
            return None;
        }
        if state.frozen {
            state.asleep.push(waker.clone());
        }
        Some(!state.frozen)
    }
}

/// Starts tasks that live and die with a node.
pub struct MortalSpawner(pub Arc<Life>);

impl Spawner for MortalSpawner {
    fn spawn(&self, task: Task) {
        let cell = Arc::new(Mutex::new(Some(task)));
        if self.0.keep(&cell) {
            TokioSpawner.spawn(Box::pin(Mortal { life: self.0.clone(), cell }));
        }
    }
}

struct Mortal {
    life: Arc<Life>,
    cell: Arc<Cell>,
}

impl Future for Mortal {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.life.may_run(cx.waker()) {
            None => return Poll::Ready(()),
            Some(false) => return Poll::Pending,
            Some(true) => {}
        }
        let Some(mut task) = self.cell.lock().take() else { return Poll::Ready(()) };
        match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx))) {
            Ok(Poll::Ready(())) => Poll::Ready(()),
            Ok(Poll::Pending) => {
                // It may have died in the middle of its own poll.
                if self.life.is_dead() {
                    return Poll::Ready(());
                }
                *self.cell.lock() = Some(task);
                Poll::Pending
            }
            Err(panic) => {
                if let Some(world) = self.life.world.upgrade() {
                    let name = &self.life.name;
                    world.broken(0, format!("a task of node {name} panicked: {}", said(&*panic)));
                }
                Poll::Ready(())
            }
        }
    }
}

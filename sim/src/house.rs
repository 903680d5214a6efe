//! The house: the nodes that are open, and the doors to them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use postroom_core::id::NodeId;
use postroom_core::ports::Spawner;
use postroom_service::{Error, Parts, Postroom};
use tokio::sync::oneshot;

use crate::executor::Script;
use crate::feed::FeedLine;
use crate::life::{Life, MortalSpawner};
use crate::live::LiveLine;
use crate::signals::SignalLine;
use crate::store::StoreLine;
use crate::world::World;

/// Longer than an interrupting submission waits.
const PATIENCE: Duration = Duration::from_secs(12);

/// One node: a process with a service in it.
#[derive(Clone)]
pub struct Door {
    /// The process.
    pub life: Arc<Life>,
    /// The service.
    pub postroom: Postroom,
    /// Its line to the store.
    pub line: StoreLine,
}

impl Door {
    /// Asks the node for something. `None` if it does not answer.
    pub async fn ask<T, F>(&self, verb: impl FnOnce(Postroom) -> F) -> Option<Result<T, Error>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let (mut answer, answered) = oneshot::channel();
        let asked = verb(self.postroom.clone());
        self.run(async move {
            let said = tokio::select! {
                biased;
                // Whoever asked has gone: the verb is dropped where it stands.
                () = answer.closed() => return,
                said = asked => said,
            };
            let _ = answer.send(said);
        });
        tokio::time::timeout(PATIENCE, answered).await.ok()?.ok()
    }

    /// Runs a task in the node's process.
    pub fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        MortalSpawner(self.life.clone()).spawn(Box::pin(task));
    }
}

/// All nodes.
pub struct House {
    world: Arc<World>,
    doors: Mutex<Vec<Door>>,
    opened: AtomicU64,
}

impl House {
    /// A house of as many nodes as the world's shape says.
    pub fn open(world: &Arc<World>) -> Arc<Self> {
        let house =
            Self { world: world.clone(), doors: Mutex::default(), opened: AtomicU64::new(0) };
        for _ in 0..world.shape.nodes {
            let door = house.door();
            house.doors.lock().push(door);
        }
        world.mark(if world.shape.single { "only one node" } else { "several nodes" });
        Arc::new(house)
    }

    /// A new process, started.
    fn door(&self) -> Door {
        let world = &self.world;
        let name = format!("n{}", self.opened.fetch_add(1, Ordering::Relaxed) + 1);
        let life = Life::new(world, name.clone());
        let to_store = StoreLine::new(world, &life);
        let (at_script, at_world, postroom) = (life.clone(), world.clone(), OnceLock::new());
        let script = Arc::new(Script { world: at_world, life: at_script, postroom });
        let parts = Parts {
            store: Arc::new(to_store.clone()),
            signals: Arc::new(SignalLine(world.clone())),
            live: Arc::new(LiveLine { world: world.clone(), life: life.clone() }),
            feed: Arc::new(FeedLine { world: world.clone(), life: life.clone() }),
            executor: script.clone(),
            ids: world.ids.clone(),
            spawner: Arc::new(MortalSpawner(life.clone())),
            tracer: None,
            on_collect: None,
        };
        let node = NodeId::parse(&name).expect("a name");
        let postroom = Postroom::new(parts, world.shape.config.clone(), node);
        // A handle on itself: it ends with its process, and the simulation with that.
        let _ = script.postroom.set(postroom.clone());
        let door = Door { life, postroom, line: to_store };
        let (starting, world) = (door.postroom.clone(), world.clone());
        door.run(async move {
            if let Err(error) = starting.start().await {
                world.note(&name, format_args!("does not start: {error}"));
                if !matches!(error, Error::NotReady { .. }) {
                    world.broken(0, format!("{name} does not start: {error}"));
                }
            }
        });
        door
    }

    /// The nodes that live, frozen or not.
    pub fn living(&self) -> Vec<Door> {
        self.doors.lock().iter().filter(|door| !door.life.is_dead()).cloned().collect()
    }

    /// One that lives, if one does.
    pub fn any(&self) -> Option<Door> {
        let living = self.living();
        (!living.is_empty()).then(|| self.world.chance.pick(&living).clone())
    }

    /// Opens a new node in the place of each that has died; says how many.
    pub fn replace_the_dead(&self) -> usize {
        let mut doors = self.doors.lock();
        let dead: Vec<usize> =
            (0..doors.len()).filter(|place| doors[*place].life.is_dead()).collect();
        for place in &dead {
            doors[*place] = self.door();
            self.world.mark("node restarted");
            let name = doors[*place].life.name.clone();
            self.world.note(&name, format_args!("starts"));
        }
        dead.len()
    }

    /// Ends all processes. What they hold is let go.
    pub fn close(&self) {
        for door in self.doors.lock().drain(..) {
            door.life.kill();
        }
    }
}

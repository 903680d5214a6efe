//! The bus: what this node says to the others and hears from them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use postroom_core::id::ThreadId;
use postroom_core::live::LiveReceipt;
use postroom_core::ports::{FeedHint, Spawner};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::asked::Asked;
use super::feed::PostgresFeed;
use super::frame::{Frame, unpack};
use super::live::PostgresLive;
use super::outbox::{Outbox, To};
use super::peers::{Peers, fnv, rank};
use super::signals::PostgresSignals;
use super::{Options, connection};
use crate::interest::{IS_KNOWN_AFTER, Interest};
use crate::local::LocalLive;
use crate::queue::{SignalName, SignalQueue};
use crate::topics::Topics;

/// How long a node leaves a signal to those whose turn at the thread comes before its own. Longer
/// than it takes one to claim and to say so.
const TURN: Duration = Duration::from_millis(25);
/// Later than this nobody looks, however many nodes there are.
const TURNS_MAX: usize = 8;
/// How many threads are named at once as listened to.
const THREADS_AT_ONCE: usize = 25;

/// A node's place on the bus. Clones are the same place; when the last is gone it is left.
#[derive(Clone)]
pub struct Bus {
    place: Arc<Place>,
}

/// Ends the tasks when nobody is left who could say or hear anything.
struct Place {
    shared: Arc<Shared>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.left.cancel();
    }
}

pub(super) struct Shared {
    /// This node, among the others.
    pub(super) me: u64,
    pub(super) channels: Channels,
    pub(super) spawner: Arc<dyn Spawner>,
    pub(super) outbox: Outbox,
    pub(super) peers: Peers,
    pub(super) signals: SignalQueue,
    pub(super) last_signal: AtomicU64,
    pub(super) live: LocalLive,
    pub(super) asked: Asked,
    pub(super) topics: Arc<Topics>,
    pub(super) interest: Interest,
    pub(super) connected: watch::Sender<bool>,
    /// Other nodes reach this one in no other way.
    pub(super) depends: AtomicBool,
    /// How often this node has heard itself: the whole way to the server and back works.
    pub(super) echoes: AtomicU64,
    pub(super) left: CancellationToken,
}

/// The names of the channels. Notifications stay within one database; the installation's name is
/// in them as a number, because names of channels are short.
pub(super) struct Channels {
    installation: u64,
}

impl Channels {
    pub(super) fn of(&self, to: To) -> String {
        match to {
            To::All => format!("postroom_{:016x}", self.installation),
            To::Node(node) => format!("postroom_{:016x}_{node:016x}", self.installation),
        }
    }
}

impl Bus {
    /// Takes a place on the bus. It connects on its own, now or as soon as it can.
    pub fn open(options: Options) -> Self {
        let shared = Arc::new(Shared {
            me: options.ids.random(),
            channels: Channels { installation: fnv(options.installation.as_bytes()) },
            spawner: options.spawner.clone(),
            outbox: Outbox::default(),
            peers: Peers::default(),
            signals: SignalQueue::default(),
            last_signal: AtomicU64::new(0),
            live: LocalLive::default(),
            asked: Asked::default(),
            topics: Arc::default(),
            interest: Interest::default(),
            connected: watch::Sender::new(false),
            depends: AtomicBool::new(true),
            echoes: AtomicU64::new(0),
            left: CancellationToken::new(),
        });
        let address = connection::Address { config: options.config, tls: options.tls };
        options.spawner.spawn(Box::pin(connection::keep(shared.clone(), address)));
        Self { place: Arc::new(Place { shared }) }
    }

    /// Signals over this bus.
    pub fn signals(&self) -> PostgresSignals {
        PostgresSignals { bus: self.clone() }
    }

    /// Live control over this bus.
    pub fn live(&self) -> PostgresLive {
        PostgresLive { bus: self.clone() }
    }

    /// The event feed over this bus.
    pub fn feed(&self) -> PostgresFeed {
        PostgresFeed { bus: self.clone() }
    }

    /// Whether the connection stands; a `watch`, so that its end can be awaited.
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.shared().connected.subscribe()
    }

    /// Whether other nodes reach this one over the bus alone. They are told, and say on the bus what
    /// they would else say elsewhere.
    pub fn set_depends(&self, depends: bool) {
        let shared = self.shared();
        if shared.depends.swap(depends, Ordering::AcqRel) != depends {
            shared.outbox.put(To::All, shared.hello(false));
        }
    }

    /// Whether one of the other nodes is reached over the bus alone.
    pub fn some_depend(&self) -> bool {
        self.shared().peers.some_depend()
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.place.shared
    }
}

impl Shared {
    pub(super) fn is_connected(&self) -> bool {
        *self.connected.borrow()
    }

    pub(super) fn hello(&self, asks: bool) -> Frame {
        Frame::Hello { depends: self.depends.load(Ordering::Acquire), asks }
    }

    /// Says what this node listens to, and whether it did not so far.
    pub(super) fn say_topics(&self, to: To, since_now: bool) {
        for threads in self.topics.threads().chunks(THREADS_AT_ONCE) {
            self.outbox.put(to, Frame::Listens(threads.to_vec(), since_now));
        }
    }

    /// Takes a notification in.
    pub(super) fn hear(&self, payload: &str) {
        let Some((from, frames)) = unpack(payload) else {
            return tracing::debug!("a notification that is none of ours");
        };
        for frame in frames {
            if from == self.me { self.hear_myself(frame) } else { self.hear_another(from, frame) }
        }
    }

    fn hear_myself(&self, frame: Frame) {
        match frame {
            Frame::Hello { .. } => {
                self.echoes.fetch_add(1, Ordering::AcqRel);
            }
            Frame::Signal(thread_id, number) => self.hear_signal(&thread_id, self.me, number),
            // From about now on the others tell; what they wrote before is in the store.
            Frame::Listens(threads, true) => {
                let topics = self.topics.clone();
                self.spawner.spawn(Box::pin(async move {
                    tokio::time::sleep(IS_KNOWN_AFTER).await;
                    for thread_id in threads {
                        topics.tell(&thread_id, &FeedHint::Look);
                    }
                }));
            }
            _ => {}
        }
    }

    fn hear_another(&self, from: u64, frame: Frame) {
        match frame {
            Frame::Hello { depends, asks } => {
                self.peers.heard(from, depends);
                if asks {
                    self.outbox.put(To::Node(from), self.hello(false));
                    self.say_topics(To::Node(from), false);
                }
            }
            Frame::Bye => {
                self.peers.gone(from);
                self.interest.gone(from);
            }
            Frame::Signal(thread_id, number) => self.hear_signal(&thread_id, from, number),
            Frame::Taken(thread_id, node, number) => {
                self.signals.withdraw(&thread_id, SignalName { node, number });
            }
            Frame::Ask(number, target, command) => {
                let taken = self.live.give(&target, command) == LiveReceipt::Delivered;
                self.outbox.put(To::Node(from), Frame::Answer(number, taken));
            }
            Frame::Answer(number, taken) => self.asked.answered(number, from, taken),
            Frame::Listens(threads, _) => self.interest.heard(from, threads),
            Frame::Ended(thread_id) => self.interest.ended(from, &thread_id),
            Frame::UpTo(thread_id, seq) => self.topics.tell(&thread_id, &FeedHint::UpTo(seq)),
            Frame::Event(event) => {
                let thread_id = event.thread_id.clone();
                self.topics.tell(&thread_id, &FeedHint::Event(Arc::from(event)));
            }
        }
    }

    /// Every node hears of every signal. Which looks first is the thread's order of nodes; the next
    /// looks if by then none has said that it is dealt with.
    fn hear_signal(&self, thread_id: &ThreadId, publisher: u64, number: u64) {
        let mut nodes = self.peers.nodes();
        nodes.push(self.me);
        let rank = rank(thread_id, publisher, self.me, &nodes).min(TURNS_MAX);
        let delay = TURN * u32::try_from(rank).unwrap_or_default();
        let name = SignalName { node: publisher, number };
        if !self.signals.offer(thread_id, delay, name) {
            tracing::debug!(%thread_id, "too many signals wait: the sweep finds the work");
        }
    }
}

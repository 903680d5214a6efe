//! The suites that every signal queue and every live control must pass.

use std::sync::Arc;

use postroom_conformance::Time;
use postroom_core::ports::{LiveControl, Signals};
use postroom_signals::{LocalLive, LocalSignals};

fn queue() -> Arc<dyn Signals> {
    Arc::new(LocalSignals::default())
}

fn control() -> Arc<dyn LiveControl> {
    Arc::new(LocalLive::default())
}

postroom_conformance::signals_suite!(Time::Paused, queue());
postroom_conformance::live_suite!(Time::Paused, control());

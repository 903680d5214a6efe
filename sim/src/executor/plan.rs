//! Plans: what a run does.

use std::time::Duration;

use postroom_core::run::WaitReason;

use crate::chance::Chance;

/// What a run does, whoever executes it and however often.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What goes wrong with it.
    pub temper: Temper,
    /// Its steps.
    pub stages: Vec<Stage>,
    /// Whether it looks once more for messages before it ends.
    pub looks_before_end: bool,
    /// How it ends.
    pub ending: Ending,
}

/// What goes wrong with a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Temper {
    /// Nothing.
    Steady,
    /// It ends at once, without looking at anything.
    Hasty,
    /// The first attempts of each dispatch fail.
    Flaky(u32),
    /// The first attempts of each dispatch panic.
    Nervous(u32),
    /// Every attempt fails.
    Poison,
    /// It can't be run.
    Impossible,
    /// It does not listen when it is told to stop.
    Deaf,
    /// It goes on after its commits have failed.
    Stubborn,
}

/// One step of a run.
#[derive(Debug, Clone)]
pub struct Stage {
    /// How long it takes.
    pub takes: Duration,
    /// How many deltas it shows.
    pub deltas: u64,
    /// Whether it takes steering in.
    pub listens: bool,
    /// What it does at its end.
    pub then: Then,
}

/// What a step does at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Goes on.
    GoOn,
    /// Asks for permission, and waits in memory.
    Suspend,
    /// Gives up its executor until something happens.
    Wait(WaitReason),
    /// Starts a background task and goes on.
    Background,
    /// Starts a run that reports to this one, and waits for its end.
    Delegate,
    /// The same, but does not wait.
    Forsake,
    /// Starts a run that reports to this one's thread, and goes on.
    SendOff,
}

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Well.
    Natural,
    /// A limit ends it.
    Stopped,
}

impl Plan {
    /// A plan for a run that another one has started: nobody answers it, and few start more.
    pub fn draw_for_child(chance: &Chance) -> Self {
        let mut plan = Self::draw(chance);
        let may_have_children = chance.one_in(4);
        for stage in &mut plan.stages {
            match stage.then {
                Then::Wait(
                    WaitReason::UserInput | WaitReason::ExternalEvent | WaitReason::ManualPause,
                ) => stage.then = Then::GoOn,
                Then::Delegate | Then::Forsake | Then::SendOff if !may_have_children => {
                    stage.then = Then::GoOn;
                }
                _ => {}
            }
        }
        plan
    }

    /// A plan.
    pub fn draw(chance: &Chance) -> Self {
        let few = u32::try_from(chance.number(1..3)).unwrap_or(1);
        let temper = chance.weighted(&[
            (50, Temper::Steady),
            (8, Temper::Hasty),
            (10, Temper::Flaky(few)),
            (5, Temper::Nervous(few)),
            (6, Temper::Poison),
            (3, Temper::Impossible),
            (6, Temper::Deaf),
            (10, Temper::Stubborn),
        ]);
        let stages = (0..chance.number(1..4)).map(|_| Stage::draw(chance)).collect();
        let ending = if chance.one_in(10) { Ending::Stopped } else { Ending::Natural };
        Self { temper, stages, looks_before_end: !chance.one_in(3), ending }
    }
}

impl Stage {
    fn draw(chance: &Chance) -> Self {
        let takes = match chance.number(0..20) {
            0..9 => chance.millis(0..50),
            9..18 => chance.millis(50..4_000),
            _ => chance.millis(5_000..50_000),
        };
        let then = chance.weighted(&[
            (60, Then::GoOn),
            (8, Then::Suspend),
            (6, Then::Background),
            (6, Then::Delegate),
            (3, Then::Forsake),
            (3, Then::SendOff),
            (6, Then::Wait(WaitReason::ToolPermission)),
            (3, Then::Wait(WaitReason::UserInput)),
            (4, Then::Wait(WaitReason::BackgroundTasks)),
            (3, Then::Wait(WaitReason::RateLimit)),
            (1, Then::Wait(WaitReason::ExternalEvent)),
            (1, Then::Wait(WaitReason::ManualPause)),
        ]);
        let deltas = if chance.one_in(2) { chance.number(0..6) } else { 0 };
        Self { takes, deltas, listens: !chance.one_in(4), then }
    }
}

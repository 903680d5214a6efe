//! Fate: kills, freezes, cuts off and restarts nodes, changes the weather, and sets the clock.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::house::{Door, House};
use crate::weather::Weather;
use crate::world::{World, pause};

/// How far the clock may be set forward in all, where nodes are to be able to rely on their leases:
/// less than a lease's margin.
const FORWARD_MS_MAX: u64 = 800;

#[derive(Clone, Copy)]
enum Blow {
    Weather,
    Kill,
    Freeze,
    Cut,
    ShutDown,
    Clock,
}

/// Strikes until the time is over; then heals all.
pub async fn strike(world: Arc<World>, house: Arc<House>) {
    let over = Instant::now() + world.shape.trouble;
    let mut forward_left = FORWARD_MS_MAX;
    while Instant::now() < over {
        pause(world.chance.millis(100..8_000)).await;
        // Somebody who watches restarts what has died; how soon is chance.
        if world.chance.one_in(2) {
            house.replace_the_dead();
        }
        let blow = world.chance.weighted(&[
            (8, Blow::Weather),
            (4, Blow::Kill),
            (4, Blow::Freeze),
            (2, Blow::Cut),
            (2, Blow::ShutDown),
            (3, Blow::Clock),
        ]);
        match (blow, house.any()) {
            (Blow::Weather, _) => change_weather(&world),
            (Blow::Clock, _) => set_clock(&world, &mut forward_left),
            (Blow::Kill, Some(door)) => {
                world.mark("node killed");
                world.note(&door.life.name, format_args!("is killed"));
                door.life.kill();
            }
            (Blow::Freeze, Some(door)) => freeze(&world, door),
            (Blow::Cut, Some(door)) => cut(&world, door),
            (Blow::ShutDown, Some(door)) => shut_down(&world, &door),
            (_, None) => {}
        }
    }
    *world.weather.lock() = Weather::clear();
    world.note("fate", format_args!("rests"));
}

/// Ends every fault that lasts, and opens again what a late shutdown has ended.
pub async fn keep_healthy(house: Arc<House>) {
    loop {
        for door in house.living() {
            door.line.cut(false);
            door.life.thaw();
        }
        house.replace_the_dead();
        pause(Duration::from_secs(1)).await;
    }
}

fn change_weather(world: &World) {
    let clear = world.chance.one_in(3);
    let weather = if clear { Weather::clear() } else { Weather::change(&world.chance) };
    world.note("fate", format_args!("{}", if clear { "clears up" } else { "changes the weather" }));
    *world.weather.lock() = weather;
}

fn freeze(world: &Arc<World>, door: Door) {
    let lease = world.shape.lease();
    let beyond = world.chance.one_in(2);
    let time =
        if beyond { lease + world.chance.millis(0..60_000) } else { world.chance.millis(0..5_000) };
    world.mark(if beyond { "node frozen beyond its lease" } else { "node frozen" });
    world.note(&door.life.name, format_args!("freezes for {} ms", time.as_millis()));
    door.life.freeze();
    let there = world.clone();
    world.spawn(async move {
        pause(time).await;
        if !door.life.is_dead() {
            there.mark("node thawed");
            there.note(&door.life.name, format_args!("thaws"));
            door.life.thaw();
        }
    });
}

fn cut(world: &Arc<World>, door: Door) {
    let time = world.chance.millis(100..40_000);
    world.note(&door.life.name, format_args!("is cut off for {} ms", time.as_millis()));
    door.line.cut(true);
    world.spawn(async move {
        pause(time).await;
        door.line.cut(false);
    });
}

/// A graceful end; the process goes on to a second life, or ends.
fn shut_down(world: &Arc<World>, door: &Door) {
    let again = world.chance.one_in(2);
    world.mark("node shut down");
    world.note(&door.life.name, format_args!("is shut down"));
    let (there, postroom, life) = (world.clone(), door.postroom.clone(), door.life.clone());
    door.run(async move {
        postroom.shutdown().await;
        there.note(&life.name, format_args!("is quiet"));
        if postroom.active_runs() > 0 {
            there.broken(4, format!("{} is shut down, and still executes", life.name));
        }
        if again {
            // It may be shut down once more meanwhile.
            let _ = postroom.start().await;
        } else {
            life.kill();
        }
    });
}

fn set_clock(world: &World, forward_left: &mut u64) {
    let back = world.chance.one_in(2);
    let most = match (world.shape.wild_clock, back) {
        (true, _) => 60_000,
        (false, true) => 5_000,
        (false, false) => *forward_left,
    };
    if most == 0 {
        return;
    }
    let by = world.chance.number(0..most) + 1;
    if !back {
        *forward_left = forward_left.saturating_sub(by);
    }
    world.mark(if back { "clock jumped back" } else { "clock jumped forward" });
    let by = i64::try_from(by).unwrap_or(0);
    let by = if back { -by } else { by };
    world.note("fate", format_args!("sets the clock by {by} ms"));
    world.clock.jump(by);
}

/// How long healing may take: longer than any lease, sweep and delay together.
pub const HEALED_WITHIN: Duration = Duration::from_mins(20);

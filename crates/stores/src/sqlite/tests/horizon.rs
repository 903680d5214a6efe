use std::fs::File;
use std::sync::mpsc::{Receiver, channel};

use super::super::horizon::{Horizon, Lost};
use super::*;

/// A file that can be synced.
fn log(place: &Place) -> Arc<File> {
    Arc::new(File::create(place.0.join("log")).unwrap())
}

/// One that can't: a pipe has no disk.
fn broken_log() -> Arc<File> {
    let (_, writer) = std::io::pipe().unwrap();
    Arc::new(File::from(std::os::fd::OwnedFd::from(writer)))
}

fn ask(horizon: &Horizon) -> Receiver<Result<(), Lost>> {
    let (tell, told) = channel();
    horizon.when_safe(move |safe| tell.send(safe).unwrap());
    told
}

#[test]
fn what_nothing_was_promised_before_is_answered_at_once() {
    let horizon = Horizon::default();
    assert_eq!(ask(&horizon).try_recv(), Ok(Ok(())));
}

#[test]
fn an_answer_waits_for_what_was_promised_before_it_and_for_no_more() {
    let place = Place::new();
    let horizon = Horizon::default();
    horizon.renew(log(&place));
    horizon.promise();
    let first = ask(&horizon);
    assert!(first.try_recv().is_err());
    horizon.sync_now();
    assert_eq!(first.try_recv(), Ok(Ok(())));
    horizon.promise();
    assert!(ask(&horizon).try_recv().is_err());
    assert!(first.try_recv().is_err(), "it was told once");
}

#[test]
fn the_thread_syncs_what_it_is_asked_for() {
    let place = Place::new();
    let horizon = Arc::new(Horizon::default());
    let thread = horizon.start(|| panic!("nothing fails")).unwrap();
    horizon.renew(log(&place));
    for _ in 0..100 {
        horizon.promise();
        let answer = ask(&horizon);
        horizon.sync_beside();
        assert_eq!(answer.recv(), Ok(Ok(())));
        horizon.await_turn();
        horizon.quiet();
        assert!(horizon.is_quiet());
    }
    horizon.close();
    thread.join().unwrap();
}

#[test]
fn after_a_failure_nothing_is_answered_until_the_log_is_new() {
    let place = Place::new();
    let horizon = Arc::new(Horizon::default());
    let (tell, told) = channel();
    let thread = horizon.start(move || tell.send(()).unwrap()).unwrap();
    horizon.renew(broken_log());
    horizon.promise();
    let answer = ask(&horizon);
    horizon.sync_beside();
    assert_eq!(answer.recv(), Ok(Err(Lost)));
    told.recv().unwrap();
    assert!(horizon.is_lost());
    assert_eq!(ask(&horizon).try_recv(), Ok(Err(Lost)));
    horizon.renew(log(&place));
    assert_eq!(ask(&horizon).try_recv(), Ok(Ok(())));
    horizon.close();
    thread.join().unwrap();
}

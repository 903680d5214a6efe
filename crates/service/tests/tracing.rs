//! Which spans there are, and what is part of what.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use common::*;
use parking_lot::Mutex;
use postroom_core::command::Mode;
use postroom_core::ports::{Attribute, Beginning, OpenSpan, RunOutcome, Span, Tracer};
use postroom_core::run::{Run, RunSpec};
use postroom_core::time::Timestamp;
use postroom_core::trace::TraceParent;

/// Keeps all spans, in the order in which they began.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Kept>>>);

#[derive(Debug, Clone)]
struct Kept {
    place: TraceParent,
    beginning: Beginning,
    more: Vec<(&'static str, Attribute)>,
    failed: Option<String>,
    ended_at: Option<Timestamp>,
    has_ended: bool,
}

struct Open {
    recorder: Recorder,
    number: usize,
}

impl Tracer for Recorder {
    fn begin(&self, beginning: Beginning) -> Span {
        let mut all = self.0.lock();
        let number = all.len();
        let own = u8::try_from(number + 1).unwrap();
        let trace_id = beginning.parent.map_or([own; 16], |parent| parent.trace_id);
        let place = TraceParent { trace_id, span_id: [own; 8], sampled: true };
        all.push(Kept {
            place,
            beginning,
            more: Vec::new(),
            failed: None,
            ended_at: None,
            has_ended: false,
        });
        Span::of(Arc::new(Open { recorder: self.clone(), number }))
    }
}

impl OpenSpan for Open {
    fn place(&self) -> TraceParent {
        self.recorder.0.lock()[self.number].place
    }

    fn begin(&self, beginning: Beginning) -> Span {
        self.recorder.begin(beginning)
    }

    fn set(&self, key: &'static str, value: Attribute) {
        self.recorder.0.lock()[self.number].more.push((key, value));
    }

    fn fail(&self, kind: &str) {
        self.recorder.0.lock()[self.number].failed = Some(kind.to_owned());
    }

    fn end(&self, at: Option<Timestamp>) {
        let kept = &mut self.recorder.0.lock()[self.number];
        kept.ended_at = at;
        kept.has_ended = true;
    }
}

impl Recorder {
    fn named(&self, name: &str) -> Vec<Kept> {
        self.0.lock().iter().filter(|kept| kept.beginning.name == name).cloned().collect()
    }
}

impl Kept {
    fn says(&self, key: &str) -> Option<&Attribute> {
        let all = self.beginning.attributes.iter().chain(&self.more);
        all.rev().find(|(known, _)| *known == key).map(|(_, value)| value)
    }
}

async fn run_of(node: &postroom_service::Postroom, run: &postroom_core::id::RunId) -> Run {
    node.store().run(run).await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_part_of_the_same_submission() {
    let mut house = House::alone();
    let recorder = Recorder::default();
    house.tracer = Some(Arc::new(recorder.clone()));
    let tries = AtomicU32::new(0);
    let node = house
        .started(scripted(move |_, _| {
            let is_first = tries.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                if is_first {
                    return RunOutcome::TransientError { error: "no luck".to_owned() };
                }
                RunOutcome::natural_end(None)
            }
        }))
        .await;
    let caller = TraceParent { trace_id: [200; 16], span_id: [201; 8], sampled: true };
    let in_trace = node.in_trace(caller);
    let submitted = send(&in_trace, "t", Mode::Enqueue, "x").await;
    finished(&node, &submitted.run_id).await;
    settle_down().await;

    let [submission] = &recorder.named("submit")[..] else { panic!("not one submission") };
    assert_eq!(submission.beginning.parent, Some(caller));
    let run = run_of(&node, &submitted.run_id).await;
    assert_eq!(run.spec.trace, Some(submission.place), "it is kept with the run");

    let [first, second] = &recorder.named("invoke_agent default")[..] else {
        panic!("not two attempts")
    };
    for (attempt, number) in [(first, 1), (second, 2)] {
        assert_eq!(attempt.beginning.parent, Some(submission.place));
        assert_eq!(attempt.says("postroom.attempt"), Some(&Attribute::Number(number)));
        assert!(attempt.has_ended);
    }
    assert_eq!(first.failed.as_deref(), Some("transient_error"));
    assert_eq!(
        (&second.failed, second.says("postroom.outcome")),
        (&None, Some(&"natural_end".into()))
    );

    // The retry's pause is no waiting for a place.
    let [_, queue] = &recorder.named("queue")[..] else { panic!("not two waits") };
    let waited = queue.ended_at.unwrap().since(queue.beginning.began_at.unwrap());
    assert!(waited.as_millis() < 50, "{waited:?}");
    assert_eq!(queue.beginning.parent, Some(submission.place));
}

#[tokio::test(start_paused = true)]
async fn what_an_execution_submits_is_part_of_it() {
    let mut house = House::alone();
    let recorder = Recorder::default();
    house.tracer = Some(Arc::new(recorder.clone()));
    let node = house
        .started(scripted(|activation, context| async move {
            if texts(&activation.input) == "more" {
                return RunOutcome::natural_end(None);
            }
            context.submit(thread("other"), submit(Mode::Enqueue, "more")).await.unwrap();
            RunOutcome::natural_end(None)
        }))
        .await;
    let submitted = send(&node, "t", Mode::Enqueue, "x").await;
    finished(&node, &submitted.run_id).await;
    settle_down().await;

    let [first, second] = &recorder.named("submit")[..] else { panic!("not two submissions") };
    assert_eq!(first.beginning.parent, None);
    let attempts = recorder.named("invoke_agent default");
    assert_eq!(second.beginning.parent, Some(attempts[0].place));
    assert_eq!(attempts[1].beginning.parent, Some(second.place));
    assert_eq!(attempts[1].place.trace_id, first.place.trace_id);
}

#[tokio::test(start_paused = true)]
async fn without_a_tracer_nothing_is_kept() {
    let mut house = House::alone();
    let node = house
        .started(scripted(|_, context| async move {
            assert!(context.span().place().is_none());
            context.span().child(|| panic!("nobody wants to know how it begins"));
            RunOutcome::natural_end(None)
        }))
        .await;
    let submitted = send(&node, "t", Mode::Enqueue, "x").await;
    finished(&node, &submitted.run_id).await;
    assert_eq!(*run_of(&node, &submitted.run_id).await.spec, RunSpec::default());
}

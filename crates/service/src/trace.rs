//! The spans of the service: what is submitted, how long it waits, and each attempt. Where nothing is
//! traced they are none, and nothing is done for them.

use std::fmt::Display;
use std::sync::Arc;

use postroom_core::command::{Activation, Mode, Outcome, Submit, Submitted};
use postroom_core::error::StoreError;
use postroom_core::id::ThreadId;
use postroom_core::ports::{Beginning, Span, SpanKind};
use postroom_core::reserved::{RESERVED, SCHEDULE_AGENT};
use postroom_core::run::{RunSpec, Termination};
use postroom_core::trace::TraceParent;
use tracing::field::display;

use crate::error::Error;
use crate::node::Node;

const RUN: &str = "postroom.run.id";
const DISPATCH: &str = "postroom.dispatch.id";
const OUTCOME: &str = "postroom.outcome";

/// Puts the submission below `parent`, unless it says itself where it comes from.
pub(crate) fn come_from(submit: &mut Submit, parent: Option<TraceParent>) {
    if parent.is_some() && submit.spec.trace.is_none() {
        Arc::make_mut(&mut submit.spec).trace = parent;
    }
}

/// A submission is being made: what is done for it is done below its span.
pub(crate) fn submission(node: &Node, thread_id: &ThreadId, submit: &mut Submit) -> Span {
    let Some(tracer) = &node.tracer else { return Span::NONE };
    let span = tracer.begin(
        Beginning::new("submit")
            .kind(SpanKind::Producer)
            .below(submit.spec.trace)
            .with("gen_ai.conversation.id", thread_id.to_string())
            .with("postroom.mode", word(submit.mode)),
    );
    let trace = span.place();
    submit.spec = Arc::new(RunSpec { trace, ..RunSpec::clone(&submit.spec) });
    span
}

fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Enqueue => "enqueue",
        Mode::Interrupt => "interrupt",
        Mode::Steer => "steer",
        Mode::Reject => "reject",
        Mode::Rollback => "rollback",
    }
}

/// What the submission came to.
pub(crate) fn submitted(span: &Span, answer: &Result<Submitted, Error>) {
    span.tell(|span| match answer {
        Ok(submitted) => {
            span.set(RUN, submitted.run_id.to_string().into());
            if let Some(id) = &submitted.dispatch_id {
                span.set(DISPATCH, id.to_string().into());
            }
        }
        Err(Error::Store(StoreError::Refused(refusal))) => span.fail(refusal.code()),
        Err(Error::Store(_)) => span.fail("store_error"),
        Err(Error::NotReady { .. }) => span.fail("not_ready"),
    });
}

/// An attempt begins: the time that the dispatch has waited for it ends.
pub(crate) fn attempt(node: &Node, activation: &Activation) -> Span {
    let Some(tracer) = &node.tracer else { return Span::NONE };
    let (run, dispatch) = (&activation.run, &activation.dispatch);
    let agent = run.agent_id.to_string();
    let known = |beginning: Beginning| {
        beginning
            .with("gen_ai.conversation.id", run.thread_id.to_string())
            .with(RUN, run.id.to_string())
            .with(DISPATCH, dispatch.id.to_string())
    };
    let attempt = Beginning::new(if agent.starts_with(RESERVED) {
        agent.clone()
    } else {
        format!("invoke_agent {agent}")
    });
    let mut attempt = known(attempt).with("postroom.attempt", dispatch.attempt_count + 1);
    if !agent.starts_with(RESERVED) {
        attempt = attempt
            .with("gen_ai.operation.name", "invoke_agent")
            .with("gen_ai.agent.name", agent.clone());
    }
    // A schedule lives for years: each of its times is a trace of its own.
    if agent == SCHEDULE_AGENT {
        attempt.links.extend(run.spec.trace);
        return tracer.begin(attempt);
    }
    let span = tracer.begin(attempt.below(run.spec.trace));

    // Both ends are in the store's time. A retry has waited since it was due.
    let is_first = dispatch.attempt_count == 0;
    let since = if is_first { dispatch.created_at } else { dispatch.available_at };
    let until = dispatch.updated_at;
    let parent = run.spec.trace.or_else(|| span.place());
    let wait = known(Beginning::new("queue").kind(SpanKind::Consumer)).below(parent);
    let wait = tracer.begin(Beginning { began_at: Some(since.min(until)), ..wait });
    wait.tell(|wait| wait.end(Some(until)));
    span
}

/// How the attempt is settled.
pub(crate) fn outcome(span: &Span, outcome: &Outcome) {
    span.tell(|span| match outcome {
        Outcome::Ack(result) => {
            span.set(OUTCOME, result.termination.as_str().into());
            match &result.termination {
                Termination::Error(reason) => span.fail(&reason.code),
                Termination::Stopped(reason) | Termination::Blocked(reason) => {
                    span.set("postroom.reason", reason.code.clone().into());
                }
                Termination::NaturalEnd | Termination::Cancelled => {}
            }
        }
        Outcome::Wait(wait) => {
            span.set(OUTCOME, "waiting".into());
            span.set("postroom.reason", wait.reason.as_str().into());
        }
        Outcome::Nack { .. } => {
            span.set(OUTCOME, "nack".into());
            span.fail("transient_error");
        }
        Outcome::DeadLetter { code, .. } => {
            span.set(OUTCOME, "dead_letter".into());
            span.fail(code);
        }
    });
}

/// The attempt's claim is given back for another node.
pub(crate) fn handed_back(span: &Span) {
    span.tell(|span| span.set(OUTCOME, "handed_back".into()));
}

/// The attempt could not be settled.
pub(crate) fn lost(span: &Span) {
    span.tell(|span| {
        span.set(OUTCOME, "lost".into());
        span.fail("claim_lost");
    });
}

/// Lines of the log that are written in `log` name the span.
pub(crate) fn name_in(log: &tracing::Span, span: &Span) {
    let Some(place) = span.place() else { return };
    let say = |field: &str, id: &dyn Display| {
        log.record(field, display(id));
    };
    say("trace_id", &place.trace_hex());
    say("span_id", &place.span_hex());
}

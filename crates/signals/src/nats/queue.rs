//! The work queue in JetStream: what it must be like, and whether it is.

use std::fmt::Debug;
use std::time::Duration;

use async_nats::jetstream::consumer::{self, AckPolicy, DeliverPolicy, PullConsumer};
use async_nats::jetstream::stream::{self, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, ErrorCode};

use super::Shared;

/// The oldest server that keeps its word about all of it: before 2.7.1 a delayed nak comes again at
/// once, before 2.9 a consumer is made in another way.
const VERSION_MIN: [u64; 2] = [2, 9];

/// A signal that nobody has dealt with for so long is out of date: many sweeps have passed.
const MAX_AGE: Duration = Duration::from_mins(10);
/// A signal that was neither acknowledged nor given back comes again: who had it is gone.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// How many threads may wait. The oldest go first: the sweep finds their work.
const MESSAGES_MAX: i64 = 100_000;
/// How many may be with nodes at once.
const WITH_NODES_MAX: i64 = 20_000;
/// How long the server holds an empty pull at most.
const PULLS_WAITING_MAX: i64 = 4_096;

/// The name of the consumer that all nodes share.
pub(super) const CONSUMER: &str = "nodes";

fn wanted_stream(shared: &Shared) -> stream::Config {
    stream::Config {
        name: shared.subjects.stream(),
        subjects: vec![shared.subjects.signals()],
        retention: RetentionPolicy::WorkQueue,
        // One for each thread, however often it is signalled: the newest takes the place.
        max_messages_per_subject: 1,
        discard: DiscardPolicy::Old,
        max_messages: MESSAGES_MAX,
        max_bytes: -1,
        max_age: MAX_AGE,
        storage: StorageType::File,
        num_replicas: 1,
        ..stream::Config::default()
    }
}

fn wanted_consumer() -> consumer::pull::Config {
    consumer::pull::Config {
        durable_name: Some(CONSUMER.to_owned()),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        max_deliver: -1,
        max_ack_pending: WITH_NODES_MAX,
        max_waiting: PULLS_WAITING_MAX,
        ..consumer::pull::Config::default()
    }
}

/// Makes the stream and the consumer what they must be, or says what is
/// missing and what to do about it.
pub(super) async fn prepare(shared: &Shared) -> Result<(), String> {
    let version = shared.client.server_info().version;
    if !is_new_enough(&version) {
        return Err(format!("its version is {version}: signals need 2.9 or newer"));
    }
    let context = jetstream::new(shared.client.clone());
    let wanted = wanted_stream(shared);
    let name = wanted.name.clone();
    let mut stream = match context.get_or_create_stream(wanted.clone()).await {
        Ok(stream) => stream,
        Err(error) => return Err(explain(&context, &error).await),
    };
    if !differences_of_stream(&wanted, &stream.cached_info().config).is_empty() {
        // Made by another version: most of it can be changed.
        let updated = context.update_stream(&wanted).await;
        updated.map_err(|error| {
            let differs = differences_of_stream(&wanted, &stream.cached_info().config).join(", ");
            format!("stream {name} can't be changed ({error}): {differs}; delete it")
        })?;
        stream = context.get_stream(&name).await.map_err(|error| error.to_string())?;
    }
    // An older server passes over what it does not know, and echoes what it has understood.
    let differs = differences_of_stream(&wanted, &stream.cached_info().config);
    if !differs.is_empty() {
        return Err(format!(
            "NATS {version} keeps stream {name} otherwise: {}",
            differs.join(", ")
        ));
    }
    let wanted = wanted_consumer();
    let consumer = stream.create_consumer(wanted.clone()).await;
    let consumer: PullConsumer = consumer.map_err(|error| {
        format!("consumer {CONSUMER} of stream {name} can't be made: {error}; delete it")
    })?;
    let differs = differences_of_consumer(&wanted, &consumer.cached_info().config);
    if !differs.is_empty() {
        let differs = differs.join(", ");
        return Err(format!(
            "NATS {version} keeps consumer {CONSUMER} of {name} otherwise: {differs}"
        ));
    }
    Ok(())
}

/// Why there is no stream, in words that say what to do.
async fn explain(
    context: &jetstream::Context,
    error: &jetstream::context::CreateStreamError,
) -> String {
    let is_off = match context.query_account().await {
        Ok(_) => false,
        Err(error) => match error.kind() {
            jetstream::context::AccountErrorKind::JetStreamUnavailable => true,
            jetstream::context::AccountErrorKind::JetStream(said) => matches!(
                said.error_code(),
                ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT
            ),
            _ => false,
        },
    };
    if is_off {
        "JetStream is off: start nats-server with --jetstream".to_owned()
    } else {
        format!("its stream can't be made: {error}")
    }
}

fn is_new_enough(version: &str) -> bool {
    let mut parts = version.split(['.', '-']).map(|part| part.parse::<u64>().ok());
    let (Some(Some(major)), Some(Some(minor))) = (parts.next(), parts.next()) else { return false };
    [major, minor] >= VERSION_MIN
}

fn differences_of_stream(wanted: &stream::Config, is: &stream::Config) -> Vec<String> {
    let mut differences = Differences::default();
    differences.check("retention", &wanted.retention, &is.retention);
    differences.check("subjects", &wanted.subjects, &is.subjects);
    let per_subject = "max_msgs_per_subject";
    differences.check(per_subject, &wanted.max_messages_per_subject, &is.max_messages_per_subject);
    differences.check("discard", &wanted.discard, &is.discard);
    differences.check("max_msgs", &wanted.max_messages, &is.max_messages);
    differences.check("max_age", &wanted.max_age, &is.max_age);
    differences.check("no_ack", &wanted.no_ack, &is.no_ack);
    differences.0
}

fn differences_of_consumer(wanted: &consumer::pull::Config, is: &consumer::Config) -> Vec<String> {
    let mut differences = Differences::default();
    differences.check("deliver_subject", &None, &is.deliver_subject);
    differences.check("ack_policy", &wanted.ack_policy, &is.ack_policy);
    differences.check("ack_wait", &wanted.ack_wait, &is.ack_wait);
    differences.check("max_deliver", &wanted.max_deliver, &is.max_deliver);
    differences.check("max_ack_pending", &wanted.max_ack_pending, &is.max_ack_pending);
    differences.check("max_waiting", &wanted.max_waiting, &is.max_waiting);
    differences.0
}

#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn check<T: PartialEq + Debug>(&mut self, name: &str, wanted: &T, is: &T) {
        if wanted != is {
            self.0.push(format!("{name} is {is:?} and should be {wanted:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for new_enough in ["2.9.10", "2.10.0", "2.14.1-RC.2", "3.0.0", "2.9"] {
            assert!(is_new_enough(new_enough), "{new_enough}");
        }
        for too_old in ["2.8.4", "1.4.0", "2", "", "x.y"] {
            assert!(!is_new_enough(too_old), "{too_old}");
        }
    }
}

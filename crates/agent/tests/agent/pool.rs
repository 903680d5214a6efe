//! Pools of models.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use postroom_agent::ModelConfig;
use postroom_agent::model::{Model, ModelError, ModelRequest};
use postroom_core::ports::RunOutcome;
use serde_json::json;
use tokio::time::{Instant, advance};

use crate::ask::{Heard, config, hear, question};
use crate::fake::{Fake, agent, builder, executor, one_agent, output};
use crate::scripted::{Scripted, Turn, says};
use crate::server::{Answer, Server};

fn pool(members: &[&str]) -> ModelConfig {
    ModelConfig {
        pool: members.iter().map(|name| (*name).into()).collect(),
        ..ModelConfig::default()
    }
}

/// The pool `best` of `a` and `b`, which say this.
struct Pool {
    a: Arc<Scripted>,
    b: Arc<Scripted>,
    best: Arc<dyn Model>,
}

impl Pool {
    fn new(a: Vec<Turn>, b: Vec<Turn>) -> Self {
        let (a, b) = (Scripted::new(a), Scripted::new(b));
        let registry = builder()
            .model("a", a.clone())
            .model("b", b.clone())
            .models(BTreeMap::from([("best".to_owned(), pool(&["a", "b"]))]))
            .build()
            .unwrap();
        Self { a, b, best: registry.model("best").unwrap() }
    }

    async fn hear(&self) -> Heard {
        hear(&self.best, question()).await
    }

    /// How often each was asked.
    fn asked(&self) -> (usize, usize) {
        (self.a.requests.lock().len(), self.b.requests.lock().len())
    }
}

fn transient() -> Turn {
    Turn::Refuses(ModelError::transient("busy"))
}

fn limited(seconds: u64) -> Turn {
    let retry_after = Some(Duration::from_secs(seconds));
    Turn::Refuses(ModelError::Transient { message: "slow down".into(), retry_after })
}

fn permanent(code: &'static str) -> Turn {
    Turn::Refuses(ModelError::permanent(code, "no"))
}

#[tokio::test(start_paused = true)]
async fn the_first_is_asked_while_it_answers() {
    let pool = Pool::new(vec![says("A."), says("A.")], vec![]);
    assert_eq!(pool.hear().await.text, "A.");
    let heard = pool.hear().await;
    assert_eq!(heard.finished().model.as_deref(), Some("scripted"), "who answered is said");
    assert_eq!(pool.asked(), (2, 0));
    assert_eq!(pool.best.name(), "best");
}

#[tokio::test(start_paused = true)]
async fn the_next_stands_in_for_one_that_fails_and_that_one_rests() {
    for failure in [
        transient,
        || limited(600),
        || permanent("bad_api_key"),
        || permanent("unknown_model"),
        || permanent("quota_exhausted"),
        || permanent("unsupported_option"),
    ] {
        let pool = Pool::new(vec![failure(), says("A.")], vec![says("B."), says("B.")]);
        assert_eq!(pool.hear().await.text, "B.");
        assert_eq!(pool.hear().await.text, "B.");
        assert_eq!(pool.asked(), (1, 2), "it is left alone");
        advance(Duration::from_mins(11)).await;
        assert_eq!(pool.hear().await.text, "A.", "and asked again after its rest");
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_that_is_refused_is_asked_nobody_else() {
    for code in ["invalid_request", "content_policy", "context_too_long"] {
        let pool = Pool::new(vec![permanent(code), says("A.")], vec![]);
        assert_eq!(pool.hear().await.code(), code);
        assert_eq!(pool.hear().await.text, "A.", "and it is not the model's fault");
    }
}

#[tokio::test(start_paused = true)]
async fn rests_grow_while_it_fails_and_end_with_an_answer() {
    let b = || (0..20).map(|_| says("B.")).collect::<Vec<_>>();
    let pool = Pool::new(vec![transient(), transient(), says("A."), transient(), says("A.")], b());
    pool.hear().await;
    advance(Duration::from_secs(6)).await;
    assert_eq!(pool.hear().await.text, "B.");
    assert_eq!(pool.asked().0, 2, "5 seconds of rest are over");
    advance(Duration::from_secs(6)).await;
    assert_eq!(pool.hear().await.text, "B.");
    assert_eq!(pool.asked().0, 2, "the second rest is longer");
    advance(Duration::from_secs(5)).await;
    assert_eq!(pool.hear().await.text, "A.");
    assert_eq!(pool.hear().await.text, "B.");
    advance(Duration::from_secs(6)).await;
    assert_eq!(pool.hear().await.text, "A.", "the rests began anew");
}

#[tokio::test(start_paused = true)]
async fn many_that_meet_one_failure_count_as_one() {
    let pool =
        Pool::new((0..51).map(|_| transient()).collect(), (0..51).map(|_| says("B.")).collect());
    let all = futures::future::join_all((0..50).map(|_| pool.hear())).await;
    assert!(all.iter().all(|heard| heard.text == "B."));
    let failed = pool.asked().0;
    assert!(failed >= 1);
    advance(Duration::from_secs(6)).await;
    pool.hear().await;
    assert_eq!(pool.asked().0, failed + 1, "its rest is as short as after a single failure");
}

#[tokio::test(start_paused = true)]
async fn a_short_limit_is_the_callers_to_wait_out_once() {
    let pool = Pool::new(vec![limited(1), limited(1)], vec![says("B.")]);
    let ModelError::Transient { retry_after, .. } = pool.hear().await.error() else { panic!() };
    assert_eq!(retry_after, Some(Duration::from_secs(1)));
    assert_eq!(pool.asked(), (1, 0));
    assert_eq!(pool.hear().await.text, "B.");
}

#[tokio::test(start_paused = true)]
async fn when_all_fail_the_likeliest_to_mend_is_told() {
    let pool = Pool::new(vec![permanent("bad_api_key")], vec![limited(60)]);
    let ModelError::Transient { retry_after, .. } = pool.hear().await.error() else { panic!() };
    assert_eq!(retry_after, Some(Duration::from_mins(1)));

    let pool = Pool::new(vec![permanent("bad_api_key")], vec![permanent("unknown_model")]);
    assert_ne!(pool.hear().await.code(), "transient");

    // Those at rest are asked last, but asked: nobody said that they can't answer.
    let pool = Pool::new(vec![transient(), says("A.")], vec![transient()]);
    assert_eq!(pool.hear().await.code(), "transient");
    assert_eq!(pool.hear().await.text, "A.");
}

#[tokio::test(start_paused = true)]
async fn all_at_their_limits_are_left_alone_until_the_first_is_over() {
    let pool = Pool::new(vec![limited(90), says("A.")], vec![limited(60), says("B.")]);
    pool.hear().await.error();
    advance(Duration::from_secs(20)).await;
    let ModelError::Transient { retry_after, message } = pool.hear().await.error() else {
        panic!()
    };
    assert_eq!(retry_after, Some(Duration::from_secs(40)));
    assert!(message.contains("`best`"), "{message}");
    assert_eq!(pool.asked(), (1, 1));
    advance(Duration::from_secs(41)).await;
    assert_eq!(pool.hear().await.text, "B.");
}

#[tokio::test(start_paused = true)]
async fn what_was_shown_can_not_be_taken_back_by_the_pool() {
    let breaks = Turn::Breaks("Half", ModelError::transient("the connection was lost"));
    let pool = Pool::new(vec![breaks], vec![says("Whole.")]);
    let heard = pool.hear().await;
    assert_eq!(heard.text, "Half");
    assert_eq!(heard.code(), "transient");
    assert_eq!(pool.asked(), (1, 0));
    assert_eq!(pool.hear().await.text, "Whole.", "the caller's next try is another's");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_first_sign_can_be_given_up() {
    let pool = Pool::new(vec![Turn::Hangs("")], vec![]);
    let began = Instant::now();
    let hangs = tokio::time::timeout(Duration::from_secs(1), pool.hear());
    hangs.await.unwrap_err();
    assert_eq!(began.elapsed(), Duration::from_secs(1));
}

#[test]
fn a_pool_is_made_of_models_that_are_there() {
    let error = |config: ModelConfig| {
        let models = BTreeMap::from([
            ("p".to_owned(), config),
            ("q".to_owned(), pool(&["a"])),
            ("a".to_owned(), config_of_a()),
        ]);
        builder().models(models).build().err().expect("it is refused").to_string()
    };
    assert!(
        error(pool(&["a", "x"])).starts_with("models.p.pool: there is no model `x`; the models")
    );
    assert_eq!(error(pool(&["a", "a"])), "models.p.pool: `a` is there twice");
    assert_eq!(error(pool(&["q"])), "models.p.pool: `q` is a pool too: name its models");
    let both = ModelConfig { provider: "openai".into(), ..pool(&["a"]) };
    assert!(error(both).starts_with("models.p.pool: a pool has no provider"));
    assert!(error(ModelConfig::default()).starts_with("models.p.provider: "));
    let forged = ModelConfig { members: vec![config_of_a()], ..pool(&["a"]) };
    assert!(error(forged).starts_with("models.p.pool: its members"));
}

fn config_of_a() -> ModelConfig {
    config("openai", "http://127.0.0.1:1/v1")
}

#[tokio::test]
async fn an_agent_runs_on_a_pool_and_a_run_keeps_the_members_it_began_with() {
    let broken = Server::start(vec![Answer::Fails(500, "", String::new())]).await;
    let models = BTreeMap::from([
        ("best".to_owned(), pool(&["broken", "demo"])),
        ("broken".to_owned(), config("openai", &broken.url)),
    ]);
    let registry = postroom_agent::AgentRegistry::builder(
        crate::fake::env(&[("TEST_KEY", crate::providers::KEY)]),
        Arc::new(crate::fake::FixedClock),
    )
    .demo_word_pause(Duration::ZERO)
    .models(models)
    .agents(one_agent(agent("best", &[])))
    .build()
    .unwrap();
    let info = registry.agents().remove(0);
    assert_eq!((info.model.as_str(), info.provider.as_str()), ("best", "pool"));
    let fake = Fake::new(&["hello"]);
    let outcome = fake.execute(&executor(registry)).await;
    if let RunOutcome::Completed { last, .. } = &outcome {
        fake.settle((**last).clone());
    }
    assert!(output(outcome).contains("hello"));
    let state = fake.run.lock().state.clone().unwrap();
    assert!(state.as_json().contains(&broken.url), "{}", state.as_json());
    assert!(!state.as_json().contains(crate::providers::KEY));
}

#[tokio::test]
async fn a_pools_options_lie_over_its_members() {
    let server = Server::start(vec![Answer::Fails(500, "", String::new())]).await;
    let with = |config: ModelConfig, options| ModelConfig {
        options: serde_json::from_value(options).unwrap(),
        ..config
    };
    let models = BTreeMap::from([
        ("best".to_owned(), with(pool(&["a"]), json!({"seed": 2}))),
        (
            "a".to_owned(),
            with(config("openai", &server.url), json!({"seed": 1, "temperature": 0.5})),
        ),
    ]);
    let registry = postroom_agent::AgentRegistry::builder(
        crate::fake::env(&[("TEST_KEY", crate::providers::KEY)]),
        Arc::new(crate::fake::FixedClock),
    )
    .models(models)
    .build()
    .unwrap();
    let best = registry.model("best").unwrap();
    let request = ModelRequest {
        options: serde_json::from_value(json!({"top_p": 0.9})).unwrap(),
        ..question()
    };
    hear(&best, request).await.error();
    let body = &server.asked.lock()[0].body;
    assert_eq!((&body["seed"], &body["top_p"]), (&json!(2), &json!(0.9)));
    assert_eq!(body["temperature"], 0.5);
}

#[test]
fn the_smallest_window_is_the_pools() {
    let model = |name: &str| ModelConfig { model: Some(name.into()), ..config_of_a() };
    let models = BTreeMap::from([
        ("best".to_owned(), pool(&["a", "b"])),
        ("told".to_owned(), ModelConfig { context_window: Some(5000), ..pool(&["a", "b"]) }),
        ("a".to_owned(), model("gpt-4o")),
        ("b".to_owned(), model("gemini-2.5-flash")),
    ]);
    let registry = postroom_agent::AgentRegistry::builder(
        crate::fake::env(&[("TEST_KEY", crate::providers::KEY)]),
        Arc::new(crate::fake::FixedClock),
    )
    .models(models)
    .build()
    .unwrap();
    let window = |name: &str| registry.model(name).unwrap().context_window();
    assert_eq!(window("best"), Some(128_000));
    assert_eq!(window("told"), Some(5000));
    assert_eq!(window("b"), Some(1_000_000));
    assert_eq!(window("demo"), None);
}

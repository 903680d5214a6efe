//! Agents and models from the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use postroom_agent::{AgentConfig, AgentRegistry, ModelConfig};
use postroom_core::id::AgentId;
use postroom_core::ports::RunOutcome;
use postroom_core::run::RunSpec;
use serde_json::json;

use crate::fake::{Fake, FixedClock, agent, builder, env, executor, one_agent, one_model, output};
use crate::scripted::{Scripted, says};

fn openai(model: Option<&str>) -> ModelConfig {
    ModelConfig {
        provider: "openai".into(),
        model: model.map(str::to_owned),
        ..ModelConfig::default()
    }
}

fn default_model(
    variables: &[(&str, &str)],
    models: BTreeMap<String, ModelConfig>,
) -> (String, String) {
    let registry = AgentRegistry::builder(env(variables), Arc::new(FixedClock))
        .models(models)
        .build()
        .unwrap();
    let info = registry.agent(&AgentId::default_agent()).unwrap();
    assert_eq!(registry.agents().len(), 1);
    (info.model, info.provider)
}

#[test]
fn without_configuration_the_default_agent_uses_the_key_that_is_there() {
    let none = BTreeMap::new;
    assert_eq!(default_model(&[], none()).0, "demo");
    assert_eq!(default_model(&[("OPENAI_API_KEY", " ")], none()).0, "demo");
    assert_eq!(default_model(&[("OPENAI_API_KEY", "k")], none()).0, "openai");
    assert_eq!(default_model(&[("ANTHROPIC_API_KEY", "k")], none()).0, "anthropic");
    assert_eq!(default_model(&[("GEMINI_API_KEY", "k")], none()).1, "gemini");
    let one = one_model("small", openai(Some("gpt-5-mini")));
    assert_eq!(default_model(&[("GEMINI_API_KEY", "k")], one).0, "small");
}

#[test]
fn the_keys_are_those_of_the_manual() {
    let config: AgentConfig = serde_json::from_value(json!({
        "model": "small", "system": "s", "tools": ["clock"], "approve": ["clock"], "max_steps": 3,
    }))
    .unwrap();
    assert_eq!(config.max_steps, 3);
    let config: AgentConfig = serde_json::from_value(json!({"model": "demo"})).unwrap();
    assert_eq!(config.max_steps, 20);
    let error = serde_json::from_value::<AgentConfig>(json!({"model": "m", "tool": []}));
    assert!(error.unwrap_err().to_string().contains("unknown field `tool`"));
    let error = serde_json::from_value::<ModelConfig>(json!({"provider": "demo", "api_key": "x"}));
    assert!(error.unwrap_err().to_string().contains("unknown field `api_key`"));
}

fn agent_error(config: AgentConfig) -> String {
    builder().agents(one_agent(config)).build().err().expect("it is refused").to_string()
}

fn model_error(config: ModelConfig) -> String {
    builder().models(one_model("m", config)).build().err().expect("it is refused").to_string()
}

#[test]
fn what_is_wrong_names_its_place() {
    let tool = |tool: &str| agent_error(agent("demo", &[tool]));
    for known in ["http_fetch", "send_message", "ask_user", "wait", "start_background"] {
        assert!(builder().agents(one_agent(agent("demo", &[known]))).build().is_ok(), "{known}");
    }
    assert_eq!(
        tool("mcp:files/*"),
        "agents.default.tools: `mcp:files/*`: there is no MCP server `files`; there are no servers"
    );
    assert_eq!(
        tool("delegate:researcher"),
        "agents.default.tools: `delegate:researcher` names no agent; the agents are: default"
    );
    assert_eq!(
        tool("clok"),
        "agents.default.tools: there is no tool `clok`; the tools are: clock, demo_action, \
         http_fetch, send_message, ask_user, wait, start_background"
    );
    assert_eq!(
        agent_error(agent("big", &[])),
        "agents.default.model: there is no model `big`; the models are: demo"
    );
    let config = AgentConfig { approve: vec!["clock".into()], ..agent("demo", &[]) };
    assert!(agent_error(config).starts_with("agents.default.approve: `clock`"));
    let config = AgentConfig { max_steps: 0, ..agent("demo", &[]) };
    assert!(agent_error(config).starts_with("agents.default.max_steps"));

    assert!(model_error(openai(None)).starts_with("models.m.model: say which"));
    let config = ModelConfig { provider: "opnai".into(), ..openai(Some("x")) };
    assert!(model_error(config).starts_with("models.m.provider: there is no provider `opnai`"));
    for url in ["nonsense", "ftp://host", "http://user:secret@host/v1"] {
        let config = ModelConfig { base_url: Some(url.into()), ..openai(Some("x")) };
        let error = model_error(config);
        assert!(error.starts_with("models.m.base_url: "), "{error}");
        assert!(!error.contains("secret"));
    }
    let config = ModelConfig { api_key_env: Some("sk-secret".into()), ..openai(Some("x")) };
    let error = model_error(config);
    assert!(error.starts_with("models.m.api_key_env: ") && !error.contains("secret"), "{error}");
    let error = builder().agents(BTreeMap::from([(" ".to_owned(), agent("demo", &[]))])).build();
    assert!(error.err().unwrap().to_string().starts_with("agents. :"));
}

#[test]
fn a_missing_key_is_a_problem_that_is_named() {
    let registry = builder()
        .models(one_model("small", openai(Some("gpt-5-mini"))))
        .agents(one_agent(agent("small", &[])))
        .build()
        .unwrap();
    assert_eq!(
        registry.problems(),
        ["agent `default`: model `small` has no key: set the environment variable OPENAI_API_KEY"]
    );
    assert!(builder().build().unwrap().problems().is_empty());

    // What runs on one's own machine needs no key.
    let ollama = ModelConfig { provider: "ollama".into(), ..openai(Some("qwen3")) };
    let url = Some("http://127.0.0.1:9999/v1".to_owned());
    let local = ModelConfig { base_url: url, ..openai(Some("qwen3")) };
    for config in [ollama, local] {
        let registry = builder()
            .models(one_model("small", config))
            .agents(one_agent(agent("small", &[])))
            .build()
            .unwrap();
        assert!(registry.problems().is_empty(), "{:?}", registry.problems());
    }
}

#[tokio::test]
async fn a_run_without_its_key_is_a_dead_letter_that_can_be_retried_later() {
    let registry = builder()
        .models(one_model("small", openai(Some("gpt-5-mini"))))
        .agents(one_agent(agent("small", &[])))
        .build()
        .unwrap();
    let outcome = Fake::new(&["hi"]).execute(&executor(registry)).await;
    assert!(
        matches!(outcome, RunOutcome::PermanentError { code, .. } if code == "missing_api_key")
    );
}

#[test]
fn a_version_names_the_content() {
    let version = |config: AgentConfig| {
        let registry = builder().agents(one_agent(config)).build().unwrap();
        registry.agent(&AgentId::default_agent()).unwrap().version
    };
    assert_eq!(version(agent("demo", &[])), version(agent("demo", &[])));
    assert_ne!(version(agent("demo", &[])), version(agent("demo", &["clock"])));
    let other = AgentConfig { system: None, ..agent("demo", &[]) };
    assert_ne!(version(agent("demo", &[])), version(other));
}

#[tokio::test]
async fn a_run_can_override_its_model() {
    let model = Scripted::new(vec![says("From the other.")]);
    let registry = builder().model("other", model).agents(one_agent(agent("demo", &[])));
    let executor = executor(registry.build().unwrap());
    let overridden = |overrides: serde_json::Value| {
        let fake = Fake::new(&["hi"]);
        fake.run.lock().spec = RunSpec { overrides, ..RunSpec::default() }.into();
        fake
    };
    let fake = overridden(json!({"model": "other"}));
    assert_eq!(output(fake.execute(&executor).await), "From the other.");
    for (overrides, expected) in [
        (json!({"model": "none"}), "unknown_model"),
        (json!({"modle": "demo"}), "invalid_overrides"),
        (json!({"model": 7}), "invalid_overrides"),
        (json!([]), "invalid_overrides"),
    ] {
        let outcome = overridden(overrides).execute(&executor).await;
        let RunOutcome::PermanentError { code, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(code, expected);
    }
}

//! Options, in each provider's words.

use postroom_agent::ModelConfig;
use postroom_agent::model::{ModelOptions, ModelRequest};
use serde_json::{Value, json};

use crate::ask::{ask, config, hear, model, question, tool};
use crate::fake::{builder, one_model};
use crate::server::{Answer, Server};

fn options(value: Value) -> ModelOptions {
    serde_json::from_value(value).unwrap()
}

fn schema() -> Value {
    json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"],
        "additionalProperties": false})
}

/// What `provider` is sent for these options, with a tool on offer.
async fn sent(provider: &str, value: Value) -> Value {
    let request =
        ModelRequest { options: options(value), tools: vec![tool("files:read")], ..question() };
    let (_, asked) = ask(provider, Answer::Fails(500, "", String::new()), request).await;
    asked.body
}

#[tokio::test]
async fn every_provider_is_told_in_its_own_words() {
    let all = json!({"temperature": 0.5, "top_p": 0.9, "max_output_tokens": 7, "seed": 3,
        "stop": ["END"], "reasoning_effort": "low", "tool_choice": {"tool": "files:read"},
        "response_schema": {"name": "number", "schema": schema()}});
    let without = |lacking: &[&str]| {
        let mut all = all.clone();
        lacking.iter().for_each(|option| _ = all.as_object_mut().unwrap().remove(*option));
        all
    };
    let body = sent("openai", all.clone()).await;
    for (field, value) in [
        ("temperature", json!(0.5)),
        ("top_p", json!(0.9)),
        ("max_tokens", json!(7)),
        ("seed", json!(3)),
        ("stop", json!(["END"])),
        ("reasoning_effort", json!("low")),
        ("tool_choice", json!({"type": "function", "function": {"name": "files_read"}})),
    ] {
        assert_eq!(body[field], value, "{field}");
    }
    assert_eq!(body["response_format"]["json_schema"]["name"], "number");
    assert_eq!(body["response_format"]["json_schema"]["schema"], schema());

    let body = sent("openai_resp", without(&["seed", "stop"])).await;
    assert_eq!(body["max_output_tokens"], 7);
    assert_eq!(body["reasoning"], json!({"effort": "low", "summary": "detailed"}));
    assert_eq!(body["tool_choice"], json!({"type": "function", "name": "files_read"}));
    assert_eq!(body["text"]["format"]["schema"], schema());
    assert_eq!(body["store"], false);

    let body = sent("anthropic", without(&["seed"])).await;
    assert_eq!(body["max_tokens"], 7);
    assert_eq!(body["stop_sequences"], json!(["END"]));
    assert_eq!(body["tool_choice"], json!({"type": "tool", "name": "files_read"}));
    assert_eq!(body["output_config"]["format"]["schema"], schema());

    let body = sent("gemini", all.clone()).await;
    let generation = &body["generationConfig"];
    assert_eq!(generation["maxOutputTokens"], 7);
    assert_eq!(generation["stopSequences"], json!(["END"]));
    assert_eq!(generation["seed"], 3);
    assert_eq!(generation["responseJsonSchema"], schema());
    assert_eq!(generation["thinkingConfig"]["includeThoughts"], true);
    let calling = &body["toolConfig"]["functionCallingConfig"];
    assert_eq!(*calling, json!({"mode": "ANY", "allowedFunctionNames": ["files_read"]}));

    let body = sent("ollama", without(&["tool_choice", "response_schema"])).await;
    assert_eq!(body["options"]["num_predict"], 7);
    assert_eq!(body["options"]["seed"], 3);
    assert_eq!(body["think"], "low");
}

#[tokio::test]
async fn what_a_provider_lacks_is_refused_before_it_is_asked() {
    for (provider, name, value) in [
        ("openai_resp", "m", json!({"seed": 1})),
        ("openai_resp", "m", json!({"stop": ["x"]})),
        ("anthropic", "m", json!({"seed": 1})),
        ("anthropic", "m", json!({"temperature": 1.5})),
        ("gemini", "gemini-3-pro", json!({"reasoning_effort": "none"})),
        ("ollama", "m", json!({"tool_choice": "required"})),
        ("ollama", "m", json!({"response_schema": {"schema": {}}})),
        ("cohere", "m", json!({"seed": 1})),
        ("cohere", "m", json!({"tool_choice": "none"})),
    ] {
        let config =
            ModelConfig { model: Some(name.into()), ..config(provider, "http://127.0.0.1:1/v1") };
        let request = ModelRequest { options: options(value.clone()), ..question() };
        let heard = hear(&model(config), request).await;
        let option = value.as_object().unwrap().keys().next().unwrap().clone();
        let error = heard.end.unwrap().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{option}: ")), "{provider}: {error}");
    }
    let request = ModelRequest { options: options(json!({"seed": 1})), ..question() };
    let heard = hear(&model(config("anthropic", "http://127.0.0.1:1/v1")), request).await;
    assert_eq!(heard.code(), "unsupported_option");
}

#[tokio::test]
async fn a_tool_that_is_not_offered_can_not_be_demanded() {
    let request = ModelRequest {
        options: options(json!({"tool_choice": {"tool": "gone"}})),
        tools: vec![tool("clock")],
        ..question()
    };
    let heard = hear(&model(config("openai", "http://127.0.0.1:1/v1")), request).await;
    assert_eq!(heard.code(), "invalid_request");
}

#[tokio::test]
async fn no_tools_are_offered_to_ollama_when_none_shall_be_called() {
    let body = sent("ollama", json!({"tool_choice": "none"})).await;
    assert_eq!(body["tools"], Value::Null);
    let body = sent("ollama", json!({"tool_choice": "auto"})).await;
    assert_eq!(body["tools"][0]["function"]["name"], "files_read");
}

#[tokio::test]
async fn a_requests_options_lie_over_the_models() {
    let server = Server::start(vec![Answer::Fails(500, "", String::new())]).await;
    let config = ModelConfig {
        options: options(json!({"temperature": 0.1, "seed": 1})),
        ..config("openai", &server.url)
    };
    let request = ModelRequest { options: options(json!({"seed": 2})), ..question() };
    hear(&model(config), request).await.error();
    let body = &server.asked.lock()[0].body;
    assert_eq!((&body["temperature"], &body["seed"]), (&json!(0.1), &json!(2)));
}

#[tokio::test]
async fn a_models_name_is_sent_as_it_is() {
    for (provider, name) in [("mistral", "mistral-medium"), ("openai_resp", "x-high")] {
        let server = Server::start(vec![Answer::Fails(500, "", String::new())]).await;
        let config = ModelConfig { model: Some(name.into()), ..config(provider, &server.url) };
        hear(&model(config), question()).await.error();
        let body = &server.asked.lock()[0].body;
        assert_eq!(body["model"], name);
        assert_eq!((&body["reasoning_effort"], &body["reasoning"]), (&Value::Null, &Value::Null));
    }
}

#[test]
fn wrong_options_name_their_place() {
    let read = |value: Value| serde_json::from_value::<ModelConfig>(value);
    let error = |value: Value| {
        let built = builder().models(one_model("m", read(value).unwrap())).build();
        built.err().expect("it is refused").to_string()
    };
    let with = |options: Value| error(json!({"provider": "demo", "options": options}));
    assert_eq!(
        with(json!({"temperature": 3})),
        "models.m.options.temperature: it must be from 0 to 2"
    );
    assert!(with(json!({"top_p": 0})).starts_with("models.m.options.top_p: "));
    assert!(
        error(json!({"provider": "demo", "context_window": 10}))
            .starts_with("models.m.context_window: ")
    );
    let unknown = read(json!({"provider": "demo", "options": {"temp": 1}}));
    assert!(unknown.unwrap_err().to_string().contains("unknown field `temp`"));
    assert!(
        error(json!({"provider": "openai", "model": "m", "api_key_env": "A", "api_key_file": "b"}))
            .starts_with("models.m: api_key_env and api_key_file")
    );
}

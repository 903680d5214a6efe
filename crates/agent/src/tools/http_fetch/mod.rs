//! Reads a page or calls an API, over HTTP.

mod body;
mod config;

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Client, Response, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use self::body::ContentType;
pub use self::config::{HttpFetchConfig, Method};
use crate::egress::{self, Guard, Refused};
use crate::tool::{Tool, ToolContext, ToolError, ToolLimits, read_arguments};

/// So many redirects are followed.
const REDIRECTS_MAX: usize = 5;

/// A byte of text has at most so many bytes in JSON: a control character.
const JSON_BYTES_PER_BYTE: usize = 6;

/// What an answer has besides its text, in bytes of JSON.
const ANSWER_BYTES: usize = 64 * 1024;

/// How much longer than its own limit the tool may take, so that its own error is the one heard.
const TIME_TO_SAY_SO: Duration = Duration::from_secs(1);

/// The `http_fetch` tool.
pub struct HttpFetch {
    client: Client,
    guard: Guard,
    config: HttpFetchConfig,
    description: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    url: String,
    #[serde(default = "get")]
    method: Method,
    body: Option<String>,
    content_type: Option<String>,
}

fn get() -> Method {
    Method::Get
}

impl HttpFetch {
    /// Fetches as `config` allows.
    ///
    /// # Errors
    /// What the HTTP client says when it can't be built: no TLS, above all.
    pub fn new(config: HttpFetchConfig) -> Result<Self, String> {
        let guard = Guard::new(config.allow_private.clone());
        // Redirects are followed by hand, each checked like the first URL.
        let client = egress::client(&guard)?;
        let description = format!(
            "Fetches a URL over HTTP and returns its status and its text. Only public addresses; \
             a text of more than {} bytes is cut.",
            config.max_bytes
        );
        Ok(Self { client, guard, config, description })
    }

    /// The answer to a request, after its redirects, and where it came from.
    async fn request(
        &self,
        mut url: Url,
        arguments: &Arguments,
        context: &ToolContext,
    ) -> Result<(Response, Url), ToolError> {
        for _ in 0..=REDIRECTS_MAX {
            self.guard.check(&url).map_err(|refused| failed(&refused.to_string()))?;
            let response = self.send(&url, arguments, context).await?;
            match redirect(&response, arguments.method) {
                Some(location) => {
                    let next = url.join(location).map_err(|_| {
                        failed(&format!("`{url}` redirects to `{location}`, which is no URL"))
                    })?;
                    url = next;
                }
                None => return Ok((response, url)),
            }
        }
        Err(failed(&format!("there were more than {REDIRECTS_MAX} redirects")))
    }

    async fn send(
        &self,
        url: &Url,
        arguments: &Arguments,
        context: &ToolContext,
    ) -> Result<Response, ToolError> {
        let mut request = self.client.request(arguments.method.into(), url.clone());
        if !arguments.method.is_safe() {
            let key = format!("{}/{}", context.run_id, context.call_id);
            let key = HeaderValue::from_str(&key)
                .map_err(|_| failed("the call's id can't be sent as an Idempotency-Key"))?;
            request = request.header("idempotency-key", key);
            request = request.header("postroom-fence", context.fence);
        }
        if let Some(body) = &arguments.body {
            let kind = arguments.content_type.as_deref().unwrap_or("application/json");
            let kind = HeaderValue::from_str(kind)
                .map_err(|_| invalid("content_type: that is no media type"))?;
            request = request.header(CONTENT_TYPE, kind).body(body.clone());
        }
        request.send().await.map_err(|error| unreachable(url, &error))
    }

    fn parse(&self, arguments: Value) -> Result<(Url, Arguments), ToolError> {
        let arguments: Arguments = read_arguments(arguments)?;
        if !self.config.methods.contains(&arguments.method) {
            let allowed = json!(self.config.methods);
            return Err(invalid(&format!("method: the methods are {allowed}")));
        }
        if arguments.body.is_some() && !arguments.method.has_body() {
            return Err(invalid("body: the method has none"));
        }
        let url = Url::parse(&arguments.url)
            .map_err(|error| invalid(&format!("url: {error}; give a whole URL")))?;
        Ok((url, arguments))
    }

    async fn fetch(&self, arguments: Value, context: &ToolContext) -> Result<Value, ToolError> {
        let (url, arguments) = self.parse(arguments)?;
        let (mut response, url) = self.request(url, &arguments, context).await?;
        let kind = ContentType::of(&response);
        let length = content_length(&response);
        let mut answer = json!({"status": response.status().as_u16(), "url": url.as_str()});
        if let Some(kind) = &kind {
            answer["content_type"] = kind.whole.as_str().into();
        }
        if let Some(location) = header(&response, LOCATION.as_str()) {
            answer["location"] = location.into();
        }
        if arguments.method == Method::Head {
            answer["content_length"] = length.into();
            return Ok(answer);
        }
        if let Some(kind) = kind.as_ref().filter(|kind| !kind.is_textual()) {
            return Err(binary(&kind.whole, length));
        }
        let text = body::read(&mut response, kind.as_ref(), self.config.max_bytes).await;
        let text = text.map_err(|error| {
            failed(&format!("the answer of `{url}` ended in the middle: {}", cause(&error)))
        })?;
        let text = text.ok_or_else(|| binary("of no type that it says", length))?;
        answer["text"] = text.text.into();
        if text.truncated {
            answer["truncated"] = true.into();
        }
        Ok(answer)
    }
}

#[async_trait]
impl Tool for HttpFetch {
    fn name(&self) -> &'static str {
        "http_fetch"
    }

    fn description(&self) -> &str {
        &self.description
    }

    fn schema(&self) -> Value {
        let mut properties = json!({
            "url": {"type": "string", "description": "The whole URL: http or https."},
            "method": {"type": "string", "enum": self.config.methods, "description": "GET unless said."},
        });
        if self.config.methods.iter().any(|method| method.has_body()) {
            properties["body"] = json!({"type": "string", "description": "What is sent."});
            properties["content_type"] = json!({
                "type": "string",
                "description": "The media type of the body; application/json unless said.",
            });
        }
        json!({
            "type": "object",
            "properties": properties,
            "required": ["url"],
            "additionalProperties": false,
        })
    }

    /// Not every server knows an `Idempotency-Key`: where a model may post, a person decides what
    /// becomes of a request that a crash cut off.
    fn repeatable(&self) -> bool {
        self.config.methods.iter().all(|method| method.is_idempotent())
    }

    fn limits(&self) -> ToolLimits {
        let bytes = self.config.max_bytes.saturating_mul(JSON_BYTES_PER_BYTE);
        ToolLimits {
            time: Some(self.timeout() + TIME_TO_SAY_SO),
            output_bytes: Some(bytes.saturating_add(ANSWER_BYTES)),
        }
    }

    async fn call(&self, arguments: Value, context: ToolContext) -> Result<Value, ToolError> {
        tokio::select! {
            biased;
            () = context.cancelled() => Err(failed("the request was cancelled")),
            fetched = tokio::time::timeout(self.timeout(), self.fetch(arguments, &context)) => {
                fetched.unwrap_or_else(|_| Err(failed(&format!(
                    "there was no whole answer within {} ms",
                    self.config.timeout_ms
                ))))
            }
        }
    }
}

impl HttpFetch {
    fn timeout(&self) -> Duration {
        Duration::from_millis(self.config.timeout_ms)
    }
}

/// Where the response says to look instead; only for methods that read, since the others would do
/// somewhere else what was asked for here.
fn redirect(response: &Response, method: Method) -> Option<&str> {
    let moved = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    if !moved || !method.is_safe() {
        return None;
    }
    header(response, LOCATION.as_str())
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

fn content_length(response: &Response) -> Option<u64> {
    header(response, CONTENT_LENGTH.as_str())?.parse().ok()
}

fn failed(error: &str) -> ToolError {
    ToolError::Failed(error.to_owned())
}

fn invalid(error: &str) -> ToolError {
    ToolError::InvalidArguments(error.to_owned())
}

fn binary(kind: &str, length: Option<u64>) -> ToolError {
    let size = length.map_or("an unknown number of".to_owned(), |bytes| bytes.to_string());
    failed(&format!("the answer is not text but {kind}, {size} bytes: it can't be shown"))
}

fn unreachable(url: &Url, error: &reqwest::Error) -> ToolError {
    let host = url.host_str().unwrap_or_default();
    failed(&format!("`{host}` can't be reached: {}", cause(error)))
}

/// What is at the bottom of an error: our own refusal, or what the network said.
fn cause(error: &reqwest::Error) -> String {
    let mut deepest: &(dyn Error + 'static) = error;
    while let Some(source) = deepest.source() {
        if let Some(refused) = source.downcast_ref::<Refused>() {
            return refused.to_string();
        }
        deepest = source;
    }
    deepest.to_string()
}

//! `[telemetry]`: where traces go. What the file leaves open, OpenTelemetry's own variables say.

use std::path::PathBuf;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::secrets::is_variable;
use super::{Invalid, Loaded, Origin};

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
const RESOURCE_ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
const DISABLED: &str = "OTEL_SDK_DISABLED";

/// `[telemetry]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// The collector's address; its path for traces is put behind it. Left out, the variable says it;
    /// empty, nothing is traced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<String>,
    /// The environment variable with the headers that the collector wants to see.
    pub headers_env: String,
    /// The file with them, instead of a variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers_file: Option<PathBuf>,
    /// What the collector is to call this service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// The share of the traces begun here that is kept.
    pub sampled_share: f64,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            headers_env: HEADERS.to_owned(),
            headers_file: None,
            service_name: None,
            sampled_share: 1.0,
        }
    }
}

/// How traces are exported. It holds secrets, and has no form to be shown in.
pub struct Otlp {
    /// Where spans are posted to.
    pub traces_url: Url,
    /// What is sent with them.
    pub headers: HeaderMap,
    /// What the collector is to call this service.
    pub service_name: String,
    /// The share of the traces begun here that is kept.
    pub sampled_share: f64,
}

impl Loaded {
    /// What is wrong with the section by itself.
    pub(super) fn check_telemetry(&self) -> Result<(), Invalid> {
        let telemetry = &self.config.telemetry;
        if let Some(endpoint) = telemetry.otlp_endpoint.as_deref().filter(|url| !url.is_empty()) {
            traces_url(endpoint)
                .map_err(|problem| self.invalid("telemetry.otlp_endpoint", problem))?;
        }
        // It is not repeated: somebody may have written the headers themselves there.
        if !is_variable(&telemetry.headers_env) {
            let problem = "write the name of the environment variable that holds the headers, such \
                           as OTEL_EXPORTER_OTLP_HEADERS";
            return Err(self.invalid("telemetry.headers_env", problem));
        }
        if !(0.0..=1.0).contains(&telemetry.sampled_share) {
            let problem = "write a number from 0 (none) to 1 (all)";
            return Err(self.invalid("telemetry.sampled_share", problem));
        }
        Ok(())
    }

    /// How traces are exported, with what `env` knows; `None` where nobody wants them.
    ///
    /// # Errors
    /// Where an address is none, or the headers can't be read.
    pub fn otlp(&self, env: impl Fn(&str) -> Option<String>) -> Result<Option<Otlp>, Invalid> {
        let env = |name: &str| env(name).filter(|value| !value.trim().is_empty());
        let telemetry = &self.config.telemetry;
        if env(DISABLED).is_some_and(|value| value.trim().eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let traces_url = match &telemetry.otlp_endpoint {
            Some(none) if none.is_empty() => return Ok(None),
            Some(url) => traces_url(url)
                .map_err(|problem| self.invalid("telemetry.otlp_endpoint", problem))?,
            None => {
                let Some(url) = env(ENDPOINT) else { return Ok(None) };
                let place = Origin::Variable(ENDPOINT.to_owned());
                traces_url(&url).map_err(|problem| Invalid::new(Some(place), None, problem))?
            }
        };
        let service_name = telemetry.service_name.clone().or_else(|| env(SERVICE_NAME));
        let service_name = service_name.or_else(|| named_in(&env(RESOURCE_ATTRIBUTES)?));
        Ok(Some(Otlp {
            traces_url,
            headers: self.otlp_headers(env)?,
            service_name: service_name.unwrap_or_else(|| "postroom".to_owned()),
            sampled_share: telemetry.sampled_share,
        }))
    }

    fn otlp_headers(&self, env: impl Fn(&str) -> Option<String>) -> Result<HeaderMap, Invalid> {
        let telemetry = &self.config.telemetry;
        let (key, text) = match &telemetry.headers_file {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    let problem = format!("{}: {error}", path.display());
                    self.invalid("telemetry.headers_file", problem)
                })?;
                ("telemetry.headers_file", Some(text))
            }
            None => ("telemetry.headers_env", env(&telemetry.headers_env)),
        };
        headers(text.as_deref().unwrap_or_default()).ok_or_else(|| {
            // Never what is there: it is a secret.
            let problem = match &telemetry.headers_file {
                Some(path) => format!("{} does not hold NAME=VALUE, …", path.display()),
                None => {
                    format!("the variable {} does not hold NAME=VALUE,…", telemetry.headers_env)
                }
            };
            self.invalid(key, problem)
        })
    }
}

/// Where a collector at this address takes traces.
fn traces_url(endpoint: &str) -> Result<Url, String> {
    let help = "write http://HOST:PORT or https://HOST:PORT, of a collector's OTLP over HTTP";
    let url = Url::parse(&format!("{}/v1/traces", endpoint.trim().trim_end_matches('/')));
    let url = url.map_err(|error| format!("{error}: {help}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(help.to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(format!("it must not hold a password or a query: use headers; {help}"));
    }
    Ok(url)
}

/// Headers as OpenTelemetry writes them: `NAME=VALUE`, divided by commas, values percent-encoded.
fn headers(text: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let name: HeaderName = name.trim().parse().ok()?;
        let mut value = HeaderValue::from_bytes(&decoded(value.trim())?).ok()?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Some(headers)
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let code =
            part.get(..2).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    Some(bytes)
}

/// The service's name among attributes of a resource.
fn named_in(attributes: &str) -> Option<String> {
    let mut pairs = attributes.split(',').filter_map(|pair| pair.split_once('='));
    let (_, name) = pairs.find(|(key, _)| key.trim() == "service.name")?;
    String::from_utf8(decoded(name.trim())?).ok()
}

#[cfg(test)]
mod tests {
    use super::super::tests::load;
    use super::*;

    fn otlp(file: &str, env: &[(&str, &str)]) -> Result<Option<Otlp>, String> {
        let known = |name: &str| {
            env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        load(file, &[], &[])?.otlp(known).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_traced_unless_somebody_says_where_to() {
        assert!(otlp("", &[]).unwrap().is_none());
        assert!(otlp("", &[(ENDPOINT, " ")]).unwrap().is_none());
        assert!(otlp("", &[(ENDPOINT, "http://c:4318"), (DISABLED, "TRUE")]).unwrap().is_none());
        let off = "[telemetry]\notlp_endpoint = \"\"\n";
        assert!(otlp(off, &[(ENDPOINT, "http://c:4318")]).unwrap().is_none());
    }

    #[test]
    fn the_file_stands_over_the_variables() {
        let env = [
            (ENDPOINT, "http://variable:4318/"),
            (HEADERS, "authorization=Bearer%20abc, x-team = blue"),
            (SERVICE_NAME, "by variable"),
        ];
        let by_variable = otlp("", &env).unwrap().unwrap();
        assert_eq!(by_variable.traces_url.as_str(), "http://variable:4318/v1/traces");
        assert_eq!(by_variable.headers["authorization"], "Bearer abc");
        assert_eq!(by_variable.headers["x-team"], "blue");
        assert_eq!(by_variable.service_name, "by variable");

        let file = "[telemetry]\notlp_endpoint = \"https://file/otlp\"\nservice_name = \"file\"\n\
                    sampled_share = 0.25\nheaders_env = \"MY_HEADERS\"\n";
        let by_file = otlp(file, &env).unwrap().unwrap();
        assert_eq!(by_file.traces_url.as_str(), "https://file/otlp/v1/traces");
        assert_eq!(by_file.service_name, "file");
        assert!(by_file.headers.is_empty());
        assert!((by_file.sampled_share - 0.25).abs() < f64::EPSILON);
    }

    #[test]
    fn a_name_among_the_attributes_is_one() {
        let attributes = (RESOURCE_ATTRIBUTES, "a=b,service.name=my%20room");
        let named = otlp("", &[(ENDPOINT, "http://c"), attributes]).unwrap().unwrap();
        assert_eq!(named.service_name, "my room");
        let unnamed = otlp("", &[(ENDPOINT, "http://c")]).unwrap().unwrap();
        assert_eq!(unnamed.service_name, "postroom");
    }

    #[test]
    fn what_is_wrong_is_said_without_a_secret() {
        let refused = |file: &str, env: &[(&str, &str)]| {
            let said = otlp(file, env).err().unwrap_or_else(|| panic!("{file} was taken"));
            assert!(!said.contains("s3cret"), "{said}");
            said
        };
        let section = |line: &str| format!("[telemetry]\n{line}\n");
        for (line, wanted) in [
            ("otlp_endpoint = \"collector:4318\"", "telemetry.otlp_endpoint: write http://"),
            ("otlp_endpoint = \"http://u:s3cret@c\"", "it must not hold a password"),
            ("headers_env = \"authorization=s3cret\"", "telemetry.headers_env: write the name"),
            ("sampled_share = 1.5", "telemetry.sampled_share: write a number"),
            ("sampled_share = nan", "telemetry.sampled_share: write a number"),
        ] {
            let said = refused(&section(line), &[]);
            assert!(said.starts_with("p.toml:2: ") && said.contains(wanted), "{said}");
        }
        let said = refused("", &[(ENDPOINT, "grpc://c:4317")]);
        assert!(said.starts_with(&format!("environment variable {ENDPOINT}: ")), "{said}");
        for headers in ["s3cret", "a=%zzs3cret", "a b=s3cret", "a=s3cret\u{1}"] {
            let said = refused("", &[(ENDPOINT, "http://c"), (HEADERS, headers)]);
            assert!(said.contains("does not hold NAME=VALUE"), "{said}");
        }
    }
}

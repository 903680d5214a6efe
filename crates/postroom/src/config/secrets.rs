//! Keeping secrets out of what is shown.

use toml::{Table, Value};

/// What stands in a secret's place.
const HIDDEN: &str = "***";

/// Parameters of a URL whose values are secrets.
const SECRET_PARAMETERS: [&str; 6] = ["password", "passwd", "pass", "token", "secret", "key"];

/// Settings that name the variable of a secret.
const NAMES_A_VARIABLE: [&str; 3] = ["api_key_env", "headers_env", "secret_env"];

/// Hides the password in a URL, and the values of parameters that are secrets. Other text stays.
pub fn without_secrets(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{name}:{HIDDEN}@{host}"),
            None => authority.to_owned(),
        },
        None => authority.to_owned(),
    };
    let tail = match tail.split_once('?') {
        Some((path, query)) => {
            let parameters: Vec<String> = query.split('&').map(parameter).collect();
            format!("{path}?{}", parameters.join("&"))
        }
        None => tail.to_owned(),
    };
    format!("{scheme}://{authority}{tail}")
}

fn parameter(text: &str) -> String {
    match text.split_once('=') {
        Some((name, _)) if SECRET_PARAMETERS.iter().any(|secret| name.contains(secret)) => {
            format!("{name}={HIDDEN}")
        }
        _ => text.to_owned(),
    }
}

/// Hides every secret in a table.
pub(super) fn hide(table: &mut Table) {
    for (key, value) in table.iter_mut() {
        hide_in(key, value);
    }
}

fn hide_in(key: &str, value: &mut Value) {
    match value {
        // Somebody may have written the key itself where its variable's name belongs.
        Value::String(text) if NAMES_A_VARIABLE.contains(&key) && !is_variable(text) => {
            HIDDEN.clone_into(text);
        }
        Value::String(text) => *text = without_secrets(text),
        Value::Table(inner) => hide(inner),
        Value::Array(items) => items.iter_mut().for_each(|item| hide_in(key, item)),
        _ => {}
    }
}

pub(super) fn is_variable(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

//! The log: on standard error, so that standard output is for what was asked.

mod json;

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::JsonFields;

use crate::config::LogFormat;
use json::JsonLines;

/// Begins to log what `RUST_LOG` asks for, or all that is of interest.
pub(super) fn start(format: LogFormat) -> anyhow::Result<()> {
    let wanted = std::env::var("RUST_LOG").ok().filter(|wanted| !wanted.trim().is_empty());
    let wanted = wanted.as_deref().unwrap_or("info,rmcp=warn");
    let filter = EnvFilter::try_new(wanted)
        .with_context(|| format!("environment variable RUST_LOG: `{wanted}` can't be read"))?
        // The model client logs what providers send, which may repeat a key. What matters of it is
        // in the events and errors of runs, cleaned.
        .add_directive("genai=off".parse()?);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => {
            let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                && std::io::stderr().is_terminal();
            log.with_ansi(colour).with_target(false).init();
        }
        LogFormat::Json => log.fmt_fields(JsonFields::new()).event_format(JsonLines).init(),
    }
    Ok(())
}

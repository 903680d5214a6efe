//! `postroom openapi`

use std::process::ExitCode;

use crate::output::print;

/// Prints the OpenAPI document of the HTTP API of this version.
pub fn run() -> anyhow::Result<ExitCode> {
    print(&serde_json::to_string_pretty(&postroom_server::openapi())?)?;
    print("\n")?;
    Ok(ExitCode::SUCCESS)
}

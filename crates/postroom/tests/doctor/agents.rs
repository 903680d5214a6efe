//! Faults of agents, models and MCP servers.

use std::path::PathBuf;

use postroom_testbed::port;

use super::{broken, doctor, finds_in, is_well};
use crate::support::{Home, finish};

#[tokio::test]
async fn names_of_what_is_not_there_are_found_all_at_once() {
    let config = "[models.odd]\nprovider = \"oracle-of-delphi\"\nmodel = \"pythia\"\n\
                  [agents.a]\nmodel = \"huge\"\n\
                  [agents.b]\nmodel = \"demo\"\ntools = [\"clokc\"]\n\
                  [agents.c]\nmodel = \"demo\"\ntools = [\"delegate:nobody\"]\n";
    let wanted = [
        broken("models", "there is no provider `oracle-of-delphi`", "correct it in postroom.toml"),
        broken(
            "agents",
            "postroom.toml:5: agents.a.model: there is no model `huge`",
            "correct it in postroom.toml",
        ),
        broken("agents", "agents.b.tools: there is no tool `clokc`", "correct it in postroom.toml"),
        broken("agents", "`delegate:nobody` names no agent", "correct it in postroom.toml"),
    ];
    finds_in(config, &wanted).await;
}

const MODEL: &str = "[models.small]\nprovider = \"openai\"\nmodel = \"m\"\n";

#[tokio::test]
async fn a_model_without_its_key() {
    finds_in(MODEL, &[broken("models", "OPENAI_API_KEY is not set", "set OPENAI_API_KEY")]).await;
    let home = Home::with_config(MODEL);
    let mut command = doctor(&home, &[]);
    command.env("OPENAI_API_KEY", "sk-secret-canary");
    let said = finish(command).await;
    is_well(&said);
    assert!(!said.stdout.contains("canary"));
}

#[tokio::test]
async fn a_model_at_an_address_where_nobody_is() {
    let config = format!("{MODEL}base_url = \"http://127.0.0.1:{}/v1\"\n", port::free().unwrap());
    let wanted = broken("models", "nobody answers at 127.0.0.1:", "correct models.small.base_url");
    finds_in(&config, &[wanted]).await;
}

#[tokio::test]
async fn an_mcp_server_that_is_not_installed() {
    let config = "[mcp.files]\ncommand = [\"no-such-program-anywhere\", \".\"]\n";
    let wanted =
        broken("mcp", "there is no program `no-such-program-anywhere`", "mcp.files.command");
    finds_in(config, &[wanted]).await;
}

#[tokio::test]
async fn an_mcp_server_that_ends_at_once_and_one_that_says_nothing() {
    let config = "[mcp.quick]\ncommand = [\"/bin/true\"]\n\
                  [mcp.mute]\ncommand = [\"/bin/sleep\", \"60\"]\nstart_timeout_ms = 300\n";
    let wanted = [
        broken("mcp", "MCP server `quick` can't be started", "run `/bin/true` by hand"),
        broken("mcp", "it did not answer within 300 ms", "run `/bin/sleep 60` by hand"),
    ];
    finds_in(config, &wanted).await;
}

/// The example of an MCP server: built beside the tests.
fn files_server() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("examples/files_server")
}

#[tokio::test]
async fn a_tool_that_its_mcp_server_does_not_have() {
    let server = files_server();
    let config = |tool: &str| {
        format!(
            "[mcp.files]\ncommand = [{server:?}, \".\"]\n\
             [agents.clerk]\nmodel = \"demo\"\ntools = [\"mcp:files/{tool}\"]\n"
        )
    };
    let home = Home::with_config(&config("*"));
    is_well(&finish(doctor(&home, &[])).await);
    let wanted =
        broken("agents", "`clerk`: `mcp:files/burn` fits none", "correct agents.clerk.tools");
    finds_in(&config("burn"), &[wanted]).await;
}

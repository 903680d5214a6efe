//! Starting a server that is a program.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;

use postroom_core::ports::Spawner;
use process_wrap::tokio::{CommandWrap, CommandWrapper, ProcessGroup};
use rmcp::transport::TokioChildProcess;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{ChildStderr, Command};

use crate::config::{EnvValues, McpConfig};
use crate::registry::Env;

/// What programs need to work at all. The rest of our environment, with the keys in it, is ours.
const HARMLESS: [&str; 10] =
    ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TERM", "TMPDIR"];

/// A longer line of its standard error is shown in pieces, in bytes.
const LINE_BYTES_MAX: u64 = 8 * 1024;

/// Starts the program; what it says on its standard error goes to the log.
///
/// # Errors
/// What the operating system says.
pub(super) fn start(
    name: &str,
    (program, arguments): (&str, &[String]),
    config: &McpConfig,
    env: &Env,
    spawner: &Arc<dyn Spawner>,
) -> std::io::Result<TokioChildProcess> {
    let mut command = Command::new(program);
    command.args(arguments).kill_on_drop(true);
    if let Some(cwd) = &config.cwd {
        command.current_dir(cwd);
    }
    let mut command = CommandWrap::from(command);
    // A launcher such as npx ends together with what it launched.
    command.wrap(ProcessGroup::leader()).wrap(Environment(environment(config, env)));
    let (process, stderr) = TokioChildProcess::builder(command).stderr(Stdio::piped()).spawn()?;
    if let Some(stderr) = stderr {
        spawner.spawn(Box::pin(log(name.to_owned(), stderr)));
    }
    Ok(process)
}

fn environment(config: &McpConfig, env: &Env) -> EnvValues {
    let inherited = HARMLESS.iter().copied().chain(config.inherit_env.iter().map(String::as_str));
    let mut values: BTreeMap<String, String> =
        inherited.filter_map(|name| Some((name.to_owned(), env(name)?))).collect();
    values.extend(config.env.0.clone());
    EnvValues(values)
}

/// Sets the environment, after the other wrappers: those write the command to the log.
#[derive(Debug)]
struct Environment(EnvValues);

impl CommandWrapper for Environment {
    fn pre_spawn(&mut self, command: &mut Command, _core: &CommandWrap) -> std::io::Result<()> {
        command.env_clear().envs(&self.0.0);
        Ok(())
    }
}

/// Reads to the end: a program whose standard error nobody reads stands still at some point.
async fn log(server: String, stderr: ChildStderr) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    while let Ok(read) = (&mut stderr).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await {
        if read == 0 {
            return;
        }
        tracing::debug!(server, "{}", String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
}

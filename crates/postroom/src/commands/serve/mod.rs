//! `postroom serve`: the server, from its configuration to its last log line.

mod draining;
mod listen;
mod log;
pub(crate) mod parts;
mod reload;
mod settings;
mod signals;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use postroom_agent::{AgentRegistry, Agents};
use postroom_server::Access;
use postroom_service::Postroom;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{DEFAULT_TOML, Flags, Loaded, without_secrets};
use crate::output::{is_broken_pipe, print};
use crate::telemetry::Telemetry;
pub(super) use listen::{bind, check_new_store};
use parts::OpenStore;
pub(super) use parts::registry_of;
use settings::Settings;
use signals::{Interrupts, Signal};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to serve, HOST:PORT; port 0 takes a free one [default: 127.0.0.1:8321]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Let anybody call who can reach the address, although there are no keys
    #[arg(long)]
    insecure_no_keys: bool,
    #[command(flatten)]
    config: Flags,
    /// Print the configuration that is in force, and where each value came from
    #[arg(long)]
    print_config: bool,
    /// Print all settings with their defaults, explained, as a configuration file
    #[arg(long, conflicts_with = "print_config")]
    print_default_config: bool,
}

/// Carries it out: until a signal ends it.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.print_default_config {
        print(DEFAULT_TOML)?;
        return Ok(ExitCode::SUCCESS);
    }
    let loaded = read(&args.config, args.listen, args.insecure_no_keys)?;
    let registry = parts::registry(&loaded)?;
    if args.print_config {
        print(&format!("{}{}", loaded.to_toml(), agents_in_force(&registry)))?;
        return Ok(ExitCode::SUCCESS);
    }
    log::start(loaded.config.log.format)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(serve(&loaded, registry));
    // Whatever still runs has nothing left that it could write.
    runtime.shutdown_background();
    code
}

fn read(flags: &Flags, listen: Option<String>, insecure: bool) -> anyhow::Result<Loaded> {
    let mut more = Vec::new();
    more.extend(listen.map(|listen| ("--listen", "server.listen", listen)));
    if insecure {
        more.push(("--insecure-no-keys", "server.insecure_no_keys", "true".to_owned()));
    }
    Ok(Loaded::read(flags, &more)?)
}

/// Without configured agents there is one all the same: says which.
fn agents_in_force(registry: &AgentRegistry) -> String {
    let agent = |agent: postroom_agent::AgentInfo| {
        format!("# {} on model {} ({})\n", agent.agent_id, agent.model, agent.provider)
    };
    let agents: Vec<String> = registry.agents().into_iter().map(agent).collect();
    format!("\n# Agents in force:\n{}", agents.concat())
}

async fn serve(loaded: &Loaded, registry: AgentRegistry) -> anyhow::Result<ExitCode> {
    // From here on a signal is an orderly end.
    let mut interrupts = Interrupts::listen()?;
    let (listener, address) = bind(loaded).await?;
    check_new_store(loaded, address)?;
    let store = OpenStore::open(loaded).await?;
    let access = parts::access(loaded, &store, address).await?;
    tracing::info!(store = %without_secrets(&loaded.config.store.url), %address, "starting");
    for problem in registry.problems() {
        tracing::warn!("{problem}");
    }
    let agents = Arc::new(Agents::new(registry));
    let settings = Arc::new(Settings::of(loaded));
    let node = parts::new_node();
    let otlp = loaded.otlp(|name| std::env::var(name).ok())?;
    let telemetry = otlp.map(|otlp| Telemetry::start(otlp, &node)).transpose()?;
    let tracer = telemetry.as_ref().map(Telemetry::tracer);
    let postroom = parts::postroom(loaded, node, agents.clone(), &store, tracer).await?;
    let server = Server::start(loaded, &agents, &settings, postroom, listener, access)?;

    let ended = tokio::select! {
        ended = server.until_signal(&mut interrupts) => ended,
        error = reload::keep_up(loaded, &agents, &settings) => Err(error),
    };
    let ended = match ended {
        Ok(signal) => server.drain(signal, &mut interrupts).await,
        Err(error) => Err(error),
    };
    agents.current().stop().await;
    store.close();
    if let Some(telemetry) = telemetry {
        telemetry.end().await;
    }
    ended
}

/// Everything that runs.
struct Server {
    postroom: Postroom,
    address: SocketAddr,
    /// What a command must say besides, where keys are required.
    key: &'static str,
    closing: CancellationToken,
    http: JoinHandle<()>,
    /// Writes when keys were last used.
    uses: JoinHandle<()>,
}

impl Server {
    #[expect(
        clippy::disallowed_methods,
        reason = "the binary owns the runtime and joins this task"
    )]
    fn start(
        loaded: &Loaded,
        agents: &Arc<Agents>,
        settings: &Arc<Settings>,
        postroom: Postroom,
        listener: TcpListener,
        access: Access,
    ) -> anyhow::Result<Self> {
        let address = listener.local_addr()?;
        let closing = CancellationToken::new();
        let posts_webhooks = parts::webhooks(loaded)?.is_some();
        if !address.ip().is_unspecified() {
            postroom.set_address(format!("http://{address}"));
        }
        let router = postroom_server::router(postroom_server::Options {
            postroom: postroom.clone(),
            agents: Arc::new({
                let agents = agents.clone();
                move || parts::agents(&agents.current())
            }),
            posts_webhooks,
            access: access.clone(),
            settings: Arc::new({
                let settings = settings.clone();
                move || settings.list()
            }),
            bound: address,
            origins: loaded.origins()?,
            closing: closing.clone(),
        });
        let key = if access.is_required() { "--key KEY " } else { "" };
        let uses = tokio::spawn(access.note_uses(closing.clone()));
        let router = draining::refuse_new(router, &postroom);
        let http = tokio::spawn(postroom_server::serve(listener, router, closing.clone()));
        Ok(Self { postroom, address, key, closing, http, uses })
    }

    /// Recovers, says that it is ready, and works.
    async fn until_signal(&self, interrupts: &mut Interrupts) -> anyhow::Result<Signal> {
        tokio::select! {
            started = self.postroom.start() => {
                started.context("the server can't start")?;
                self.announce()?;
            }
            signal = interrupts.next() => return Ok(signal),
        }
        Ok(interrupts.next().await)
    }

    /// The last line says where to open it.
    fn announce(&self) -> anyhow::Result<()> {
        let address = listen::to_open(self.address);
        let url =
            if address.port() == 8321 { String::new() } else { format!("--url http://{address} ") };
        let hello = format!(
            "Say hello from another terminal: postroom send {url}{key}\"hello\"\n\
             Postroom {} is ready: http://{address}\n",
            env!("CARGO_PKG_VERSION"),
            key = self.key,
        );
        match print(&hello).map_err(anyhow::Error::from) {
            // Whoever started it does not want to read.
            Err(error) if is_broken_pipe(&error) => Ok(()),
            printed => printed,
        }
    }

    /// Lets runs finish, and ends; a second signal ends at once.
    async fn drain(self, signal: Signal, interrupts: &mut Interrupts) -> anyhow::Result<ExitCode> {
        let drain_s = self.postroom.config().limits.drain_ms.div_ceil(1000);
        tracing::info!("{signal}: runs may finish for {drain_s} s; a second signal ends at once");
        let quiet = async {
            self.postroom.shutdown().await;
            // Only now: until here clients could see their runs end.
            self.closing.cancel();
            self.uses.await?;
            self.http.await
        };
        tokio::select! {
            served = quiet => {
                served.context("the HTTP server failed")?;
                Ok(ExitCode::SUCCESS)
            }
            second = interrupts.next() => {
                tracing::warn!("{second} again: ending at once; what was under way is recovered at the next start");
                // Nothing must delay it: no destructor, no task. What was promised is on the disk.
                std::process::exit(second.exit_status());
            }
        }
    }
}

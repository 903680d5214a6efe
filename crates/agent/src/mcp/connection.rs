//! A connection to a server that is running.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use postroom_core::ports::Spawner;
use rmcp::ServiceExt;
use rmcp::model::{self, CallToolRequest, CallToolRequestParams, CallToolResult, ClientRequest};
use rmcp::model::{RequestMetaObject, ServerResult};
use rmcp::service::{
    Peer, PeerRequestOptions, RequestHandle, RoleClient, RunningService, ServiceError,
};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::error;
use super::listener::Listener;
use super::{program, remote};
use crate::config::{Endpoint, McpConfig};
use crate::registry::Env;
use crate::tool::ToolContext;

/// How long a program may take to end by itself when we stop it.
const STOP_TIME: Duration = Duration::from_secs(10);

/// A connection. Dropped, the server behind it is stopped.
pub(super) struct Connection {
    peer: Peer<RoleClient>,
    listener: Listener,
    /// The tools as they were last listed.
    listed: Mutex<Option<Arc<[model::Tool]>>>,
    running: Mutex<RunningService<RoleClient, Listener>>,
    spawner: Arc<dyn Spawner>,
}

/// How a call ended that has no result.
pub(super) enum CallError {
    /// The server is gone, or can't be reached: what became of the call is not known.
    Lost(String),
    /// The call was cancelled, and the server told so.
    Cancelled,
    /// The server refused it.
    Refused(String),
}

impl Connection {
    /// Starts the server, or reaches it.
    ///
    /// # Errors
    /// What went wrong, without secrets.
    pub async fn open(
        name: &str,
        endpoint: &Endpoint,
        config: &McpConfig,
        env: &Env,
        spawner: Arc<dyn Spawner>,
    ) -> Result<Self, String> {
        let listener = Listener::default();
        let running = match endpoint {
            Endpoint::Command { program, arguments } => {
                let process = program::start(name, (program, arguments), config, env, &spawner)
                    .map_err(|error| format!("`{program}`: {error}"))?;
                listener.clone().serve(process).await
            }
            Endpoint::Url(url) => {
                listener.clone().serve(remote::transport(url, config, env)?).await
            }
        };
        let running = running.map_err(|failed| error::of_start(&failed))?;
        Ok(Self {
            peer: running.peer().clone(),
            listener,
            listed: Mutex::default(),
            running: Mutex::new(running),
            spawner,
        })
    }

    pub fn is_closed(&self) -> bool {
        self.peer.is_transport_closed()
    }

    /// The server's tools: those last listed, unless it has said since that they changed.
    pub async fn tools(&self) -> Result<Arc<[model::Tool]>, String> {
        let mut listed = self.listed.lock().await;
        let changed = self.listener.tools_changed.swap(false, Ordering::AcqRel);
        if let Some(tools) = listed.as_ref().filter(|_| !changed) {
            return Ok(tools.clone());
        }
        // Gone if this future is: what has changed would not be asked for again.
        *listed = None;
        let tools = self.peer.list_all_tools().await;
        let tools = tools.map_err(|failed| error::of_request(&failed))?;
        let tools: Arc<[model::Tool]> = tools.into();
        *listed = Some(tools.clone());
        Ok(tools)
    }

    /// Calls the tool, and shows its progress as output.
    pub async fn call(
        &self,
        tool: &str,
        arguments: Map<String, Value>,
        context: &ToolContext,
    ) -> Result<CallToolResult, CallError> {
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        let options = PeerRequestOptions::no_options().with_meta(meta(context));
        let sent = async {
            let handle = self.peer.send_cancellable_request(request, options).await?;
            Ok::<_, ServiceError>((handle.progress_token.clone(), handle))
        };
        let (handle, mut progress) =
            self.listener.progress.of(sent).await.map_err(CallError::from)?;
        let mut call = UnansweredCall { handle: Some(handle), spawner: &self.spawner };
        let result = loop {
            tokio::select! {
                biased;
                () = context.cancelled() => return Err(CallError::Cancelled),
                Some(notice) = progress.recv() => context.output(&notice).await,
                result = call.answer() => break result?,
            }
        };
        match result {
            ServerResult::CallToolResult(result) => Ok(result),
            _ => Err(CallError::Refused("the server's answer is not that of a tool".to_owned())),
        }
    }

    /// Stops the server, and waits until it has ended.
    pub async fn stop(&self) {
        // An error is a panic in the task that ends now.
        let _ = self.running.lock().await.close_with_timeout(STOP_TIME).await;
    }
}

impl From<ServiceError> for CallError {
    fn from(failed: ServiceError) -> Self {
        match failed {
            ServiceError::TransportClosed | ServiceError::TransportSend(_) => {
                Self::Lost(error::of_request(&failed))
            }
            ServiceError::McpError(error) => Self::Refused(error.message.into_owned()),
            other => Self::Refused(other.to_string()),
        }
    }
}

/// What the server needs to recognise a repetition, and the late call of an earlier attempt.
fn meta(context: &ToolContext) -> RequestMetaObject {
    let mut meta = RequestMetaObject::new();
    let mut say = |key: &str, value: Value| meta.0.0.insert(format!("postroom/{key}"), value);
    say("tool_call_id", context.call_id.to_string().into());
    say("fence", context.fence.into());
    say("run_id", context.run_id.to_string().into());
    say("thread_id", context.thread_id.to_string().into());
    // Under the name that the protocol has for it.
    if let Some(trace) = context.span.place() {
        meta.0.0.insert("traceparent".to_owned(), trace.to_string().into());
    }
    meta
}

/// A call that the server is told about when nobody waits for its answer any more.
struct UnansweredCall<'a> {
    handle: Option<RequestHandle<RoleClient>>,
    spawner: &'a Arc<dyn Spawner>,
}

impl UnansweredCall<'_> {
    async fn answer(&mut self) -> Result<ServerResult, CallError> {
        let Some(handle) = &mut self.handle else {
            return Err(ServiceError::TransportClosed.into());
        };
        let answer = (&mut handle.rx).await;
        self.handle = None;
        // Without a sender there is no connection.
        answer.map_err(|_| ServiceError::TransportClosed)?.map_err(CallError::from)
    }
}

impl Drop for UnansweredCall<'_> {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            let cancel = async move {
                // If the connection is gone, so is the call.
                let _ = handle.cancel(Some("the call was cancelled".to_owned())).await;
            };
            self.spawner.spawn(Box::pin(cancel));
        }
    }
}

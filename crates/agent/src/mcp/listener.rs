//! Hears what a server says of itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rmcp::ClientHandler;
use rmcp::model::{
    ClientCapabilities, ClientConfig, Implementation, ProgressNotificationParam, ProgressToken,
};
use rmcp::service::{NotificationContext, RoleClient};
use tokio::sync::{Mutex, mpsc};

/// So many notices of progress wait to be shown; what comes on top of them is left out.
const PROGRESS_MAX: usize = 64;

/// Who waits for the progress of a call, by its token.
type Waiting = HashMap<ProgressToken, mpsc::Sender<String>>;

/// Hears the notifications of one connection.
#[derive(Clone, Default)]
pub(super) struct Listener {
    pub progress: Progress,
    /// Whether the tools have changed since they were last listed.
    pub tools_changed: Arc<AtomicBool>,
}

/// The progress of calls, as it is told.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<Mutex<Waiting>>);

impl Progress {
    /// Makes a request whose progress is heard from its first notice on: nothing is handed on
    /// until the token is known that `request` answers.
    pub async fn of<T, E>(
        &self,
        request: impl Future<Output = Result<(ProgressToken, T), E>>,
    ) -> Result<(T, mpsc::Receiver<String>), E> {
        let mut waiting = self.0.lock().await;
        waiting.retain(|_, listener| !listener.is_closed());
        let (token, requested) = request.await?;
        let (sender, receiver) = mpsc::channel(PROGRESS_MAX);
        waiting.insert(token, sender);
        Ok((requested, receiver))
    }

    async fn tell(&self, notice: ProgressNotificationParam) {
        let waiting = self.0.lock().await;
        if let Some(listener) = waiting.get(&notice.progress_token) {
            // Full: the next one says more than this one did.
            let _ = listener.try_send(told(&notice));
        }
    }
}

fn told(notice: &ProgressNotificationParam) -> String {
    match (&notice.message, notice.total) {
        (Some(message), _) => format!("{message}\n"),
        (None, Some(total)) => format!("{} of {total}\n", notice.progress),
        (None, None) => format!("{}\n", notice.progress),
    }
}

impl ClientHandler for Listener {
    async fn on_progress(
        &self,
        notice: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.progress.tell(notice).await;
    }

    async fn on_tool_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.tools_changed.store(true, Ordering::Release);
    }

    fn get_info(&self) -> ClientConfig {
        let us = Implementation::new("postroom", env!("CARGO_PKG_VERSION"));
        ClientConfig::new(ClientCapabilities::default(), us)
    }
}

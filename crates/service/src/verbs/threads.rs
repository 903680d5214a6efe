//! Threads, and what is pending in them.

use postroom_core::command::{Command, CreateThread};
use postroom_core::id::{MessageId, ThreadId};
use postroom_core::message::{Content, Metadata};

use crate::Postroom;
use crate::error::Error;
use crate::node::Done;

impl Postroom {
    /// Creates a thread without work; without an id it gets a new one.
    ///
    /// # Errors
    /// [`ThreadExists`](postroom_core::error::Refusal::ThreadExists).
    pub async fn create_thread(
        &self,
        thread_id: Option<ThreadId>,
        create: CreateThread,
    ) -> Result<ThreadId, Error> {
        if let Some(parent) = &create.parent {
            self.check_parent_thread(parent).await?;
        }
        let thread_id = thread_id.unwrap_or_else(|| self.inner.ids.new_uuid().into());
        self.change(&thread_id, Command::CreateThread(create)).await?;
        Ok(thread_id)
    }

    /// Replaces keys of a thread's metadata; a null takes a key away.
    ///
    /// # Errors
    /// Where the thread is unknown.
    pub async fn patch_thread(
        &self,
        thread_id: &ThreadId,
        metadata: Metadata,
    ) -> Result<(), Error> {
        self.change(thread_id, Command::PatchThread { metadata }).await
    }

    /// Removes an idle thread with all that belongs to it.
    ///
    /// # Errors
    /// Where the thread is unknown or has work.
    pub async fn delete_thread(&self, thread_id: &ThreadId) -> Result<(), Error> {
        self.change(thread_id, Command::DeleteThread).await
    }

    /// Replaces the content of a message that no model has read yet.
    ///
    /// # Errors
    /// [`AlreadyConsumed`](postroom_core::error::Refusal::AlreadyConsumed) where one has.
    pub async fn edit_pending(
        &self,
        thread_id: &ThreadId,
        message_id: &MessageId,
        content: Content,
    ) -> Result<(), Error> {
        let message_id = message_id.clone();
        self.change(thread_id, Command::EditPending { message_id, content }).await
    }

    /// Takes back a message that no model has read yet.
    ///
    /// # Errors
    /// [`AlreadyConsumed`](postroom_core::error::Refusal::AlreadyConsumed) where one has.
    pub async fn retract_pending(
        &self,
        thread_id: &ThreadId,
        message_id: &MessageId,
    ) -> Result<(), Error> {
        let message_id = message_id.clone();
        self.change(thread_id, Command::RetractPending { message_id }).await
    }

    /// Puts the thread's pending messages in this order; all of them must be named.
    ///
    /// # Errors
    /// Where one is unknown, missing or already read, or would overtake a barrier.
    pub async fn reorder_pending(
        &self,
        thread_id: &ThreadId,
        message_ids: Vec<MessageId>,
    ) -> Result<(), Error> {
        self.change(thread_id, Command::ReorderPending { message_ids }).await
    }

    /// A command whose answer is only that it was carried out.
    async fn change(&self, thread_id: &ThreadId, command: Command) -> Result<(), Error> {
        self.inner.lifecycle.accepts()?;
        let envelope = self.envelope(thread_id.clone(), command);
        // What a message that is taken back kept from a run that waits may be read now.
        let may_free = matches!(envelope.command, Command::RetractPending { .. });
        self.inner
            .carry_through(move |node| async move {
                match node.apply_one(envelope).await {
                    Ok(_) => {
                        if may_free {
                            node.ready.mark();
                        }
                        Done::well(())
                    }
                    Err(error) => Done::failed(error),
                }
            })
            .await
    }
}

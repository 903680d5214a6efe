//! Stores that stand in front of another: they count, fail, lose or delay what goes through.

use futures::FutureExt;

/// The answer of a store that answers at once, as the memory store does.
///
/// # Panics
/// Where it does not.
pub fn at_once<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().expect("this store answers at once")
}

/// Implements `MailboxStore` for a type that stands in front of a store which answers at once.
///
/// The writes are given; every read goes through the type's own
/// `async fn read<T>(&self, read: impl FnOnce(&Store) -> Result<T, StoreError>)`. What is read is
/// handed on with its arguments, so that it may be done later and elsewhere.
#[macro_export]
macro_rules! store_in_front {
    (impl MailboxStore for $front:ty { $($writes:tt)* }) => {
        $crate::every_read! { store_reads [$front { $($writes)* }] }
    };
}

/// Hands the list of all reads to the macro that implements them.
#[doc(hidden)]
#[macro_export]
macro_rules! every_read {
    ($implement:ident $store:tt) => {
        $crate::$implement! { $store
            now() -> ::postroom_core::time::Timestamp;
            thread(id: &::postroom_core::id::ThreadId = whole)
                -> Option<::postroom_core::thread::Thread>;
            threads(filter: &::postroom_core::ports::ThreadFilter = whole, limit: usize = copy, cursor: Option<&str> = text)
                -> ::postroom_core::ports::Page<::postroom_core::thread::Thread>;
            run(id: &::postroom_core::id::RunId = whole) -> Option<::postroom_core::run::Run>;
            runs(filter: &::postroom_core::ports::RunFilter = whole, limit: usize = copy, cursor: Option<&str> = text)
                -> ::postroom_core::ports::Page<::postroom_core::run::Run>;
            runs_waiting_for_tasks(after: Option<&::postroom_core::id::RunId> = maybe, limit: usize = copy)
                -> Vec<::postroom_core::run::Run>;
            runs_owing_reports(after: Option<&::postroom_core::id::RunId> = maybe, limit: usize = copy)
                -> Vec<::postroom_core::run::Run>;
            old_runs(ended_before: ::postroom_core::time::Timestamp = copy, cursor: Option<&str> = text, limit: usize = copy)
                -> ::postroom_core::ports::OldRuns;
            dispatch(id: ::postroom_core::id::DispatchId = copy)
                -> Option<::postroom_core::dispatch::Dispatch>;
            dispatches(filter: &::postroom_core::ports::DispatchFilter = whole, limit: usize = copy, cursor: Option<&str> = text)
                -> ::postroom_core::ports::Page<::postroom_core::dispatch::Dispatch>;
            messages(thread_id: &::postroom_core::id::ThreadId = whole, after_seq: u64 = copy, limit: usize = copy)
                -> Vec<::postroom_core::message::LogMessage>;
            prompt(thread_id: &::postroom_core::id::ThreadId = whole, run_id: &::postroom_core::id::RunId = whole)
                -> Vec<::postroom_core::message::LogMessage>;
            events(thread_id: &::postroom_core::id::ThreadId = whole, after_seq: u64 = copy, limit: usize = copy)
                -> Vec<::postroom_core::event::SharedEvent>;
            pending(thread_id: &::postroom_core::id::ThreadId = whole)
                -> Vec<::postroom_core::pending::Pending>;
            queued_thread_ids(after: Option<&::postroom_core::id::ThreadId> = maybe, limit: usize = copy)
                -> Vec<::postroom_core::id::ThreadId>;
            depth() -> ::postroom_core::ports::DepthByState;
            depth_of(tenant: &::postroom_core::id::TenantId = whole) -> ::postroom_core::ports::DepthByState;
            nodes() -> Vec<::postroom_core::node::NodeRecord>;
        }
    };
}

/// The implementation itself, once the reads are listed.
#[doc(hidden)]
#[macro_export]
macro_rules! store_reads {
    (
        [$front:ty { $($writes:tt)* }]
        $($name:ident($($argument:ident: $type:ty = $kind:ident),*) -> $answer:ty;)*
    ) => {
        #[::async_trait::async_trait]
        impl ::postroom_core::ports::MailboxStore for $front {
            $($writes)*

            $(async fn $name(&self $(, $argument: $type)*)
                -> Result<$answer, ::postroom_core::error::StoreError>
            {
                $(let $argument = $crate::store_argument!(keep $kind $argument);)*
                self.read(move |store| {
                    let asked = store.$name($($crate::store_argument!(give $kind $argument)),*);
                    $crate::front::at_once(asked)
                })
                .await
            })*
        }
    };
}

/// How an argument is kept for later, and given then.
#[doc(hidden)]
#[macro_export]
macro_rules! store_argument {
    (keep copy $argument:ident) => {
        $argument
    };
    (give copy $argument:ident) => {
        $argument
    };
    (keep whole $argument:ident) => {
        $argument.clone()
    };
    (give whole $argument:ident) => {
        &$argument
    };
    (keep maybe $argument:ident) => {
        $argument.cloned()
    };
    (give maybe $argument:ident) => {
        $argument.as_ref()
    };
    (keep text $argument:ident) => {
        $argument.map(str::to_owned)
    };
    (give text $argument:ident) => {
        $argument.as_deref()
    };
}

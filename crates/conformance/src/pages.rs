//! Lists as a caller reads them: page by page.

use postroom_core::dispatch::Dispatch;
use postroom_core::error::StoreError;
use postroom_core::ports::{DispatchFilter, Page, RunFilter, ThreadFilter};
use postroom_core::run::Run;
use postroom_core::thread::Thread;

use crate::world::World;

/// How many rows a page has at most: one, a few, all.
const LIMITS: [usize; 4] = [100, 1, 2, 3];

/// What `ask` lists, each row by its `name`. It is the same whatever the page's size, and all pages but
/// the last are full.
async fn listed<T>(
    ask: impl AsyncFn(usize, Option<&str>) -> Result<Page<T>, StoreError>,
    name: impl Fn(&T) -> String,
) -> Vec<String> {
    let mut lists = Vec::new();
    for limit in LIMITS {
        let (mut names, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let page = ask(limit, cursor.as_deref()).await.expect("a page");
            assert!(page.items.len() <= limit);
            assert!(page.next_cursor.is_none() || page.items.len() == limit, "a page is full");
            names.extend(page.items.iter().map(&name));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        lists.push(names);
    }
    let whole = lists.remove(0);
    for (list, limit) in lists.iter().zip(&LIMITS[1..]) {
        assert_eq!(*list, whole, "{limit} at a time");
    }
    whole
}

/// Threads, newest first.
pub(crate) async fn threads(
    world: &World,
    filter: &ThreadFilter,
    name: impl Fn(&Thread) -> String,
) -> Vec<String> {
    listed(async |limit, cursor| world.store.threads(filter, limit, cursor).await, name).await
}

/// Runs, newest first.
pub(crate) async fn runs(
    world: &World,
    filter: &RunFilter,
    name: impl Fn(&Run) -> String,
) -> Vec<String> {
    listed(async |limit, cursor| world.store.runs(filter, limit, cursor).await, name).await
}

/// Dispatches, newest first.
pub(crate) async fn dispatches(
    world: &World,
    filter: &DispatchFilter,
    name: impl Fn(&Dispatch) -> String,
) -> Vec<String> {
    listed(async |limit, cursor| world.store.dispatches(filter, limit, cursor).await, name).await
}

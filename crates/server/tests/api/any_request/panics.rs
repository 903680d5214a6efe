//! Panics of this thread, also those that a task swallows: the server answers nothing then, or a
//! task of the service is simply gone.

use std::cell::Cell;
use std::sync::Once;

thread_local! {
    static SEEN: Cell<u32> = const { Cell::new(0) };
}

/// From now on panics of this thread are counted, from none.
pub fn count() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            SEEN.set(SEEN.get() + 1);
            report(panic);
        }));
    });
    SEEN.set(0);
}

/// How many there were.
pub fn seen() -> u32 {
    SEEN.get()
}

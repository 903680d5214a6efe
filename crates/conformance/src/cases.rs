//! The cases as the tests run them: boxed here, so that their code is made once, with this crate, and
//! not again with every crate that runs them.

use std::pin::Pin;
use std::sync::Arc;

use postroom_core::ports::{AccessStore, EventFeed, LiveControl, Signals};

use crate::network::Nodes;
use crate::world::World;

/// A case under way: it panics where a port breaks its word.
pub type Case = Pin<Box<dyn Future<Output = ()>>>;

/// A module per file of cases, and in it a function per case.
#[doc(hidden)]
#[macro_export]
macro_rules! boxed {
    ($port:ident, $given:ty; $($file:ident: $($case:ident),+;)+) => {$(
        #[doc(hidden)]
        pub mod $file {
            use super::*;
            $(
                pub fn $case(given: $given) -> Case {
                    Box::pin($crate::$port::$file::$case(given))
                }
            )+
        }
    )+};
}

crate::store_cases! { boxed store, World }
crate::access_cases! { boxed port, Arc<dyn AccessStore> }
crate::signals_cases! { boxed port, Nodes<dyn Signals> }
crate::live_cases! { boxed port, Nodes<dyn LiveControl> }
crate::feed_cases! { boxed port, Nodes<dyn EventFeed> }

//! Reads go through the same line.

use futures::FutureExt;
use postroom_core::error::StoreError;

use super::{Kind, StoreLine};
use crate::world::World;

impl StoreLine {
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&World) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.call(Kind::Read, |world, _| read(world), Err).await
    }
}

/// The memory store answers at once.
pub(crate) fn at_once<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().expect("the memory store answers at once")
}

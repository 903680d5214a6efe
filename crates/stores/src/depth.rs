//! How transactions change the number of dispatches in each state.

use std::collections::BTreeMap;

use postroom_core::dispatch::DispatchState;
use postroom_core::id::TenantId;

/// By the order of [`DispatchState::ALL`].
pub(crate) type Counts = [i64; 6];

/// What a transaction does to the numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Depth {
    /// To those of all.
    pub(crate) total: Counts,
    /// To those of each tenant but the default one, which has what the others leave: nothing is
    /// written for it.
    pub(crate) tenants: BTreeMap<TenantId, Counts>,
}

impl Depth {
    /// Adds what one command has done.
    pub(crate) fn add(&mut self, tenant: &TenantId, counts: Counts) {
        if counts == [0; 6] {
            return;
        }
        plus(&mut self.total, counts);
        if !tenant.is_default() {
            plus(self.tenants.entry(tenant.clone()).or_default(), counts);
        }
    }

    /// Notes that a dispatch is gone.
    pub(crate) fn gone(&mut self, tenant: &TenantId, state: DispatchState) {
        let mut counts = [0; 6];
        counts[state as usize] = -1;
        self.add(tenant, counts);
    }

    /// Whether nothing has changed.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn plus(counts: &mut Counts, more: Counts) {
    for (count, more) in counts.iter_mut().zip(more) {
        *count += more;
    }
}

//! Turns: in a claim across threads, each tenant that has something ready gives one head after the
//! other, however much it has.

use std::collections::BTreeMap;

use postroom_core::command::ClaimRequest;
use postroom_core::dispatch::Priority;
use postroom_core::id::{TenantId, ThreadId};
use postroom_core::time::Timestamp;

/// Of how many more threads than can be claimed it is looked at what has become due: it takes its
/// place among what is ready. Else a tenant of which much is due at once would be all that is seen.
pub(crate) const DUE_BEYOND: usize = 64;

/// A thread in which something can perhaps be claimed.
pub(crate) struct Candidate {
    pub(crate) thread_id: ThreadId,
    pub(crate) tenant: TenantId,
    /// Whether it is one of the threads with delayed work.
    pub(crate) is_due: bool,
    /// The head's priority, since when it could start, and the thread's number: what orders it among
    /// others of its tenant.
    pub(crate) rank: (Priority, Timestamp, i64),
}

/// Where a tenant stands in the round: the default one before the others, and those by their names.
/// Whoever comes after the tenant that was served last goes first.
fn place<'t>(tenant: &'t TenantId, after: Option<&TenantId>) -> (bool, bool, &'t TenantId) {
    let is_later =
        after.is_none_or(|after| (!tenant.is_default(), tenant) > (!after.is_default(), after));
    (!is_later, !tenant.is_default(), tenant)
}

/// The tenants whose turn it is, and how many heads of each are to be looked at.
#[derive(Debug, Default)]
pub(crate) struct Turns(BTreeMap<TenantId, usize>);

impl Turns {
    /// Of tenants that have something ready, those whose turn it is in a claim of `limit` heads: no
    /// more tenants than heads, and no more of each than its share. So a claim costs the same however
    /// many there are.
    pub(crate) fn of(
        ready: impl IntoIterator<Item = TenantId>,
        request: &ClaimRequest,
        limit: usize,
    ) -> Self {
        let room = |tenant: &TenantId| request.tenants.of(tenant);
        let mut tenants: Vec<TenantId> =
            ready.into_iter().filter(|tenant| room(tenant) > 0).collect();
        let after = request.after_tenant.as_ref();
        tenants.sort_unstable_by(|one, other| place(one, after).cmp(&place(other, after)));
        tenants.truncate(limit);
        let share = limit.div_ceil(tenants.len().max(1));
        let shares = tenants.into_iter().map(|tenant| {
            let share = share.min(room(&tenant));
            (tenant, share)
        });
        Self(shares.collect())
    }

    /// Whose turn it is, and the share of each.
    pub(crate) fn shares(&self) -> impl Iterator<Item = (&TenantId, usize)> {
        self.0.iter().map(|(tenant, share)| (tenant, *share))
    }

    /// How many heads of `tenant` are to be looked at.
    pub(crate) fn share(&self, tenant: &TenantId) -> usize {
        self.0.get(tenant).copied().unwrap_or(0)
    }

    /// Puts candidates in the order in which they are served: what is most urgent of each tenant,
    /// then the next of each. What is beyond a tenant's share is left out, but for what is due.
    pub(crate) fn order(
        &self,
        mut candidates: Vec<Candidate>,
        after: Option<&TenantId>,
    ) -> Vec<Candidate> {
        candidates.sort_unstable_by_key(|candidate| candidate.rank);
        let mut taken: BTreeMap<TenantId, usize> = BTreeMap::new();
        candidates.retain(|candidate| {
            if candidate.is_due {
                return true;
            }
            let taken = taken.entry(candidate.tenant.clone()).or_default();
            *taken += 1;
            *taken <= self.share(&candidate.tenant)
        });
        let mut served: BTreeMap<TenantId, usize> = BTreeMap::new();
        let in_turn = candidates.into_iter().map(|candidate| {
            let turn = served.entry(candidate.tenant.clone()).or_default();
            *turn += 1;
            (*turn, candidate)
        });
        let mut in_turn: Vec<(usize, Candidate)> = in_turn.collect();
        in_turn.sort_by(|(turn, one), (other_turn, other)| {
            let places = || place(&one.tenant, after).cmp(&place(&other.tenant, after));
            turn.cmp(other_turn).then_with(places)
        });
        in_turn.into_iter().map(|(_, candidate)| candidate).collect()
    }

    /// Whether a tenant has perhaps more for a claim that is not full: its share was all that was
    /// looked at, and others had less than theirs.
    pub(crate) fn may_have_more(&self, found: &[Candidate], request: &ClaimRequest) -> bool {
        let ready = |tenant: &TenantId| {
            found.iter().filter(|one| !one.is_due && one.tenant == *tenant).count()
        };
        let mut cut = self.shares().filter(|(tenant, share)| *share < request.tenants.of(tenant));
        self.0.len() > 1 && cut.any(|(tenant, share)| ready(tenant) >= share)
    }
}

/// What is asked of a candidate once `claimed` of `limit` heads are claimed, if anything. What is due
/// takes its place in the queue even where it is not claimed.
pub(crate) fn request_for(
    candidate: &Candidate,
    request: &ClaimRequest,
    claimed: usize,
    limit: usize,
) -> Option<ClaimRequest> {
    if claimed < limit {
        return Some(request.clone());
    }
    let tenants = request.tenants.without(&candidate.tenant);
    candidate.is_due.then(|| ClaimRequest { tenants, ..request.clone() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use postroom_conformance::world::{request, thread};
    use postroom_core::command::TenantRooms;

    use super::*;

    fn tenant(name: &str) -> TenantId {
        TenantId::parse(name).unwrap()
    }

    fn after(name: Option<&str>) -> ClaimRequest {
        ClaimRequest { after_tenant: name.map(tenant), ..request("node") }
    }

    fn candidate(name: &str, number: i64) -> Candidate {
        Candidate {
            thread_id: thread(&format!("{name}{number}")),
            tenant: tenant(name),
            is_due: false,
            rank: (Priority::default(), Timestamp(0), number),
        }
    }

    fn names(candidates: &[Candidate]) -> Vec<String> {
        candidates.iter().map(|candidate| candidate.thread_id.to_string()).collect()
    }

    #[test]
    fn the_next_after_the_last_one_goes_first() {
        let all = ["blue", "default", "red", "alpha"].map(tenant);
        for (last, limit, expected) in [
            (None, 2, ["default", "alpha"]),
            (Some("default"), 2, ["alpha", "blue"]),
            (Some("alpha"), 2, ["blue", "red"]),
            (Some("blue"), 2, ["default", "red"]),
            (Some("red"), 2, ["default", "alpha"]),
            (Some("bless"), 2, ["blue", "red"]),
        ] {
            let turns = Turns::of(all.clone(), &after(last), limit);
            let chosen: Vec<String> = turns.shares().map(|(name, _)| name.to_string()).collect();
            let mut expected = expected.map(str::to_owned);
            expected.sort();
            assert_eq!(chosen, expected, "after {last:?}");
        }
    }

    #[test]
    fn a_share_is_no_more_than_there_is_room_for() {
        let rooms = Arc::from([(tenant("full"), 0), (tenant("red"), 2)]);
        let tenants = TenantRooms { named: rooms, ..TenantRooms::default() };
        let request = ClaimRequest { tenants, ..after(None) };
        let turns = Turns::of(["full", "red", "blue"].map(tenant), &request, 9);
        let shares: Vec<usize> =
            ["full", "red", "blue"].iter().map(|name| turns.share(&tenant(name))).collect();
        assert_eq!(shares, [0, 2, 5]);
    }

    #[test]
    fn tenants_take_turns_however_much_one_has() {
        let mut all: Vec<Candidate> = (1..=5).map(|number| candidate("blue", number)).collect();
        all.push(candidate("red", 9));
        let request = after(Some("blue"));
        let turns = Turns::of(["blue", "red"].map(tenant), &request, 4);
        let ordered = turns.order(all, request.after_tenant.as_ref());
        assert_eq!(names(&ordered), ["red9", "blue1", "blue2"]);
        assert!(turns.may_have_more(&ordered, &request), "blue was cut");

        let alone = Turns::of([tenant("blue")], &request, 4);
        let all = (1..=5).map(|number| candidate("blue", number)).collect();
        let ordered = alone.order(all, None);
        assert_eq!(names(&ordered), ["blue1", "blue2", "blue3", "blue4"]);
        assert!(!alone.may_have_more(&ordered, &request));
    }
}

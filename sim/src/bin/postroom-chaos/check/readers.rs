//! 7: every reader saw each event once, in order; and what it saw is what is kept.

use std::collections::BTreeMap;

use super::Findings;

/// A thread's events as somebody saw them, a line each, from the first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    pub thread_id: String,
    /// `seq`, and the whole as text.
    pub events: Vec<(u64, String)>,
    /// What was wrong with a frame as it came.
    pub problems: Vec<String>,
}

/// Compares what readers saw with what the threads hold.
pub fn check(seen: &[Seen], kept: &BTreeMap<String, Vec<(u64, String)>>, findings: &mut Findings) {
    let nothing = Vec::new();
    for reader in seen {
        let id = &reader.thread_id;
        for problem in &reader.problems {
            findings.broken(7, format!("a reader of {id}: {problem}"));
        }
        gapless(id, "saw", &reader.events, findings);
        let kept = kept.get(id).unwrap_or(&nothing);
        findings.that(7, "readers that saw everything", reader.events.len() == kept.len(), || {
            format!("a reader of {id} saw {} of {} events", reader.events.len(), kept.len())
        });
        let differs = reader.events.iter().zip(kept).find(|(saw, is)| saw != is);
        findings.that(7, "events compared", differs.is_none(), || {
            format!("a reader of {id} saw something else than is kept: {differs:?}")
        });
    }
    for (id, events) in kept {
        gapless(id, "keeps", events, findings);
    }
}

fn gapless(id: &str, does: &str, events: &[(u64, String)], findings: &mut Findings) {
    let gap = (1..).zip(events).find(|(wanted, (seq, _))| wanted != seq);
    findings.that(7, "logs of events without a gap", gap.is_none(), || {
        let at = gap.map(|(wanted, (seq, _))| (wanted, seq));
        format!("{id} {does} (wanted, found) {at:?}")
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(seqs: &[u64]) -> Vec<(u64, String)> {
        seqs.iter().map(|seq| (*seq, format!("event {seq}"))).collect()
    }

    fn found(seen: &[u64], kept: &[u64]) -> Vec<u8> {
        let seen = Seen { thread_id: "t".to_owned(), events: events(seen), problems: Vec::new() };
        let kept = BTreeMap::from([("t".to_owned(), events(kept))]);
        let mut findings = Findings::default();
        check(&[seen], &kept, &mut findings);
        findings.numbers()
    }

    #[test]
    fn gaps_repeats_and_losses_are_found() {
        assert_eq!(found(&[1, 2, 3], &[1, 2, 3]), [0_u8; 0]);
        assert_eq!(found(&[1, 3], &[1, 2, 3]), [7]);
        assert_eq!(found(&[1, 2, 2, 3], &[1, 2, 3]), [7]);
        assert_eq!(found(&[1, 2], &[1, 2, 3]), [7]);
        assert_eq!(found(&[1, 2, 4], &[1, 2, 4]), [7]);
    }

    #[test]
    fn what_was_rewritten_is_found() {
        let mut seen = events(&[1, 2]);
        seen[1].1 = "something else".to_owned();
        let seen = Seen { thread_id: "t".to_owned(), events: seen, problems: Vec::new() };
        let kept = BTreeMap::from([("t".to_owned(), events(&[1, 2]))]);
        let mut findings = Findings::default();
        check(&[seen], &kept, &mut findings);
        assert_eq!(findings.numbers(), [7]);
    }
}

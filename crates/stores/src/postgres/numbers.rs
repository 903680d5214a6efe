//! Numbers for new threads, taken from the server by the block.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::error::Fault;
use super::queries::Query;
use super::row::RowReader;
use super::session::Session;
use crate::sql::Columns;

/// How many numbers a block has: the sequence's increment.
const BLOCK: i64 = 256;

/// Numbers that are this store's to give.
#[derive(Default)]
pub(super) struct Numbers(Mutex<VecDeque<i64>>);

impl Numbers {
    /// Takes `count` numbers; each grows beyond those taken before from the same block.
    pub(super) async fn take(
        &self,
        session: &Session,
        count: usize,
    ) -> Result<std::vec::IntoIter<i64>, Fault> {
        loop {
            {
                let mut numbers = self.0.lock();
                if numbers.len() >= count {
                    return Ok(numbers.drain(..count).collect::<Vec<_>>().into_iter());
                }
            }
            let rows = session.query(Query::ThreadNumbers, &[]).await?;
            let block = rows.first().map(|row| RowReader::of(row).take::<i64>()).transpose()?;
            let first = block.ok_or_else(|| Fault::Damaged("no number was given".to_owned()))?;
            self.0.lock().extend(first..first.saturating_add(BLOCK));
        }
    }
}

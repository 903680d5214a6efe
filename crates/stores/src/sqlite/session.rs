//! The writer's connection at work: batches of units, each batch one transaction.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use postroom_core::error::StoreError;
use postroom_core::ports::{Clock, IdSource};
use rusqlite::Connection;

use super::columns::Values;
use super::error::Fault;
use super::horizon::Horizon;
use super::queries::{Query, Statements};
use super::work::{Outcome, Transaction, Unit};
use crate::depth::{Counts, Depth};

/// Why a transaction brought nothing.
enum Failed {
    /// It was rolled back before it was to be committed.
    Inside(Fault),
    /// It could not be committed.
    AtCommit(Fault),
}

/// A connection for writing, with its statements.
pub(super) struct Session<'c> {
    statements: Statements<'c>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    horizon: Arc<Horizon>,
    /// The connection can't be trusted any more: what it believes to be in the file may not be.
    broken: bool,
}

impl<'c> Session<'c> {
    /// A session on `connection`, whose promises `horizon` counts.
    pub(super) fn of(
        connection: &'c Connection,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        horizon: Arc<Horizon>,
    ) -> Self {
        Self { statements: Statements::of(connection), clock, ids, horizon, broken: false }
    }

    /// Whether it must be replaced by one on a new connection.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Takes the connection for broken.
    pub(super) fn give_up(&mut self) {
        self.broken = true;
    }

    /// The connection, to look at it between two transactions.
    #[cfg(test)]
    pub(super) fn connection(&self) -> &'c Connection {
        self.statements.connection()
    }

    /// Carries all of `units` out in one transaction; if one of them breaks it, each in its own, so
    /// that it fails alone.
    pub(super) fn carry_out(&mut self, units: &[Unit]) -> Vec<Outcome> {
        match self.transaction(units) {
            Ok(outcomes) => outcomes,
            Err(failed) => {
                let alone = matches!(&failed, Failed::Inside(_)) && units.len() > 1;
                let outcome = self.answer(&failed);
                if alone {
                    units.iter().map(|unit| self.carry_out_alone(unit)).collect()
                } else {
                    units.iter().map(|_| Err(outcome.clone())).collect()
                }
            }
        }
    }

    fn carry_out_alone(&mut self, unit: &Unit) -> Outcome {
        if self.broken {
            return Err(StoreError::Unavailable {
                reason: "the database is opened anew after an error".to_owned(),
            });
        }
        match self.transaction(std::slice::from_ref(unit)) {
            Ok(mut outcomes) => outcomes.pop().unwrap_or_else(|| {
                Err(StoreError::Unavailable { reason: "no answer was made".to_owned() })
            }),
            Err(failed) => Err(self.answer(&failed)),
        }
    }

    /// What the callers of a failed transaction are told.
    fn answer(&mut self, failed: &Failed) -> StoreError {
        match failed {
            Failed::Inside(fault) => {
                self.broken |= fault.is_io();
                tracing::warn!(?fault, "a transaction was rolled back");
                fault.nothing_written()
            }
            Failed::AtCommit(fault) if fault.is_io() => {
                // The log may hold the whole transaction, and a crash now would bring it back.
                self.broken = true;
                tracing::error!(?fault, "a commit failed, and whether it took place is unknown");
                StoreError::OutcomeUnknown { reason: format!("the commit failed: {fault:?}") }
            }
            Failed::AtCommit(fault) => {
                tracing::error!(?fault, "a commit failed");
                fault.nothing_written()
            }
        }
    }

    fn transaction(&mut self, units: &[Unit]) -> Result<Vec<Outcome>, Failed> {
        match self.end(Query::Begin).and_then(|()| self.all(units)) {
            Ok(outcomes) => {
                if units.iter().any(Unit::is_promise) {
                    self.horizon.promise();
                }
                match self.end(Query::Commit) {
                    Ok(()) => Ok(outcomes),
                    Err(fault) => {
                        self.roll_back();
                        Err(Failed::AtCommit(fault))
                    }
                }
            }
            Err(fault) => {
                self.roll_back();
                Err(Failed::Inside(fault))
            }
        }
    }

    fn all(&mut self, units: &[Unit]) -> Result<Vec<Outcome>, Fault> {
        let mut depth = Depth::default();
        let mut transaction = Transaction {
            statements: &mut self.statements,
            clock: &*self.clock,
            ids: &*self.ids,
            depth: &mut depth,
        };
        let mut outcomes = Vec::with_capacity(units.len());
        for unit in units {
            // A defect must neither end the writer nor take the others' commands with it.
            let carried_out = catch_unwind(AssertUnwindSafe(|| transaction.carry_out(unit)));
            outcomes.push(carried_out.unwrap_or_else(|_| Err(Fault::Panicked(unit.name())))?);
        }
        if !depth.is_empty() {
            self.add_depth(&depth)?;
        }
        Ok(outcomes)
    }

    fn add_depth(&mut self, depth: &Depth) -> Result<(), Fault> {
        if depth.total != Counts::default() {
            let values = self.statements.get(Query::DepthAdd)?;
            with_all(values, &depth.total)?.write_one("row of counters")?;
        }
        for (tenant, counts) in &depth.tenants {
            self.statements.get(Query::TenantDepthSeen)?.with(tenant)?.execute()?;
            let values = self.statements.get(Query::TenantDepthAdd)?.with(tenant)?;
            with_all(values, counts)?.write_one("row of a tenant's counters")?;
        }
        Ok(())
    }

    fn end(&mut self, query: Query) -> Result<(), Fault> {
        self.statements.get(query)?.execute().map(drop)
    }

    fn roll_back(&mut self) {
        // SQLite has rolled back by itself after some errors.
        if !self.statements.connection().is_autocommit() && self.end(Query::Rollback).is_err() {
            self.broken = true;
        }
    }
}

fn with_all<'s, 'c>(values: Values<'s, 'c>, counts: &Counts) -> Result<Values<'s, 'c>, Fault> {
    counts.iter().try_fold(values, Values::with)
}

//! What: what the switch does, on its way back into rows.
//!
//! Why: tools wait for `cur_cfg`, people look at `ofport`, `error` and `link_state`, and collectors read statistics;
//! all of it goes out as one transaction at a time that holds only what changed.
//!
//! ```text
//!   facts ──put──> staged columns ──request──> transaction ──outcome──> written, or staged again
//! ```
//!
//! Invariants: one transaction in flight at most. What is put twice before it is sent goes out once, with the
//! newest value. A lost or refused transaction loses nothing: everything is staged again.

mod facts;
pub mod machine;

pub use facts::{InterfaceFacts, interface_columns, key_values, optional_text, statistics};

use std::collections::BTreeMap;

use uuid::Uuid;
use weft_ovsdb::Datum;
use weft_ovsdb::replica::{Outcome, Replica, Request, Token, Transaction};

/// Columns of rows.
pub type Columns = BTreeMap<(&'static str, Uuid), BTreeMap<&'static str, Datum>>;

/// Collects what is to be written.
#[derive(Debug, Default)]
pub struct Writer {
    /// What the database holds of columns that we do not copy, as far as we wrote it.
    written: Columns,
    staged: Columns,
    in_flight: Option<(Token, Columns)>,
}

impl Writer {
    /// A column shall hold `value`.
    pub fn put(&mut self, table: &'static str, id: Uuid, column: &'static str, value: Datum) {
        self.staged.entry((table, id)).or_default().insert(column, value);
    }

    /// The row is gone: nothing of it needs remembering.
    pub fn forget(&mut self, table: &'static str, id: Uuid) {
        self.written.remove(&(table, id));
        self.staged.remove(&(table, id));
    }

    /// Is there nothing to send and nothing under way?
    pub fn is_idle(&self) -> bool {
        self.staged.is_empty() && self.in_flight.is_none()
    }

    /// What to send now, if anything differs from what the database holds. After sending it call
    /// [`Writer::sent`].
    pub fn request(&mut self, replica: &Replica) -> Option<(Request, Columns)> {
        if self.in_flight.is_some() || self.staged.is_empty() {
            return None;
        }
        let staged = std::mem::take(&mut self.staged);
        let mut transaction = Transaction::new(replica);
        let mut sending = Columns::new();
        for ((table, id), mut columns) in staged {
            // A row may have been deleted since; then there is nothing to write to.
            let Some(row) = replica.row(table, id) else { continue };
            let written = self.written.get(&(table, id));
            columns.retain(|name, value| match row.table.column_index(name) {
                None => false,
                Some(at) if is_copied(replica, table, at) => row.row.value(at) != value,
                Some(_) => written.and_then(|written| written.get(name)) != Some(value),
            });
            for (name, value) in &columns {
                transaction.set(table, id, name, value.clone());
            }
            if !columns.is_empty() {
                sending.insert((table, id), columns);
            }
        }
        let request = transaction.request()?;
        Some((request, sending))
    }

    /// The request is on its way under this token.
    pub fn sent(&mut self, token: Token, columns: Columns) {
        self.in_flight = Some((token, columns));
    }

    /// A transaction was decided. Returns whether it was ours.
    pub fn on_outcome(&mut self, token: Token, outcome: &Outcome) -> bool {
        let Some((_, columns)) = self.in_flight.take_if(|(ours, _)| *ours == token) else { return false };
        match outcome {
            Outcome::Unchanged | Outcome::Success { .. } => {
                for (row, columns) in columns {
                    self.written.entry(row).or_default().extend(columns);
                }
            }
            Outcome::TryAgain | Outcome::Error(_) => {
                if let Outcome::Error(text) = outcome {
                    tracing::warn!(target: "bridge", "status update was refused: {text}");
                }
                self.stage_again(columns);
            }
        }
        true
    }

    /// The database may be another one now: what was written may not be there.
    pub fn on_reconnect(&mut self) {
        let written = std::mem::take(&mut self.written);
        self.stage_again(written);
    }

    /// What was put since is newer.
    fn stage_again(&mut self, columns: Columns) {
        for (row, columns) in columns {
            let staged = self.staged.entry(row).or_default();
            for (name, value) in columns {
                staged.entry(name).or_insert(value);
            }
        }
    }
}

fn is_copied(replica: &Replica, table: &str, column: usize) -> bool {
    replica.table(table).is_some_and(|table| table.is_selected(column))
}

#[cfg(test)]
mod tests;

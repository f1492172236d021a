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

pub use facts::{InterfaceFacts, interface_columns, key_values, optional_text, statistics};

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;
use weft_ovsdb::Datum;
use weft_ovsdb::replica::{Outcome, Replica, Request, Token, Transaction};

type Column = (&'static str, Uuid, &'static str);

/// Collects what is to be written.
#[derive(Debug, Default)]
pub struct Writer {
    /// What the database holds of columns that we do not copy, as far as we wrote it.
    written: HashMap<Column, Datum>,
    staged: BTreeMap<Column, Datum>,
    in_flight: Option<(Token, BTreeMap<Column, Datum>)>,
}

impl Writer {
    /// A column shall hold `value`.
    pub fn put(&mut self, table: &'static str, id: Uuid, column: &'static str, value: Datum) {
        self.staged.insert((table, id, column), value);
    }

    /// The row is gone: nothing of it needs remembering.
    pub fn forget(&mut self, id: Uuid) {
        self.written.retain(|(_, of, _), _| *of != id);
        self.staged.retain(|(_, of, _), _| *of != id);
    }

    /// Is there nothing to send and nothing under way?
    pub fn is_idle(&self) -> bool {
        self.staged.is_empty() && self.in_flight.is_none()
    }

    /// What to send now, if anything differs from what the database holds. After sending it call
    /// [`Writer::sent`].
    pub fn request(&mut self, replica: &Replica) -> Option<(Request, BTreeMap<Column, Datum>)> {
        if self.in_flight.is_some() || self.staged.is_empty() {
            return None;
        }
        let staged = std::mem::take(&mut self.staged);
        let mut transaction = Transaction::new(replica);
        let mut sending = BTreeMap::new();
        for (column @ (table, id, name), value) in staged {
            let copied = replica
                .table(table)
                .is_some_and(|table| table.schema().column_index(name).is_some_and(|index| table.is_selected(index)));
            let known = !copied && self.written.get(&column) == Some(&value);
            // A row may have been deleted since; then there is nothing to write to.
            if !known && replica.row(table, id).is_some() {
                transaction.set(table, id, name, value.clone());
                sending.insert(column, value);
            }
        }
        let request = transaction.request()?;
        Some((request, sending))
    }

    /// The request is on its way under this token.
    pub fn sent(&mut self, token: Token, columns: BTreeMap<Column, Datum>) {
        self.in_flight = Some((token, columns));
    }

    /// A transaction was decided. Returns whether it was ours.
    pub fn on_outcome(&mut self, token: Token, outcome: &Outcome) -> bool {
        let Some((_, columns)) = self.in_flight.take_if(|(ours, _)| *ours == token) else { return false };
        match outcome {
            Outcome::Unchanged | Outcome::Success { .. } => self.written.extend(columns),
            Outcome::TryAgain | Outcome::Error(_) => {
                if let Outcome::Error(text) = outcome {
                    tracing::warn!(target: "bridge", "status update was refused: {text}");
                }
                for (column, value) in columns {
                    self.staged.entry(column).or_insert(value);
                }
            }
        }
        true
    }

    /// The database may be another one now: what was written may not be there.
    pub fn on_reconnect(&mut self) {
        let written = std::mem::take(&mut self.written);
        for (column, value) in written {
            self.staged.entry(column).or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests;

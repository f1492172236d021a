//! What: `coverage/show` and `coverage/read-counter` of a database server.
//!
//! Why: scripts and people look there for what moves. How: the server's own counters, by names in the way of Open vSwitch's.
//! Totals only: nothing here keeps rates.

use crate::server::Counters;
use std::fmt::Write;

/// All counters that have counted something, and how many have not.
pub(super) fn shown(counters: &Counters) -> String {
    let mut text = "Event coverage:\n".to_owned();
    let all = named(counters);
    for (name, total) in all.iter().filter(|(_, total)| *total > 0) {
        writeln!(text, "{name:<24} total: {total}").expect("a string takes everything");
    }
    writeln!(text, "{} events never hit", all.iter().filter(|(_, total)| *total == 0).count())
        .expect("a string takes everything");
    text
}

/// One counter.
///
/// # Errors
/// For a name that none has.
pub(super) fn total(counters: &Counters, name: &str) -> Result<String, String> {
    let found = named(counters).into_iter().find(|(known, _)| *known == name);
    found.map(|(_, total)| format!("{total}\n")).ok_or_else(|| "No such counter".to_owned())
}

fn named(counters: &Counters) -> [(&'static str, u64); 5] {
    let Counters { transactions, changes, failed_flushes, composed_updates, sent_updates } = *counters;
    [
        ("ovsdb_changes", changes),
        ("ovsdb_failed_flushes", failed_flushes),
        ("ovsdb_transactions", transactions),
        ("ovsdb_updates_composed", composed_updates),
        ("ovsdb_updates_sent", sent_updates),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_not_happened_is_counted_in_one_line() {
        let counters = Counters { transactions: 7, changes: 3, ..Counters::default() };
        let text = shown(&counters);
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.contains("ovsdb_transactions       total: 7\n"), "{text}");
        assert!(text.ends_with("3 events never hit\n"), "{text}");
    }

    #[test]
    fn one_counter_is_read_by_its_name() {
        let counters = Counters { sent_updates: 5, ..Counters::default() };
        assert_eq!(total(&counters, "ovsdb_updates_sent").unwrap(), "5\n");
        assert_eq!(total(&counters, "nosuch").unwrap_err(), "No such counter");
    }
}

//! The classifier: finding what matches a key among many masks.
//!
//! What: [`FlowTable`] holds a worker's megaflows (no priorities, no overlap); [`RuleTable`] holds an OpenFlow table's
//! rules (priorities, and an answer to "which bits did this verdict rest on?").
//! Why: both are tuple space search (Srinivasan et al., 1999): rules with the same mask share a hash table, so a lookup costs
//! one probe per distinct mask, whatever the number of rules. They differ in how they avoid probes.
//!
//! ```text
//!            words 0-1 (always exact)                     priority, descending
//! FlowTable ------> partition --> masks by hits   RuleTable ------> masks: stage 1, 2, 3 (small indexes), rules
//!                                   |                                 |          prefix tries say which masks cannot match
//!                                   v                                 v
//!                       Store: tags | slots | words, entries (dense, packed to the mask's words)
//! ```
//! Invariant: packed words are values under the mask, so equal packed words mean equal matches.

mod flow_table;
mod guard;
mod packed;
mod ports;
mod rule_table;
mod stage;
mod store;
mod trie;

pub use flow_table::FlowTable;
pub use packed::{CompactMatch, Masks, PackedMask};
pub use rule_table::{Clause, Found, RuleTable};

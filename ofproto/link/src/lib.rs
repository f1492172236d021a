//! Machines between neighbours: what two switches say to each other about the link between them.
//!
//! Every machine is a value that is told the time. It has the same four verbs: `on_pdu` takes what the neighbour said,
//! `on_deadline` does what is due, `next_deadline` says when that is, `poll` gives what is to be sent. No clock, no socket,
//! no logger: whoever owns a machine has these.
//!
//! - [`bfd`]: Bidirectional Forwarding Detection, RFC 5880 and 5881
//! - [`cfm`]: Connectivity Fault Management, IEEE 802.1ag: continuity check messages
//! - [`jitter`]: how far a sender strays from its interval

pub mod bfd;
pub mod cfm;
pub mod jitter;

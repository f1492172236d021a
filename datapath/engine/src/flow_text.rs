//! Megaflows as the tools and the log show them.
//!
//! How: the match with the values of the frame that made it, the counters of all workers together, the actions.

use std::sync::Arc;

use weft_base::Time;
use weft_flow::dpctl::{self, DpNames};

use crate::Megaflow;

/// The match; `verbose`: with what does not matter, too.
pub fn matching(flow: &Megaflow, names: &DpNames, verbose: bool) -> String {
    dpctl::format_flow(&flow.seen(), flow.pattern.unpack().mask(), names, verbose)
}

/// `packets:1, bytes:54, used:0.000s, flags:S` of the same flow in each worker that has it.
pub fn statistics(flows: &[Arc<Megaflow>], now: Time) -> String {
    let sum = |read: fn(&Megaflow) -> u64| flows.iter().map(|flow| read(flow)).sum::<u64>();
    let used = match flows.iter().map(|flow| flow.stats.used.get()).max().unwrap_or(0) {
        0 => "never".to_owned(),
        used => {
            let ago = now.since(Time::from_nanos(used));
            format!("{}.{:03}s", ago.as_secs(), ago.subsec_millis())
        }
    };
    let flags = flows.iter().fold(0, |flags, flow| flags | flow.stats.tcp_flags());
    let flags = if flags == 0 { String::new() } else { format!(", flags:{}", tcp_flags(flags)) };
    let (packets, bytes) = (sum(|flow| flow.stats.packets.get()), sum(|flow| flow.stats.bytes.get()));
    format!("packets:{packets}, bytes:{bytes}, used:{used}{flags}")
}

/// Everything but its id.
pub fn whole(flow: &Arc<Megaflow>, names: &DpNames, verbose: bool, now: Time) -> String {
    format!(
        "{}, {}, actions:{}",
        matching(flow, names, verbose),
        statistics(std::slice::from_ref(flow), now),
        dpctl::format_actions(&flow.actions.load(), names)
    )
}

/// TCP flags as tcpdump abbreviates them.
fn tcp_flags(flags: u16) -> String {
    let letters = [
        (0x001, 'F'),
        (0x002, 'S'),
        (0x004, 'R'),
        (0x008, 'P'),
        (0x010, '.'),
        (0x020, 'U'),
        (0x040, 'E'),
        (0x080, 'C'),
        (0x100, 'N'),
    ];
    letters.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, letter)| *letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_letters_in_their_order() {
        assert_eq!(tcp_flags(0x012), "S.");
        assert_eq!(tcp_flags(0x1ff), "FSRP.UECN");
    }
}

//! What: `coverage/*`: how often things happened, by name.
//!
//! Why: scripts watch single counters over time; people look for what moves when nothing should.

use weft_engine::Datapath;
use weft_packet::DropReason;

use super::{Answer, Command, command};
use crate::owner::Owner;

pub const COMMANDS: &[Command] = &[
    command("coverage/show", "", 0, 0, show),
    command("coverage/read-counter", "COUNTER", 1, 1, |owner, args| {
        let counts = counts(owner);
        let found = counts.iter().find(|(name, _)| *name == args[0]);
        found.map(|(_, count)| format!("{count}\n")).ok_or_else(|| "No such counter".to_owned())
    }),
];

fn counts(owner: &Owner) -> Vec<(String, u64)> {
    let stats = owner.switch.engine.stats();
    let mut counts = vec![
        ("bridge_reconfigure".to_owned(), owner.reconfigurations),
        ("datapath_hit".to_owned(), stats.hit),
        ("datapath_microflow_hit".to_owned(), stats.cache_hit),
        ("datapath_missed".to_owned(), stats.missed),
        ("datapath_lost".to_owned(), stats.lost),
        ("dpif_flow_put".to_owned(), stats.missed),
        ("unixctl_received".to_owned(), owner.commands_received),
        ("worker_sleep".to_owned(), owner.switch.engine.sleeps()),
    ];
    // also there before the first one is dropped
    let mut usual: Vec<&str> = DropReason::ALL.iter().filter_map(|reason| usual_name(*reason)).collect();
    usual.sort_unstable();
    usual.dedup();
    counts.extend(usual.into_iter().map(|name| (name.to_owned(), 0)));
    for (_, reason, frames) in owner.switch.engine.drops() {
        let name = format!("drop_{}", reason.name().replace('-', "_"));
        if let Some((_, count)) = counts.iter_mut().find(|(known, _)| Some(known.as_str()) == usual_name(reason)) {
            *count += frames;
        }
        match counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += frames,
            None => counts.push((name, frames)),
        }
    }
    counts
}

/// The name under which monitoring scripts know a reason; the finer one of this switch stands beside it.
fn usual_name(reason: DropReason) -> Option<&'static str> {
    match reason {
        DropReason::FlowDrop | DropReason::TableMiss => Some("drop_action_of_pipeline"),
        DropReason::TooManyResubmits => Some("drop_action_too_many_resubmit"),
        DropReason::RecursionTooDeep => Some("drop_action_recursion_too_deep"),
        DropReason::StackTooDeep => Some("drop_action_stack_too_deep"),
        DropReason::TooManyLabels => Some("drop_action_too_many_mpls_labels"),
        DropReason::UnsupportedPacketType => Some("drop_action_unsupported_packet_type"),
        DropReason::RecircUnknown => Some("drop_action_no_recirculation_context"),
        DropReason::PortConfig => Some("drop_action_forwarding_disabled"),
        DropReason::Malformed => Some("datapath_drop_rx_invalid_packet"),
        DropReason::NoSuchPort => Some("datapath_drop_invalid_port"),
        DropReason::MissBudget | DropReason::ControllerQueue => Some("datapath_drop_upcall_error"),
        DropReason::Meter => Some("datapath_drop_meter"),
        _ => None,
    }
}

fn show(owner: &mut Owner, _: &[String]) -> Answer {
    let counts = counts(owner);
    let never = counts.iter().filter(|(_, count)| *count == 0).count();
    let lines =
        counts.iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("{name:<24} total: {count}\n"));
    Ok(format!("Event coverage:\n{}{never} events never hit\n", lines.collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names_are_listed_once_each() {
        let mut names: Vec<&str> = DropReason::ALL.iter().filter_map(|reason| usual_name(*reason)).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 12);
        assert!(
            ["drop_action_of_pipeline", "drop_action_too_many_resubmit", "datapath_drop_meter"]
                .iter()
                .all(|name| names.contains(name))
        );
    }
}

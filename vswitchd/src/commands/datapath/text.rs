//! What: `dpctl/parse-actions` and `dpctl/normalize-actions`: what text means, without a datapath.

use std::collections::BTreeMap;

use weft_flow::dpctl::{self, DpNames};

use super::Answer;

pub fn round_trip(text: &str) -> Answer {
    let failed = |_| "ovs-vswitchd: odp_actions_from_string (Invalid argument)".to_owned();
    let actions = dpctl::parse_actions(text, &DpNames::new()).map_err(failed)?;
    Ok(dpctl::format_actions(&actions, &DpNames::new()) + "\n")
}

/// What is done with the frame as it is tagged each time, the tags' states in their order.
pub fn normalize(flow: &str, actions: &str) -> Answer {
    use weft_flow::DpAction;
    let none = DpNames::new();
    let key = dpctl::parse_key(flow, &none).map_err(|why| format!("ovs-vswitchd: {why} (Invalid argument)"))?;
    let failed = |_| "ovs-vswitchd: odp_actions_from_string (Invalid argument)".to_owned();
    let actions = dpctl::parse_actions(actions, &none).map_err(failed)?;
    let (tci, mut labels) = (weft_flow::FieldId::VlanTci.get(&key) as u16, Vec::new());
    let mut tag = tci;
    let mut states: BTreeMap<(u16, Vec<u32>), Vec<DpAction>> = BTreeMap::new();
    for action in actions {
        match action {
            DpAction::PushVlan { tci, .. } => tag = tci | 0x1000,
            DpAction::PopVlan => tag = 0,
            DpAction::PushMpls { entry, .. } => labels.insert(0, entry),
            DpAction::PopMpls { .. } if !labels.is_empty() => drop(labels.remove(0)),
            other => states.entry((tag, labels.clone())).or_default().push(other),
        }
    }
    let mut text = format!("input flow: {}\n", dpctl::format_key(&key, &none));
    for ((tag, labels), actions) in states {
        text += &match tag {
            0 => "no vlan: ".to_owned(),
            tag => format!("vlan(vid={},pcp={}): ", tag & 0xfff, tag >> 13),
        };
        text += &match labels.first() {
            None => "no mpls: ".to_owned(),
            Some(entry) => format!(
                "mpls(label={},tc={},ttl={},bos={}): ",
                entry >> 12,
                entry >> 9 & 7,
                entry & 0xff,
                entry >> 8 & 1
            ),
        };
        text += &dpctl::format_actions(&actions, &none);
    }
    Ok(text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Open vSwitch prints it.
    #[test]
    fn normalized_actions_stand_under_the_tags_of_their_frame() {
        let flow = "in_port(1),eth_type(0x800),ipv4(src=1.2.3.4)";
        let text = normalize(flow, "push_vlan(vid=1,pcp=0),2,pop_vlan,3").unwrap();
        assert!(text.ends_with("\nno vlan: no mpls: 3vlan(vid=1,pcp=0): no mpls: 2\n"), "{text}");
    }
}

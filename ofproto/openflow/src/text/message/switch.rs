//! What a switch says of itself.

use std::fmt::Write;

use weft_flow::text::number::hex;

use super::words;
use crate::Version;
use crate::controller::AsyncConfig;
use crate::message::IpfixStats;
use crate::switch::{
    Capabilities, FragHandling, SwitchConfig, SwitchDesc, SwitchFeatures, TlvMap, TlvTable, TlvTableCommand,
    TlvTableMod,
};
use crate::table::ActionSet;
use crate::text::action_print::REASONS;

pub(super) fn features(f: &SwitchFeatures, version: Version) -> String {
    let mut text = format!(" dpid:{:016x}\nn_tables:{}, n_buffers:{}", f.datapath_id, f.n_tables, f.n_buffers);
    if f.auxiliary_id != 0 {
        let _ = write!(text, ", auxiliary_id:{}", f.auxiliary_id);
    }
    let _ = writeln!(text, "\ncapabilities: {}", capabilities(f.capabilities));
    if version == Version::V10 {
        let _ = writeln!(text, "actions: {}", actions(f.actions));
    }
    let mut ports: Vec<_> = f.ports.iter().collect();
    ports.sort_by_key(|port| port.port);
    ports.into_iter().for_each(|port| text.push_str(&super::port::format_port_desc(port)));
    text
}

fn capabilities(bits: Capabilities) -> String {
    let names = [
        (Capabilities::FLOW_STATS, "FLOW_STATS"),
        (Capabilities::TABLE_STATS, "TABLE_STATS"),
        (Capabilities::PORT_STATS, "PORT_STATS"),
        (Capabilities::STP, "STP"),
        (Capabilities::GROUP_STATS, "GROUP_STATS"),
        (Capabilities::IP_REASM, "IP_REASM"),
        (Capabilities::QUEUE_STATS, "QUEUE_STATS"),
        (Capabilities::ARP_MATCH_IP, "ARP_MATCH_IP"),
        (Capabilities::PORT_BLOCKED, "PORT_BLOCKED"),
        (Capabilities::BUNDLES, "BUNDLES"),
        (Capabilities::FLOW_MONITORING, "FLOW_MONITORING"),
    ]
    .map(|(bit, name)| (u64::from(bit.bits()), name));
    words(bits.bits().into(), &names, " ")
}

/// A set of actions by name, in the order in which the tools list them.
pub(super) fn actions(set: ActionSet) -> String {
    const NAMES: [(ActionSet, &str); 28] = [
        (ActionSet::OUTPUT, "output"),
        (ActionSet::GROUP, "group"),
        (ActionSet::ENQUEUE, "enqueue"),
        (ActionSet::SET_FIELD, "set_field"),
        (ActionSet::SET_VLAN_VID, "set_vlan_vid"),
        (ActionSet::SET_VLAN_PCP, "set_vlan_pcp"),
        (ActionSet::STRIP_VLAN, "strip_vlan"),
        (ActionSet::POP_VLAN, "strip_vlan"),
        (ActionSet::PUSH_VLAN, "push_vlan"),
        (ActionSet::SET_DL_SRC, "mod_dl_src"),
        (ActionSet::SET_DL_DST, "mod_dl_dst"),
        (ActionSet::SET_NW_SRC, "mod_nw_src"),
        (ActionSet::SET_NW_DST, "mod_nw_dst"),
        (ActionSet::SET_NW_TOS, "mod_nw_tos"),
        (ActionSet::SET_NW_ECN, "mod_nw_ecn"),
        (ActionSet::SET_NW_TTL, "mod_nw_ttl"),
        (ActionSet::SET_TP_SRC, "mod_tp_src"),
        (ActionSet::SET_TP_DST, "mod_tp_dst"),
        (ActionSet::DEC_NW_TTL, "dec_ttl"),
        (ActionSet::SET_MPLS_LABEL, "set_mpls_label"),
        (ActionSet::SET_MPLS_TC, "set_mpls_tc"),
        (ActionSet::SET_MPLS_TTL, "set_mpls_ttl"),
        (ActionSet::DEC_MPLS_TTL, "dec_mpls_ttl"),
        (ActionSet::PUSH_MPLS, "push_mpls"),
        (ActionSet::POP_MPLS, "pop_mpls"),
        (ActionSet::SET_QUEUE, "set_queue"),
        (ActionSet::COPY_TTL_OUT, "copy_ttl_out"),
        (ActionSet::COPY_TTL_IN, "copy_ttl_in"),
    ];
    NAMES.iter().filter(|(bit, _)| set.contains(*bit)).map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

pub(super) fn frag_name(frag: FragHandling) -> &'static str {
    match frag {
        FragHandling::Normal => "normal",
        FragHandling::Drop => "drop",
        FragHandling::Reassemble => "reassemble",
        FragHandling::NxMatch => "nx-match",
    }
}

pub(super) fn config(c: &SwitchConfig) -> String {
    let ttl = if c.invalid_ttl_to_controller == Some(true) { " invalid_ttl_to_controller" } else { "" };
    format!(" frags={}{ttl} miss_send_len={}\n", frag_name(c.frag), c.miss_send_len)
}

pub(super) fn desc(d: &SwitchDesc) -> String {
    format!(
        "\nManufacturer: {}\nHardware: {}\nSoftware: {}\nSerial Num: {}\nDP Description: {}\n",
        d.mfr_desc, d.hw_desc, d.sw_desc, d.serial_num, d.dp_desc
    )
}

fn tlv_maps(maps: &[TlvMap]) -> String {
    let mut text =
        "mapping table:\n  class  type  length  match field\n ------  ----  ------  --------------".to_owned();
    for m in maps {
        let (class, kind) = (hex(m.class.into()), hex(m.kind.into()));
        let _ = write!(text, "\n {class:>6}  {kind:>4}  {:>6}  tun_metadata{}", m.len, m.index);
    }
    text + "\n"
}

pub(super) fn tlv_table_mod(table_mod: &TlvTableMod) -> String {
    match table_mod.command {
        TlvTableCommand::Add => format!("\n ADD {}", tlv_maps(&table_mod.maps)),
        TlvTableCommand::Delete => format!("\n DEL {}", tlv_maps(&table_mod.maps)),
        TlvTableCommand::Clear => "\n CLEAR".to_owned(),
    }
}

pub(super) fn tlv_table(table: &TlvTable) -> String {
    let used: u32 = table.maps.iter().map(|m| u32::from(m.len)).sum();
    format!(
        "\n max option space={} max fields={}\n allocated option space={used}\n\n {}",
        table.max_option_space,
        table.max_fields,
        tlv_maps(&table.maps)
    )
}

pub(super) fn async_config(config: &AsyncConfig, version: Version) -> String {
    let _ = version;
    let port = ["add", "delete", "modify"];
    let removed = ["idle", "hard", "delete", "group_delete", "meter_delete", "eviction"];
    let role = ["primary_request", "configuration_changed", "experimenter_data_changed"];
    let table = ["(unknown)", "(unknown)", "(unknown)", "vacancy_down", "vacancy_up"];
    let forward = ["group_mod_request", "meter_mod_request"];
    let mut text = String::new();
    for (i, who) in ["primary", "secondary"].iter().enumerate() {
        let _ = writeln!(text, "\n {who}:");
        let kinds: [(&str, Option<u32>, &[&str]); 6] = [
            ("PACKET_IN", config.packet_in[i], &REASONS),
            ("PORT_STATUS", config.port_status[i], &port),
            ("FLOW_REMOVED", config.flow_removed[i], &removed),
            ("ROLE_STATUS", config.role_status[i], &role),
            ("TABLE_STATUS", config.table_status[i], &table),
            ("REQUESTFORWARD", config.request_forward[i], &forward),
        ];
        for (name, mask, reasons) in kinds {
            let wanted = |bit: &usize| mask.unwrap_or(0) & 1 << *bit != 0;
            let listed: Vec<&str> = (0..32)
                .filter(wanted)
                .map(|bit: usize| reasons.get(bit).copied().unwrap_or("(unknown)"))
                .filter(|reason| *reason != "(unknown)")
                .collect();
            let listed = if listed.is_empty() { "(off)".to_owned() } else { listed.join(" ") };
            let _ = writeln!(text, "{name:>16}: {listed}");
        }
    }
    text
}

pub(super) fn ipfix(all: &[IpfixStats]) -> String {
    let mut text = format!(" {} ids\n", all.len());
    for s in all {
        let _ = writeln!(
            text,
            "  id {:3}: flows={}, current flows={}, sampled pkts={}, ipv4 ok={}, ipv6 ok={}, tx pkts={}\n          pkts errs={}, ipv4 errs={}, ipv6 errs={}, tx errs={}",
            s.collector_set_id,
            s.total_flows,
            s.current_flows,
            s.packets,
            s.ipv4_packets,
            s.ipv6_packets,
            s.tx_packets,
            s.error_packets,
            s.ipv4_error_packets,
            s.ipv6_error_packets,
            s.tx_errors
        );
    }
    text
}

//! Actions and instructions in text (ovs-actions(7)).

use std::fmt::{Display, Write};

use weft_flow::text::format_value;
use weft_flow::text::number::hex;
use weft_flow::text::value::format_mac;
use weft_flow::{FieldId, OfPort};

use super::Names;
use super::learn_print::format_learn;
use crate::action::*;
use crate::instruction::Instructions;

/// What stands behind `actions=`: instructions in the order in which they run, `drop` if there are none.
pub fn format_instructions(instructions: &Instructions, names: &Names) -> String {
    let mut parts = Vec::new();
    if let Some(meter) = instructions.meter {
        parts.push(format!("{}{}", names.param("meter:"), meter.0));
    }
    parts.extend(instructions.apply.iter().map(|a| format_action(a, names)));
    if instructions.clear {
        parts.push(names.value("clear_actions").to_string());
    }
    if let Some(actions) = &instructions.write_actions {
        parts.push(wrapped("write_actions(", &format_actions(actions, names), names));
    }
    if let Some(write) = instructions.write_metadata {
        let mask = if write.mask == u64::MAX { String::new() } else { format!("/{:#x}", write.mask) };
        parts.push(format!("{}{:#x}{mask}", names.param("write_metadata:"), write.value));
    }
    if let Some(table) = instructions.goto_table {
        parts.push(format!("{}{}", names.param("goto_table:"), names.show_table(table)));
    }
    if parts.is_empty() { names.drop_word().to_string() } else { parts.join(",") }
}

/// Actions joined by commas, `drop` if there are none.
pub fn format_actions(actions: &[Action], names: &Names) -> String {
    if actions.is_empty() {
        return names.drop_word().to_string();
    }
    actions.iter().map(|a| format_action(a, names)).collect::<Vec<_>>().join(",")
}

/// One action.
pub fn format_action(action: &Action, names: &Names) -> String {
    let port = |port: OfPort| names.ports.show(port).to_string();
    // `name:value`, `name`, `name(value)`
    let param = |name: &str, value: &dyn Display| format!("{}{value}", names.param(name));
    let special = |name: &str, value: &dyn Display| format!("{}{value}", names.special(name));
    let word = |name: &str| names.value(name).to_string();
    let arrow = names.special("->");
    match action {
        Action::Output { port: OfPort::CONTROLLER, max_len } => format!("CONTROLLER:{max_len}"),
        Action::Output { port: to, .. } if to.reserved_name().is_some() => port(*to),
        Action::Output { port: to, .. } => special("output:", &port(*to)),
        Action::OutputReg { src, .. } => special("output:", &format_subfield(*src)),
        Action::OutputTrunc { port: to, max_len } => {
            special("output", &format_args!("(port={},max_len={max_len})", port(*to)))
        }
        Action::Controller(controller) => format_controller(controller, names),
        Action::Enqueue { port: to, queue } => param("enqueue:", &format_args!("{}:{}", port(*to), queue.0)),
        Action::SetQueue(queue) => param("set_queue:", &queue.0),
        Action::PopQueue => word("pop_queue"),
        Action::Group(group) => special("group:", &group.0),
        Action::Bundle(bundle) => format_bundle(bundle, names),
        Action::Multipath(m) => format!(
            "{}{},{},{},{},{},{}{}",
            names.paren("multipath("),
            hash_fields(m.fields),
            m.basis,
            match m.algorithm {
                MultipathAlgorithm::ModuloN => "modulo_n",
                MultipathAlgorithm::HashThreshold => "hash_threshold",
                MultipathAlgorithm::Hrw => "hrw",
                MultipathAlgorithm::IterHash => "iter_hash",
            },
            u32::from(m.max_link) + 1,
            m.arg,
            format_subfield(m.dst),
            names.paren(")")
        ),
        Action::Resubmit(r) => format_resubmit(r, names),
        Action::SetField(set) => format_set_field(set, names),
        Action::SetTunnelOption(set) => {
            special("set_field:", &format_args!("{}{arrow}tun_metadata{}", set.value, set.index))
        }
        Action::SetVlanVid { vid, push } => param(if *push { "mod_vlan_vid:" } else { "set_vlan_vid:" }, vid),
        Action::SetVlanPcp { pcp, push } => param(if *push { "mod_vlan_pcp:" } else { "set_vlan_pcp:" }, pcp),
        Action::StripVlan(StripForm::Strip) => word("strip_vlan"),
        Action::StripVlan(StripForm::Pop) => word("pop_vlan"),
        Action::PushVlan { ethertype } => param("push_vlan:", &format_args!("{ethertype:#06x}")),
        Action::PushMpls { ethertype } => param("push_mpls:", &format_args!("{ethertype:#06x}")),
        Action::PopMpls { ethertype } => param("pop_mpls:", &format_args!("{ethertype:#06x}")),
        Action::DecMplsTtl => word("dec_mpls_ttl"),
        Action::DecTtl(dec) if dec.explicit => {
            let ids: Vec<String> = dec.controllers.iter().map(u16::to_string).collect();
            format!("{}{}", names.paren("dec_ttl"), wrapped("(", &ids.join(","), names))
        }
        Action::DecTtl(_) => names.paren("dec_ttl").to_string(),
        Action::DecNshTtl => special("dec_nsh_ttl", &""),
        Action::Move { src, dst } => {
            special("move:", &format_args!("{}{arrow}{}", format_subfield(*src), format_subfield(*dst)))
        }
        Action::Push(field) => param("push:", &format_subfield(*field)),
        Action::Pop(field) => param("pop:", &format_subfield(*field)),
        Action::DeleteField(field) => param("delete_field:", &field.field().name),
        Action::Encap(encap) => format_encap(encap, names),
        Action::Decap { packet_type: None } => wrapped("decap(", "", names),
        Action::Decap { packet_type: Some(kind) } => {
            let kind = format!("packet_type(ns={},type={})", kind >> 16, hex(u128::from(kind & 0xffff)));
            wrapped("decap(", &kind, names)
        }
        Action::Learn(learn) => format_learn(learn, names),
        Action::Conjunction { id, clause, n_clauses } => {
            wrapped("conjunction(", &format!("{id},{}/{n_clauses}", u32::from(*clause) + 1), names)
        }
        Action::FinTimeout { idle, hard } => {
            let parts = [("idle_timeout=", idle), ("hard_timeout=", hard)];
            let said: Vec<String> = parts.iter().filter(|(_, t)| t.0 != 0).map(|(name, t)| param(name, &t.0)).collect();
            wrapped("fin_timeout(", &said.join(","), names)
        }
        Action::Clone(inner) => wrapped("clone(", &format_actions(inner, names), names),
        Action::Ct(ct) => format_ct(ct, names),
        Action::CtClear => word("ct_clear"),
        Action::Nat(nat) => format_nat(nat, names),
        Action::Sample(sample) => format_sample(sample, names),
        Action::CheckPktLarger { pkt_len, dst } => {
            param("check_pkt_larger(", &format_args!("{pkt_len})->{}", format_subfield(*dst)))
        }
        Action::Meter(meter) => param("meter:", &meter.0),
        Action::Note(bytes) => param("note:", &dotted(bytes)),
        Action::Exit => special("exit", &""),
        Action::DebugRecirc => word("debug_recirc"),
        Action::DebugSlow => word("debug_slow"),
    }
}

/// `NXM_NX_REG0[4..7]`, `[]` for the whole field, `[5]` for one bit.
pub fn format_subfield(sub: SubField) -> String {
    let field = sub.field.field();
    let name = field.oxm.first().map_or(field.name, |oxm| oxm.name);
    if sub.ofs == 0 && sub.n_bits == SubField::width(sub.field) {
        format!("{name}[]")
    } else if sub.n_bits == 1 {
        format!("{name}[{}]", sub.ofs)
    } else {
        format!("{name}[{}..{}]", sub.ofs, sub.ofs + sub.n_bits - 1)
    }
}

/// The name of a hash, as `bundle` and `multipath` have it.
pub fn hash_fields(fields: HashFields) -> &'static str {
    match fields {
        HashFields::EthSrc => "eth_src",
        HashFields::SymmetricL4 => "symmetric_l4",
        HashFields::SymmetricL3L4 => "symmetric_l3l4",
        HashFields::SymmetricL3L4Udp => "symmetric_l3l4+udp",
        HashFields::NwSrc => "nw_src",
        HashFields::NwDst => "nw_dst",
        HashFields::SymmetricL3 => "symmetric_l3",
    }
}

fn dotted(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(".")
}

/// Names of packet-in reasons, by number (OFPR_*).
pub const REASONS: [&str; 6] = ["no_match", "action", "invalid_ttl", "action_set", "group", "packet_out"];

fn format_controller(c: &Controller, names: &Names) -> String {
    let plain = Controller { max_len: c.max_len, ..Controller::default() };
    if *c == plain {
        return format!("CONTROLLER:{}", c.max_len);
    }
    let mut parts = Vec::new();
    if c.reason != 1 {
        let reason = REASONS.get(usize::from(c.reason)).map_or_else(|| c.reason.to_string(), |r| (*r).to_owned());
        parts.push(format!("{}{reason}", names.param("reason=")));
    }
    if c.max_len != u16::MAX {
        parts.push(format!("{}{}", names.param("max_len="), c.max_len));
    }
    if c.controller_id != 0 {
        parts.push(format!("{}{}", names.param("id="), c.controller_id));
    }
    if !c.userdata.is_empty() {
        parts.push(format!("{}{}", names.param("userdata="), dotted(&c.userdata)));
    }
    if c.pause {
        parts.push(names.value("pause").to_string());
    }
    if let Some(meter) = c.meter {
        parts.push(format!("{}{}", names.param("meter_id="), meter.0));
    }
    wrapped("controller(", &parts.join(","), names)
}

fn format_bundle(bundle: &Bundle, names: &Names) -> String {
    let algorithm = match bundle.algorithm {
        BundleAlgorithm::ActiveBackup => "active_backup",
        BundleAlgorithm::Hrw => "hrw",
    };
    let members: Vec<String> = bundle.members.iter().map(|m| names.ports.show(*m).to_string()).collect();
    let (verb, dst) = match bundle.dst {
        Some(dst) => ("bundle_load(", format!("{},", format_subfield(dst))),
        None => ("bundle(", String::new()),
    };
    let inside = format!(
        "{},{},{algorithm},ofport,{dst}{}{}",
        hash_fields(bundle.fields),
        bundle.basis,
        names.param("members:"),
        members.join(",")
    );
    wrapped(verb, &inside, names)
}

fn format_resubmit(r: &Resubmit, names: &Names) -> String {
    let all = crate::TableId::ALL;
    let port = names.ports.show(r.in_port);
    if r.in_port != OfPort::IN_PORT && r.table == all && !r.ct {
        return format!("{}{port}", names.special("resubmit:"));
    }
    let mut text = String::new();
    if r.in_port != OfPort::IN_PORT {
        let _ = write!(text, "{port}");
    }
    text.push(',');
    if r.table != all {
        text.push_str(&names.show_table(r.table));
    }
    if r.ct {
        text.push_str(",ct");
    }
    wrapped("resubmit(", &text, names)
}

fn format_set_field(set: &SetField, names: &Names) -> String {
    let value = set.value;
    let param = |name: &str, value: &dyn Display| format!("{}{value}", names.param(name));
    let set_field = |field: FieldId| {
        let value = format_value(field, value, set.mask, &names.ports);
        format!("{}{value}{}{}", names.special("set_field:"), names.special("->"), field.field().name)
    };
    match (set.form, set.field) {
        (SetForm::SetField, field) => set_field(field),
        (SetForm::Load, field) => {
            let ofs = set.mask.trailing_zeros();
            let sub = SubField { field, ofs: ofs as u16, n_bits: set.mask.count_ones() as u16 };
            let value = hex(value.checked_shr(ofs).unwrap_or(0));
            format!("{}{value}{}{}", names.special("load:"), names.special("->"), format_subfield(sub))
        }
        (SetForm::Mod64, _) => param("set_tunnel64:", &hex(value)),
        (SetForm::Mod, field) => match field {
            FieldId::EthSrc => param("mod_dl_src:", &format_mac(value as u64, u64::MAX)),
            FieldId::EthDst => param("mod_dl_dst:", &format_mac(value as u64, u64::MAX)),
            FieldId::IpSrc => param("mod_nw_src:", &std::net::Ipv4Addr::from(value as u32)),
            FieldId::IpDst => param("mod_nw_dst:", &std::net::Ipv4Addr::from(value as u32)),
            FieldId::NwTos => param("mod_nw_tos:", &value),
            FieldId::IpDscp => param("mod_nw_tos:", &(value << 2)),
            FieldId::NwEcn => param("mod_nw_ecn:", &value),
            FieldId::NwTtl => param("mod_nw_ttl:", &value),
            FieldId::TcpSrc | FieldId::UdpSrc | FieldId::SctpSrc => param("mod_tp_src:", &value),
            FieldId::TcpDst | FieldId::UdpDst | FieldId::SctpDst => param("mod_tp_dst:", &value),
            FieldId::TunId => param("set_tunnel:", &hex(value)),
            FieldId::MplsLabel => wrapped("set_mpls_label(", &value.to_string(), names),
            FieldId::MplsTc => wrapped("set_mpls_tc(", &value.to_string(), names),
            FieldId::MplsTtl => wrapped("set_mpls_ttl(", &value.to_string(), names),
            // no other field has an action of its own
            _ => set_field(field),
        },
    }
}

fn format_encap(encap: &Encap, names: &Names) -> String {
    let inside = match encap {
        Encap::Ethernet => "ethernet".to_owned(),
        Encap::Mpls { ethertype: 0x8848 } => "mpls_mc".to_owned(),
        Encap::Mpls { .. } => "mpls".to_owned(),
        Encap::Nsh { md_type, tlvs } => {
            let mut parts: Vec<String> = md_type.iter().map(|t| format!("md_type={t}")).collect();
            for (class, kind, value) in tlvs {
                let digits: String = value.iter().map(|b| format!("{b:02x}")).collect();
                parts.push(format!("tlv({class:#x},{kind},0x{digits})"));
            }
            match parts.is_empty() {
                true => "nsh".to_owned(),
                false => format!("nsh{}", wrapped("(", &parts.join(","), names)),
            }
        }
    };
    wrapped("encap(", &inside, names)
}

/// `word(inside)`; the word comes with its parenthesis.
fn wrapped(word: &str, inside: &str, names: &Names) -> String {
    format!("{}{inside}{}", names.paren(word), names.paren(")"))
}

fn format_ct(ct: &Ct, names: &Names) -> String {
    let mut parts = Vec::new();
    if ct.commit {
        parts.push(names.value("commit").to_string());
    }
    if ct.force {
        parts.push(names.value("force").to_string());
    }
    if let Some(table) = ct.table {
        parts.push(format!("{}{}", names.special("table="), names.show_table(table)));
    }
    match ct.zone {
        CtZone::Immediate(0) => {}
        CtZone::Immediate(zone) => parts.push(format!("{}{zone}", names.param("zone="))),
        CtZone::Field(field) => parts.push(format!("{}{}", names.param("zone="), format_subfield(field))),
    }
    let (nat, exec): (Vec<&Action>, Vec<&Action>) = ct.actions.iter().partition(|a| matches!(a, Action::Nat(_)));
    parts.extend(nat.iter().map(|a| format_action(a, names)));
    if !exec.is_empty() {
        let inner: Vec<String> = exec.iter().map(|a| format_action(a, names)).collect();
        // in colours the comma is part of it, and stays
        let end = if names.colors.is_some() { ")," } else { ")" };
        parts.push(format!("{}{}{}", names.paren("exec("), inner.join(","), names.paren(end)));
    }
    match ct.alg {
        0 => {}
        21 => parts.push(format!("{}ftp", names.param("alg="))),
        69 => parts.push(format!("{}tftp", names.param("alg="))),
        other => parts.push(format!("{}{other}", names.param("alg="))),
    }
    let mut text = parts.join(",");
    if names.colors.is_some() {
        text = text.replace("),\x1b[m\x1b[K,", "),\x1b[m\x1b[K");
    }
    wrapped("ct(", &text, names)
}

fn format_nat(nat: &Nat, names: &Names) -> String {
    let nat_word = names.paren("nat").to_string();
    let Some(direction) = nat.direction else { return nat_word };
    let mut text = match direction {
        NatDirection::Source => names.param("src").to_string(),
        NatDirection::Destination => names.param("dst").to_string(),
    };
    if let Some((low, high)) = nat.addresses {
        let bracketed = low.is_ipv6() && nat.ports.is_some();
        let one = |a: std::net::IpAddr| if bracketed { format!("[{a}]") } else { a.to_string() };
        let _ = write!(text, "{}{}", names.param("="), one(low));
        if let Some(high) = high {
            let _ = write!(text, "-{}", one(high));
        }
    }
    if let Some((low, high)) = nat.ports {
        let equals = if nat.addresses.is_some() { String::new() } else { names.param("=").to_string() };
        let _ = write!(text, "{equals}:{low}");
        if let Some(high) = high {
            let _ = write!(text, "-{high}");
        }
    }
    // OVS shows the flags beside a range only
    let ranged = nat.addresses.is_some() || nat.ports.is_some();
    if nat.persistent && ranged {
        let _ = write!(text, ",{}", names.value("persistent"));
    }
    match nat.algorithm {
        Some(NatAlgorithm::Hash) => text.push_str(&format!(",{}", names.value("hash"))),
        Some(NatAlgorithm::Random) => text.push_str(&format!(",{}", names.value("random"))),
        None => {}
    }
    nat_word + &wrapped("(", &text, names)
}

fn format_sample(sample: &Sample, names: &Names) -> String {
    let numbers = [
        ("probability=", u32::from(sample.probability)),
        ("collector_set_id=", sample.collector_set_id),
        ("obs_domain_id=", sample.obs_domain_id),
        ("obs_point_id=", sample.obs_point_id),
    ];
    let mut text = numbers.map(|(name, value)| format!("{}{value}", names.param(name))).join(",");
    if sample.sampling_port != OfPort::NONE {
        let _ = write!(text, ",{}{}", names.param("sampling_port="), names.ports.show(sample.sampling_port));
    }
    match sample.direction {
        SampleDirection::Default => {}
        SampleDirection::Ingress => text.push_str(&format!(",{}", names.param("ingress"))),
        SampleDirection::Egress => text.push_str(&format!(",{}", names.param("egress"))),
    }
    wrapped("sample(", &text, names)
}

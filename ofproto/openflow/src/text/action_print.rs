//! Actions and instructions in text (ovs-actions(7)).

use std::fmt::Write;

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
        parts.push(format!("meter:{}", meter.0));
    }
    parts.extend(instructions.apply.iter().map(|a| format_action(a, names)));
    if instructions.clear {
        parts.push("clear_actions".to_owned());
    }
    if let Some(actions) = &instructions.write_actions {
        parts.push(format!("write_actions({})", format_actions(actions, names)));
    }
    if let Some(write) = instructions.write_metadata {
        let mask = if write.mask == u64::MAX { String::new() } else { format!("/{:#x}", write.mask) };
        parts.push(format!("write_metadata:{:#x}{mask}", write.value));
    }
    if let Some(table) = instructions.goto_table {
        parts.push(format!("goto_table:{}", names.show_table(table)));
    }
    if parts.is_empty() { "drop".to_owned() } else { parts.join(",") }
}

/// Actions joined by commas, `drop` if there are none.
pub fn format_actions(actions: &[Action], names: &Names) -> String {
    if actions.is_empty() {
        return "drop".to_owned();
    }
    actions.iter().map(|a| format_action(a, names)).collect::<Vec<_>>().join(",")
}

/// One action.
pub fn format_action(action: &Action, names: &Names) -> String {
    let port = |port: OfPort| names.ports.show(port).to_string();
    match action {
        Action::Output { port: OfPort::CONTROLLER, max_len } => format!("CONTROLLER:{max_len}"),
        Action::Output { port: to, .. } if to.reserved_name().is_some() => port(*to),
        Action::Output { port: to, .. } => format!("output:{}", port(*to)),
        Action::OutputReg { src, .. } => format!("output:{}", format_subfield(*src)),
        Action::OutputTrunc { port: to, max_len } => format!("output(port={},max_len={max_len})", port(*to)),
        Action::Controller(controller) => format_controller(controller),
        Action::Enqueue { port: to, queue } => format!("enqueue:{}:{}", port(*to), queue.0),
        Action::SetQueue(queue) => format!("set_queue:{}", queue.0),
        Action::PopQueue => "pop_queue".to_owned(),
        Action::Group(group) => format!("group:{}", group.0),
        Action::Bundle(bundle) => format_bundle(bundle, names),
        Action::Multipath(m) => format!(
            "multipath({},{},{},{},{},{})",
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
            format_subfield(m.dst)
        ),
        Action::Resubmit(r) => format_resubmit(r, names),
        Action::SetField(set) => format_set_field(set, names),
        Action::SetTunnelOption(set) => format!("set_field:{}->tun_metadata{}", set.value, set.index),
        Action::SetVlanVid { vid, push } => format!("{}_vlan_vid:{vid}", if *push { "mod" } else { "set" }),
        Action::SetVlanPcp { pcp, push } => format!("{}_vlan_pcp:{pcp}", if *push { "mod" } else { "set" }),
        Action::StripVlan(StripForm::Strip) => "strip_vlan".to_owned(),
        Action::StripVlan(StripForm::Pop) => "pop_vlan".to_owned(),
        Action::PushVlan { ethertype } => format!("push_vlan:{ethertype:#06x}"),
        Action::PushMpls { ethertype } => format!("push_mpls:{ethertype:#06x}"),
        Action::PopMpls { ethertype } => format!("pop_mpls:{ethertype:#06x}"),
        Action::DecMplsTtl => "dec_mpls_ttl".to_owned(),
        Action::DecTtl(dec) if dec.explicit => {
            let ids: Vec<String> = dec.controllers.iter().map(u16::to_string).collect();
            format!("dec_ttl({})", ids.join(","))
        }
        Action::DecTtl(_) => "dec_ttl".to_owned(),
        Action::DecNshTtl => "dec_nsh_ttl".to_owned(),
        Action::Move { src, dst } => format!("move:{}->{}", format_subfield(*src), format_subfield(*dst)),
        Action::Push(field) => format!("push:{}", format_subfield(*field)),
        Action::Pop(field) => format!("pop:{}", format_subfield(*field)),
        Action::DeleteField(field) => format!("delete_field:{}", field.field().name),
        Action::Encap(encap) => format_encap(encap),
        Action::Decap { packet_type: None } => "decap()".to_owned(),
        Action::Decap { packet_type: Some(kind) } => {
            format!("decap(packet_type(ns={},type={}))", kind >> 16, hex(u128::from(kind & 0xffff)))
        }
        Action::Learn(learn) => format_learn(learn, names),
        Action::Conjunction { id, clause, n_clauses } => {
            format!("conjunction({id},{}/{n_clauses})", u32::from(*clause) + 1)
        }
        Action::FinTimeout { idle, hard } => {
            let parts = [("idle_timeout", idle), ("hard_timeout", hard)];
            let said: Vec<String> =
                parts.iter().filter(|(_, t)| t.0 != 0).map(|(name, t)| format!("{name}={}", t.0)).collect();
            format!("fin_timeout({})", said.join(","))
        }
        Action::Clone(inner) => format!("clone({})", format_actions(inner, names)),
        Action::Ct(ct) => format_ct(ct, names),
        Action::CtClear => "ct_clear".to_owned(),
        Action::Nat(nat) => format_nat(nat),
        Action::Sample(sample) => format_sample(sample, names),
        Action::CheckPktLarger { pkt_len, dst } => format!("check_pkt_larger({pkt_len})->{}", format_subfield(*dst)),
        Action::Meter(meter) => format!("meter:{}", meter.0),
        Action::Note(bytes) => format!("note:{}", dotted(bytes)),
        Action::Exit => "exit".to_owned(),
        Action::DebugRecirc => "debug_recirc".to_owned(),
        Action::DebugSlow => "debug_slow".to_owned(),
    }
}

/// `NXM_NX_REG0[4..7]`, `[]` for the whole field, `[5]` for one bit.
pub fn format_subfield(sub: SubField) -> String {
    let field = sub.field.field();
    let name = field.oxm.first().map_or(field.name, |oxm| oxm.name);
    if sub.ofs == 0 && sub.n_bits == field.bits {
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

fn format_controller(c: &Controller) -> String {
    let plain = Controller { max_len: c.max_len, ..Controller::default() };
    if *c == plain {
        return format!("CONTROLLER:{}", c.max_len);
    }
    let mut parts = Vec::new();
    if c.reason != 1 {
        let reason = REASONS.get(usize::from(c.reason)).map_or_else(|| c.reason.to_string(), |r| (*r).to_owned());
        parts.push(format!("reason={reason}"));
    }
    if c.max_len != u16::MAX {
        parts.push(format!("max_len={}", c.max_len));
    }
    if c.controller_id != 0 {
        parts.push(format!("id={}", c.controller_id));
    }
    if !c.userdata.is_empty() {
        parts.push(format!("userdata={}", dotted(&c.userdata)));
    }
    if c.pause {
        parts.push("pause".to_owned());
    }
    if let Some(meter) = c.meter {
        parts.push(format!("meter_id={}", meter.0));
    }
    format!("controller({})", parts.join(","))
}

fn format_bundle(bundle: &Bundle, names: &Names) -> String {
    let algorithm = match bundle.algorithm {
        BundleAlgorithm::ActiveBackup => "active_backup",
        BundleAlgorithm::Hrw => "hrw",
    };
    let members: Vec<String> = bundle.members.iter().map(|m| names.ports.show(*m).to_string()).collect();
    let (verb, dst) = match bundle.dst {
        Some(dst) => ("bundle_load", format!("{},", format_subfield(dst))),
        None => ("bundle", String::new()),
    };
    format!(
        "{verb}({},{},{algorithm},ofport,{dst}members:{})",
        hash_fields(bundle.fields),
        bundle.basis,
        members.join(",")
    )
}

fn format_resubmit(r: &Resubmit, names: &Names) -> String {
    let all = crate::TableId::ALL;
    let port = names.ports.show(r.in_port);
    if r.in_port != OfPort::IN_PORT && r.table == all && !r.ct {
        return format!("resubmit:{port}");
    }
    let mut text = "resubmit(".to_owned();
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
    text.push(')');
    text
}

fn format_set_field(set: &SetField, names: &Names) -> String {
    let value = set.value;
    match (set.form, set.field) {
        (SetForm::SetField, field) => {
            format!("set_field:{}->{}", format_value(field, value, set.mask, &names.ports), field.field().name)
        }
        (SetForm::Load, field) => {
            let ofs = set.mask.trailing_zeros();
            let sub = SubField { field, ofs: ofs as u16, n_bits: set.mask.count_ones() as u16 };
            format!("load:{}->{}", hex(value.checked_shr(ofs).unwrap_or(0)), format_subfield(sub))
        }
        (SetForm::Mod64, _) => format!("set_tunnel64:{}", hex(value)),
        (SetForm::Mod, field) => match field {
            FieldId::EthSrc => format!("mod_dl_src:{}", format_mac(value as u64, u64::MAX)),
            FieldId::EthDst => format!("mod_dl_dst:{}", format_mac(value as u64, u64::MAX)),
            FieldId::IpSrc => format!("mod_nw_src:{}", std::net::Ipv4Addr::from(value as u32)),
            FieldId::IpDst => format!("mod_nw_dst:{}", std::net::Ipv4Addr::from(value as u32)),
            FieldId::NwTos => format!("mod_nw_tos:{value}"),
            FieldId::IpDscp => format!("mod_nw_tos:{}", value << 2),
            FieldId::NwEcn => format!("mod_nw_ecn:{value}"),
            FieldId::NwTtl => format!("mod_nw_ttl:{value}"),
            FieldId::TcpSrc | FieldId::UdpSrc | FieldId::SctpSrc => format!("mod_tp_src:{value}"),
            FieldId::TcpDst | FieldId::UdpDst | FieldId::SctpDst => format!("mod_tp_dst:{value}"),
            FieldId::TunId => format!("set_tunnel:{}", hex(value)),
            FieldId::MplsLabel => format!("set_mpls_label({value})"),
            FieldId::MplsTc => format!("set_mpls_tc({value})"),
            FieldId::MplsTtl => format!("set_mpls_ttl({value})"),
            // no other field has an action of its own
            _ => format!("set_field:{}->{}", format_value(field, value, set.mask, &names.ports), field.field().name),
        },
    }
}

fn format_encap(encap: &Encap) -> String {
    match encap {
        Encap::Ethernet => "encap(ethernet)".to_owned(),
        Encap::Mpls { ethertype: 0x8848 } => "encap(mpls_mc)".to_owned(),
        Encap::Mpls { .. } => "encap(mpls)".to_owned(),
        Encap::Nsh { md_type, tlvs } => {
            let mut parts: Vec<String> = md_type.iter().map(|t| format!("md_type={t}")).collect();
            for (class, kind, value) in tlvs {
                let digits: String = value.iter().map(|b| format!("{b:02x}")).collect();
                parts.push(format!("tlv({class:#x},{kind},0x{digits})"));
            }
            if parts.is_empty() { "encap(nsh)".to_owned() } else { format!("encap(nsh({}))", parts.join(",")) }
        }
    }
}

fn format_ct(ct: &Ct, names: &Names) -> String {
    let mut parts = Vec::new();
    if ct.commit {
        parts.push("commit".to_owned());
    }
    if ct.force {
        parts.push("force".to_owned());
    }
    if let Some(table) = ct.table {
        parts.push(format!("table={}", names.show_table(table)));
    }
    match ct.zone {
        CtZone::Immediate(0) => {}
        CtZone::Immediate(zone) => parts.push(format!("zone={zone}")),
        CtZone::Field(field) => parts.push(format!("zone={}", format_subfield(field))),
    }
    let (nat, exec): (Vec<&Action>, Vec<&Action>) = ct.actions.iter().partition(|a| matches!(a, Action::Nat(_)));
    parts.extend(nat.iter().map(|a| format_action(a, names)));
    if !exec.is_empty() {
        let inner: Vec<String> = exec.iter().map(|a| format_action(a, names)).collect();
        parts.push(format!("exec({})", inner.join(",")));
    }
    match ct.alg {
        0 => {}
        21 => parts.push("alg=ftp".to_owned()),
        69 => parts.push("alg=tftp".to_owned()),
        other => parts.push(format!("alg={other}")),
    }
    format!("ct({})", parts.join(","))
}

fn format_nat(nat: &Nat) -> String {
    let Some(direction) = nat.direction else { return "nat".to_owned() };
    let mut text = match direction {
        NatDirection::Source => "nat(src".to_owned(),
        NatDirection::Destination => "nat(dst".to_owned(),
    };
    if let Some((low, high)) = nat.addresses {
        let bracketed = low.is_ipv6() && nat.ports.is_some();
        let one = |a: std::net::IpAddr| if bracketed { format!("[{a}]") } else { a.to_string() };
        let _ = write!(text, "={}", one(low));
        if let Some(high) = high {
            let _ = write!(text, "-{}", one(high));
        }
    }
    if let Some((low, high)) = nat.ports {
        let _ = write!(text, "{}{low}", if nat.addresses.is_some() { ":" } else { "=:" });
        if let Some(high) = high {
            let _ = write!(text, "-{high}");
        }
    }
    // OVS shows the flags beside a range only
    let ranged = nat.addresses.is_some() || nat.ports.is_some();
    if nat.persistent && ranged {
        text.push_str(",persistent");
    }
    match nat.algorithm {
        Some(NatAlgorithm::Hash) => text.push_str(",hash"),
        Some(NatAlgorithm::Random) => text.push_str(",random"),
        None => {}
    }
    text.push(')');
    text
}

fn format_sample(sample: &Sample, names: &Names) -> String {
    let mut text = format!(
        "sample(probability={},collector_set_id={},obs_domain_id={},obs_point_id={}",
        sample.probability, sample.collector_set_id, sample.obs_domain_id, sample.obs_point_id
    );
    if sample.sampling_port != OfPort::NONE {
        let _ = write!(text, ",sampling_port={}", names.ports.show(sample.sampling_port));
    }
    match sample.direction {
        SampleDirection::Default => {}
        SampleDirection::Ingress => text.push_str(",ingress"),
        SampleDirection::Egress => text.push_str(",egress"),
    }
    text.push(')');
    text
}

//! Actions that write fields: `mod_*`, `set_field`, `load`, `move`.

use super::*;

/// The actions of OpenFlow 1.0 that set one header field.
pub(super) fn parse_mod(name: &str, arg: &str) -> Result<Option<Action>, String> {
    let ipv4 = || {
        arg.parse::<std::net::Ipv4Addr>().map(|a| u128::from(u32::from(a))).map_err(|_| {
            notes::say(Note::error("socket_util", format!("\"{arg}\" is not a valid IP address")));
            format!("{arg}: could not convert to IP address")
        })
    };
    // what stands behind the address is not looked at
    let mac = || {
        parse_mac(arg.split('/').next().unwrap_or(arg))
            .map(u128::from)
            .ok_or_else(|| format!("invalid mac address {arg}"))
    };
    let ranged = |max: u8, what: &str| match number::<u8>(arg, what)? {
        value if value <= max => Ok(u128::from(value)),
        _ => Err(format!("{arg}: not a valid {what}")),
    };
    let (field, value, form) = match name {
        "mod_dl_src" => (FieldId::EthSrc, mac()?, SetForm::Mod),
        "mod_dl_dst" => (FieldId::EthDst, mac()?, SetForm::Mod),
        "mod_nw_src" => (FieldId::IpSrc, ipv4()?, SetForm::Mod),
        "mod_nw_dst" => (FieldId::IpDst, ipv4()?, SetForm::Mod),
        "mod_nw_tos" => {
            let tos = ranged(255, "TOS")?;
            if tos & 3 != 0 {
                return Err(format!("{arg}: not a valid TOS"));
            }
            (FieldId::IpDscp, tos >> 2, SetForm::Mod)
        }
        "mod_nw_ecn" => (FieldId::NwEcn, ranged(3, "ECN")?, SetForm::Mod),
        "mod_nw_ttl" => (FieldId::NwTtl, u128::from(number::<u8>(arg, "TTL")?), SetForm::Mod),
        "mod_tp_src" => (FieldId::TcpSrc, u128::from(number::<u16>(arg, "source port")?), SetForm::Mod),
        "mod_tp_dst" => (FieldId::TcpDst, u128::from(number::<u16>(arg, "destination port")?), SetForm::Mod),
        "set_tunnel" | "set_tunnel64" => {
            let id = u128::from(number::<u64>(arg, "tunnel")?);
            let short = name == "set_tunnel" && id <= u128::from(u32::MAX);
            (FieldId::TunId, id, if short { SetForm::Mod } else { SetForm::Mod64 })
        }
        "set_mpls_label" if arg.is_empty() => return Err("set_mpls_label: expected label.".to_owned()),
        "set_mpls_tc" if arg.is_empty() => return Err("set_mpls_tc: expected tc.".to_owned()),
        "set_mpls_ttl" if arg.is_empty() => return Err("set_mpls_ttl: expected ttl.".to_owned()),
        "set_mpls_label" => (FieldId::MplsLabel, mpls_label(arg)?, SetForm::Mod),
        "set_mpls_tc" => (FieldId::MplsTc, ranged(7, "MPLS TC")?, SetForm::Mod),
        "set_mpls_ttl" => (FieldId::MplsTtl, u128::from(number::<u8>(arg, "MPLS TTL")?), SetForm::Mod),
        _ => return Ok(None),
    };
    Ok(Some(Action::SetField(SetField { field, value, mask: field.field().all_ones(), form })))
}

pub(super) fn parse_set_field(arg: &str, names: &Names) -> Result<Action, String> {
    let (value, name) = arrow(arg)?;
    let id = field_by_any_name(name).ok_or_else(|| format!("{name} is not a valid OXM field name"))?;
    if !id.field().writable {
        return Err(format!("{name} is read-only"));
    }
    if let Some(index) = id.tun_metadata_index() {
        let value = Box::new(parse_option(id.field().name, value)?);
        return Ok(Action::SetTunnelOption(SetTunnelOption { index, value }));
    }
    let text = value;
    let (mut value, mask) = parse_value(id, text, &names.ports)?;
    if !fits(id, text) {
        return Err(format!("{text} is not a valid value for field {name}"));
    }
    if id == FieldId::VlanVid {
        // setting a VLAN id sets the "tag present" bit of OpenFlow 1.2's field
        value |= mask & 0x1000;
    }
    Ok(Action::SetField(SetField { field: id, value, mask, form: SetForm::SetField }))
}

pub(super) fn parse_load(arg: &str) -> Result<Action, String> {
    let (value_text, dst) = arrow(arg)?;
    if dst.is_empty() {
        return Err(format!("{arg}: missing field name following `->'"));
    }
    let dst = subfield(dst)?;
    let unreadable = || format!("{arg}: cannot parse integer value");
    let value = parse_u128(value_text).ok_or_else(unreadable)?;
    let wire_bits = dst.field.field().wire_bits;
    if wire_bits < 128 && value >> wire_bits != 0 {
        return Err(unreadable());
    }
    if dst.n_bits < 128 && value >> dst.n_bits != 0 {
        return Err(format!("{arg}: value {value:#x} does not fit into {} bits", dst.n_bits));
    }
    if let Some(index) = dst.field.tun_metadata_index() {
        let value = match dst.n_bits == dst.field.field().bits {
            true => TunValue::from_u128(value, u128::MAX),
            false => TunValue::from_bits(value, dst.ofs, dst.n_bits),
        };
        return Ok(Action::SetTunnelOption(SetTunnelOption { index, value: Box::new(value) }));
    }
    Ok(Action::SetField(SetField { field: dst.field, value: value << dst.ofs, mask: dst.mask(), form: SetForm::Load }))
}

/// The two ends of `move`, with its own words for what is wrong.
pub(in crate::text) fn move_ends(arg: &str) -> Result<(SubField, SubField), String> {
    let (src, dst) = match arg.split_once("->") {
        Some((src, dst)) => (src, Some(dst)),
        None => (arg, None),
    };
    let src = subfield(src).map_err(|error| match error.strip_prefix(src) {
        Some(rest) => format!("{arg}{rest}"),
        None => error,
    })?;
    Ok((src, subfield(dst.ok_or_else(|| format!("{arg}: missing `->' following source"))?)?))
}

pub(super) fn parse_move(arg: &str) -> Result<Action, String> {
    let (src, dst) = move_ends(arg)?;
    if src.n_bits != dst.n_bits {
        return Err(format!(
            "{arg}: source field is {} bits wide but destination is {} bits wide",
            src.n_bits, dst.n_bits
        ));
    }
    Ok(Action::Move { src, dst })
}

/// Whether a value means something in the field: no bit beyond its width (text that is no plain number always does).
fn fits(id: FieldId, text: &str) -> bool {
    let value = text.split_once('/').map_or(text, |(value, _)| value);
    match parse_u128(value) {
        Some(value) if id == FieldId::NwTos => value & 3 == 0,
        Some(value) if matches!(id.field().form, FieldForm::Decimal | FieldForm::Hexadecimal) => {
            value & !id.field().all_ones() == 0
        }
        _ => true,
    }
}

fn mpls_label(arg: &str) -> Result<u128, String> {
    match number::<u32>(arg, "MPLS label")? {
        label @ 0..=0xf_ffff => Ok(label.into()),
        _ => Err(format!("{arg}: not a valid MPLS label")),
    }
}

pub(super) fn vlan_vid(arg: &str) -> Result<u16, String> {
    match number::<u16>(arg, "VLAN VID")? {
        vid if vid <= 0xfff => Ok(vid),
        _ => Err(format!("{arg}: not a valid VLAN VID")),
    }
}

pub(super) fn vlan_pcp(arg: &str) -> Result<u8, String> {
    match number::<u8>(arg, "VLAN PCP")? {
        pcp if pcp <= 7 => Ok(pcp),
        _ => Err(format!("{arg}: not a valid VLAN PCP")),
    }
}

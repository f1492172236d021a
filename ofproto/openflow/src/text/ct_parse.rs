//! Conntrack's actions from text: `ct(...)` and `nat(...)`.

use std::net::IpAddr;

use super::Names;
use super::action_parse::{number, parse_actions, subfield};
use super::words::Words;
use crate::action::{Action, Ct, CtZone, Nat, NatAlgorithm, NatDirection};
use crate::ids::TableId;

pub(super) fn parse_ct(arg: &str, names: &Names) -> Result<Ct, String> {
    let mut ct =
        Ct { commit: false, force: false, zone: CtZone::Immediate(0), table: None, alg: 0, actions: Vec::new() };
    for option in Words::of(arg) {
        let value = option.text();
        match option.key {
            "commit" => ct.commit = true,
            "force" => ct.force = true,
            "table" => {
                let table = names.parse_table(value).ok_or_else(|| format!("unknown table {value}"))?;
                if table == TableId::ALL {
                    return Err(format!("invalid table {:#x}", table.0));
                }
                ct.table = Some(table);
            }
            "zone" => {
                ct.zone = match number::<u16>(value, "zone") {
                    Ok(zone) => CtZone::Immediate(zone),
                    Err(_) => CtZone::Field(subfield(value)?),
                }
            }
            "alg" => {
                ct.alg = match value {
                    "ftp" => 21,
                    "tftp" => 69,
                    other => number(other, "alg")?,
                }
            }
            "nat" => ct.actions.push(Action::Nat(parse_nat(value)?)),
            "exec" => ct.actions.extend(parse_actions(value, names)?),
            other => return Err(format!("invalid argument to \"ct\" action: `{other}'")),
        }
    }
    if ct.force && !ct.commit {
        return Err("\"force\" flag requires \"commit\" flag.".to_owned());
    }
    Ok(ct)
}

pub(super) fn parse_nat(arg: &str) -> Result<Nat, String> {
    let mut nat = Nat::default();
    for option in Words::of(arg) {
        match option.key {
            "src" | "dst" => {
                if nat.direction.is_some() {
                    return Err("May only specify one of \"src\" or \"dst\".".to_owned());
                }
                nat.direction =
                    Some(if option.key == "src" { NatDirection::Source } else { NatDirection::Destination });
                if let Some(range) = option.value.filter(|r| !r.is_empty()) {
                    (nat.addresses, nat.ports) = parse_nat_range(range)?;
                }
            }
            "persistent" => nat.persistent = true,
            "hash" => nat.algorithm = Some(NatAlgorithm::Hash),
            "random" => nat.algorithm = Some(NatAlgorithm::Random),
            other => return Err(format!("invalid key \"{other}\" in \"nat\" argument")),
        }
    }
    Ok(nat)
}

type NatRange = (Option<(IpAddr, Option<IpAddr>)>, Option<(u16, Option<u16>)>);

/// `A[-B][:P[-Q]]`; IPv6 addresses in brackets where ports follow.
fn parse_nat_range(text: &str) -> Result<NatRange, String> {
    let bad = || format!("invalid or missing NAT range: {text}");
    let bracketed = text.contains('[');
    let (addresses, ports) = match bracketed {
        true => match text.rfind(']') {
            Some(end) => (&text[..=end], text[end + 1..].strip_prefix(':')),
            None => return Err(bad()),
        },
        // more than one colon without brackets is IPv6 alone
        false if text.matches(':').count() > 1 => (text, None),
        false => text.split_once(':').map_or((text, None), |(a, p)| (a, Some(p))),
    };
    let address = |t: &str| t.trim_matches(['[', ']']).parse::<IpAddr>().map_err(|_| bad());
    let addresses = match addresses.split_once('-') {
        _ if addresses.is_empty() => None,
        Some((low, high)) => Some((address(low)?, Some(address(high)?))),
        None => Some((address(addresses)?, None)),
    };
    let port = |t: &str| t.parse::<u16>().map_err(|_| bad());
    let ports = match ports {
        None => None,
        Some(range) => Some(match range.split_once('-') {
            Some((low, high)) => (port(low)?, Some(port(high)?)),
            None => (port(range)?, None),
        }),
    };
    Ok((addresses, ports))
}

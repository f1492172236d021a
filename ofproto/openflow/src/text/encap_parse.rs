//! `encap(...)` and `decap(...)` from text.

use super::action_parse::{hex_bytes, number};
use super::words::Words;
use crate::action::{Action, Encap};

pub(super) fn parse_encap(arg: &str) -> Result<Action, String> {
    let word = Words::of(arg).next().ok_or("Missing encap hdr: ")?;
    if matches!(word.key, "ethernet" | "mpls" | "mpls_mc")
        && let Some(property) = Words::of(word.text()).next()
    {
        return Err(format!("Invalid property: {}", property.key));
    }
    Ok(Action::Encap(match word.key {
        "ethernet" => Encap::Ethernet,
        "mpls" => Encap::Mpls { ethertype: 0x8847 },
        "mpls_mc" => Encap::Mpls { ethertype: 0x8848 },
        "nsh" => {
            let (mut md_type, mut tlvs) = (None, Vec::new());
            for option in Words::of(word.text()) {
                match option.key {
                    "md_type" => {
                        let t: u8 = number(option.text(), "md_type")?;
                        if !(1..=2).contains(&t) {
                            return Err("invalid md_type".to_owned());
                        }
                        md_type = Some(t);
                    }
                    "tlv" => tlvs.push(parse_nsh_tlv(option.text())?),
                    other => return Err(format!("Invalid property: {other}")),
                }
            }
            Encap::Nsh { md_type, tlvs }
        }
        _ => return Err(format!("Encap hdr not supported: {}", word.text())),
    }))
}

fn parse_nsh_tlv(arg: &str) -> Result<(u16, u8, Vec<u8>), String> {
    let parts: Vec<&str> = arg.split(',').collect();
    let [class, kind, value] = parts[..] else { return Err(format!("Invalid NSH TLV header: {arg}")) };
    let wrong = |_| format!("Invalid NSH TLV header: {arg}");
    let digits = value.trim().strip_prefix("0x").unwrap_or(value.trim());
    let padded = if digits.len() % 2 == 1 { format!("0{digits}") } else { digits.to_owned() };
    let value = hex_bytes(&padded).ok_or(()).map_err(wrong)?;
    // more than one property can carry
    if value.len() > 124 {
        return Err(wrong(()));
    }
    let (class, kind) = (number(class.trim(), "class"), number(kind.trim(), "type"));
    Ok((class.map_err(|_| wrong(()))?, kind.map_err(|_| wrong(()))?, value))
}

pub(super) fn parse_decap(arg: &str) -> Result<Action, String> {
    let Some(word) = Words::of(arg).next() else { return Ok(Action::Decap { packet_type: None }) };
    if word.key != "packet_type" {
        return Err(format!("Invalid decap argument: {}", word.key));
    }
    let (mut ns, mut kind) = (None, None);
    for option in Words::of(word.text()) {
        match option.key {
            "ns" => ns = Some(number::<u16>(option.text(), "ns")?),
            "type" => kind = Some(number::<u16>(option.text(), "type")?),
            other => return Err(format!("Invalid packet_type attribute {other}")),
        }
    }
    let ns = ns.ok_or("Missing packet_type attribute ns")?;
    let kind = kind.ok_or("Missing packet_type attribute type")?;
    Ok(Action::Decap { packet_type: Some(u32::from(ns) << 16 | u32::from(kind)) })
}

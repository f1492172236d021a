//! TLVs by their names: `NXM_OF_IN_PORT(0001), NXM_OF_IP_SRC_W(01020300/ffffff00)`, as `ofctl parse-nx-match` has them.

use std::fmt::Write;

use weft_flow::FieldId;
use weft_flow::field::Masking;

use crate::error::ErrorCode;
use crate::wire::buf::{Reader, Writer};
use crate::wire::oxm::Header;

/// The bytes of a text.
///
/// # Errors
/// What was not understood.
pub fn parse(text: &str) -> Result<Vec<u8>, String> {
    let mut w = Writer::default();
    let mut rest = text.trim();
    if rest == "<any>" {
        return Ok(Vec::new());
    }
    while !rest.is_empty() {
        let (name, behind) = rest.split_once('(').ok_or_else(|| format!("{rest}: missing ( at end of nx_match"))?;
        let (body, behind) = behind.split_once(')').ok_or_else(|| format!("{rest}: missing ) following value"))?;
        rest = behind.trim_start_matches([',', ' ', '\t']);
        let (value, mask) = body.split_once('/').map_or((body, None), |(v, m)| (v, Some(m)));
        let mut payload = hex(value)?;
        if let Some(mask) = mask {
            payload.extend(hex(mask)?);
        }
        let mut header = header(name.trim())?;
        header.payload = payload.len();
        header.has_mask |= mask.is_some();
        header.write(&mut w);
        w.slice(&payload);
    }
    Ok(w.bytes)
}

/// A name, with `_W` where there is a mask, or the header in hexadecimal.
fn header(name: &str) -> Result<Header, String> {
    let (plain, masked) = match name.strip_suffix("_W") {
        Some(plain) => (plain, true),
        None => (name, false),
    };
    for field in FieldId::ALL {
        if let Some(id) = field.field().oxm.iter().find(|o| o.name == plain) {
            if masked && field.field().masking == Masking::None {
                return Err(format!("{name}: unknown field `{name}'"));
            }
            return Ok(Header { class: id.class, vendor: id.vendor, field: id.field, has_mask: masked, payload: 0 });
        }
    }
    if plain == "NXM_NX_COOKIE" {
        return Ok(Header { class: 1, vendor: 0, field: 30, has_mask: masked, payload: 0 });
    }
    let bytes = hex(name)
        .ok()
        .filter(|b| b.len() == 4 || b.len() == 8)
        .ok_or_else(|| format!("{name}: unknown field `{name}'"))?;
    Header::read(&mut Reader::new(&bytes, ErrorCode::OFPBMC_BAD_LEN)).map_err(|e| e.to_string())
}

/// Digits in pairs.
fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Option<Vec<u8>> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).map(|d| d as u8)).collect();
    match digits {
        Some(digits) if digits.len() % 2 == 0 => Ok(digits.chunks(2).map(|d| d[0] << 4 | d[1]).collect()),
        _ => Err(format!("{text}: hex digits expected in pairs")),
    }
}

/// The text of bytes.
pub fn format(bytes: &[u8]) -> String {
    let mut r = Reader::new(bytes, ErrorCode::OFPBMC_BAD_LEN);
    let mut text = String::new();
    while !r.is_empty() {
        let Ok(header) = Header::read(&mut r) else { break };
        let Ok(payload) = r.bytes(header.payload, "payload") else { break };
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&name(header));
        text.push('(');
        let half = if header.has_mask { payload.len() / 2 } else { payload.len() };
        for (at, byte) in payload.iter().enumerate() {
            if at == half {
                text.push('/');
            }
            let _ = write!(text, "{byte:02x}");
        }
        text.push(')');
    }
    if text.is_empty() { "<any>".to_owned() } else { text }
}

fn name(header: Header) -> String {
    let is = |o: &&weft_flow::field::OxmId| (o.class, o.vendor, o.field) == (header.class, header.vendor, header.field);
    let cookie = (header.class, header.field) == (1, 30) && matches!(header.payload, 8 | 16);
    let known = header.lookup().filter(|_| !cookie).and_then(|f| f.field().oxm.iter().find(is)).map(|o| o.name);
    let suffix = if header.has_mask { "_W" } else { "" };
    match known {
        Some(name) => format!("{name}{suffix}"),
        None if cookie => format!("NXM_NX_COOKIE{suffix}"),
        None => format!("{}:{}", header.class, header.field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_the_same() {
        for text in ["NXM_OF_IN_PORT(0001), NXM_OF_ETH_TYPE(0800)", "NXM_OF_IP_SRC_W(01020300/ffffff00)", "<any>"] {
            assert_eq!(format(&parse(text).unwrap()), text);
        }
        assert_eq!(format(&parse("00000602(0800)").unwrap()), "NXM_OF_ETH_TYPE(0800)");
        assert!(parse("FOO(00)").is_err());
    }

    #[test]
    fn any_text_and_any_bytes() {
        bolero::check!().with_type::<(String, Vec<u8>)>().for_each(|(text, bytes)| {
            drop(parse(text));
            drop(format(bytes));
        });
    }
}

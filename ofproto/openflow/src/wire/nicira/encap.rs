//! `encap`: put an Ethernet, NSH or MPLS header around the packet; properties say more about NSH.

use zerocopy::byteorder::big_endian::U32;

use super::{EMPTY_PAD, simple};
use crate::action::{Action, Encap};
use crate::error::ErrorCode;
use crate::wire::buf::{Decoded, Reader, Writer, bad};

const PT_ETHERNET: u32 = 0;

const PT_NSH: u32 = 0x0001_894f;

pub(super) fn encap(r: &mut Reader<'_>) -> Decoded<Action> {
    r.skip(2, "header size")?;
    let packet_type = r.get::<U32>("packet type")?.get();
    let mut md_type = None;
    let mut tlvs = Vec::new();
    while packet_type == PT_NSH && r.len() >= 4 {
        // class:16 type:8 length:8, padded to 8 behind the last.
        let head = r.bytes(4, "encap property")?;
        let (class, kind, len) = (u16::from_be_bytes([head[0], head[1]]), head[2], usize::from(head[3]));
        if class == 0 && len == 0 {
            break;
        }
        if len < 4 {
            return bad(ErrorCode::OFPBAC_BAD_LEN, format!("an encap property of {len} bytes"));
        }
        let body = r.bytes(len - 4, "encap property")?;
        match (class, kind) {
            (ED_NSH, ED_NSH_MD_TYPE) if !body.is_empty() => {
                if !matches!(body[0], 1 | 2) {
                    return bad(ErrorCode::NXBAC_BAD_ED_PROP, format!("NSH MD type {}", body[0]));
                }
                md_type = Some(body[0]);
            }
            (ED_NSH, ED_NSH_TLV) if body.len() >= 4 => {
                let tlv_len = usize::from(body[3]);
                let tlv_class = u16::from_be_bytes([body[0], body[1]]);
                let Some(value) = body.get(4..4 + tlv_len) else {
                    return bad(ErrorCode::NXBAC_BAD_ED_PROP, "an NSH TLV longer than its property");
                };
                tlvs.push((tlv_class, body[2], value.to_vec()));
            }
            _ => return bad(ErrorCode::NXBAC_UNKNOWN_ED_PROP, format!("unknown encap property {class:#x}/{kind}")),
        }
        let pad = len.next_multiple_of(8) - len;
        r.skip(pad.min(r.len()), EMPTY_PAD)?;
    }
    match packet_type {
        PT_ETHERNET => Ok(Action::Encap(Encap::Ethernet)),
        PT_NSH => Ok(Action::Encap(Encap::Nsh { md_type, tlvs })),
        0x0001_8847 | 0x0001_8848 => Ok(Action::Encap(Encap::Mpls { ethertype: packet_type as u16 })),
        _ => bad(ErrorCode::NXBAC_BAD_HEADER_TYPE, format!("cannot encapsulate in {packet_type:#010x}")),
    }
}

/// Encap properties of NSH.
const ED_NSH: u16 = 4;

const ED_NSH_MD_TYPE: u8 = 1;

const ED_NSH_TLV: u8 = 2;

pub(super) fn write_encap(w: &mut Writer, encap: &Encap) {
    let packet_type = match encap {
        Encap::Ethernet => PT_ETHERNET,
        Encap::Nsh { .. } => PT_NSH,
        Encap::Mpls { ethertype } => 0x0001_0000 | u32::from(*ethertype),
    };
    simple(w, 46, |w| {
        w.zeros(2);
        w.put(&U32::new(packet_type));
        let Encap::Nsh { md_type, tlvs } = encap else { return };
        if let Some(md_type) = md_type {
            w.slice(&ED_NSH.to_be_bytes());
            w.slice(&[ED_NSH_MD_TYPE, 5, *md_type, 0, 0, 0]);
        }
        for (class, kind, value) in tlvs {
            // Unlike others, this property's length counts its padding.
            let len = (8 + value.len()).next_multiple_of(8);
            w.slice(&ED_NSH.to_be_bytes());
            w.slice(&[ED_NSH_TLV, len as u8]);
            w.slice(&class.to_be_bytes());
            w.slice(&[*kind, value.len() as u8]);
            w.slice(value);
            w.zeros(len - 8 - value.len());
        }
    });
}

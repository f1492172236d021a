//! Action lists to bytes: the form that a version has for each action, or the one that it came in.

use super::*;

/// A list as it is written again, each action in the form that it has in `bytes` where several forms say the same.
pub(crate) fn rewrite_list(bytes: &[u8], version: Version) -> Option<Vec<u8>> {
    let mut r = Reader::new(bytes, ErrorCode::OFPBAC_BAD_LEN);
    let mut w = Writer::default();
    while !r.is_empty() {
        // that it is sound was seen when it was read
        let header: &HeaderWire = r.peek("action header").ok()?;
        let one = r.bytes(usize::from(header.len.get()), "action").ok().filter(|one| one.len() >= 8)?;
        let action = read_one(one, version, 0).ok()?;
        write_like(&mut w, &action, one, version).ok()?;
    }
    Some(w.bytes)
}

fn write_like(w: &mut Writer, action: &Action, like: &[u8], version: Version) -> Encoded<()> {
    let old = |kinds: &[u16]| kinds.iter().any(|kind| is_nicira(like, *kind));
    let kind = u16::from_be_bytes([like[0], like[1]]);
    match action {
        Action::Resubmit(resubmit) if old(&[1]) => nicira::write_resubmit(w, resubmit, version),
        Action::Learn(learn) if old(&[45]) => {
            nicira::write_learn2(w, learn);
            Ok(())
        }
        Action::Move { src, dst } if version == Version::V13 && !old(&[6]) => {
            let start = w.len();
            w.put(&VendorWire {
                kind: VENDOR.into(),
                len: 0.into(),
                vendor: ONF.into(),
                subtype: ONF_COPY_FIELD.into(),
            });
            w.zeros(2);
            write_copied(w, start, *src, *dst, version)
        }
        Action::SetField(SetField { value, .. }) if version >= Version::V12 && matches!(kind, 9 | 10) => {
            argument(w, kind, two(*value as u16));
            Ok(())
        }
        action => write_one(w, action, version, false),
    }
}

/// What follows the headers of both forms of copy_field.
fn write_copied(w: &mut Writer, start: usize, src: SubField, dst: SubField, version: Version) -> Encoded<()> {
    w.put(&CopyFieldWire { n_bits: src.n_bits.into(), src_ofs: src.ofs.into(), dst_ofs: dst.ofs.into(), pad: [0; 2] });
    for field in [src.field, dst.field] {
        if !oxm::write_field(w, field, Some(version)) {
            return cannot(version, field.field().name);
        }
    }
    w.pad(start, 8);
    w.close(start, 2);
    Ok(())
}

/// Appends a list. `has_vlan`: packets are known to have a tag, so that `mod_vlan_vid` need not push one first.
pub(crate) fn write_list(w: &mut Writer, actions: &[Action], version: Version, has_vlan: bool) -> Encoded<()> {
    let mut has_vlan = has_vlan;
    for action in actions {
        write_one(w, action, version, has_vlan)?;
        match action {
            Action::PushVlan { .. } => has_vlan = true,
            Action::SetVlanVid { push, .. } | Action::SetVlanPcp { push, .. } => has_vlan |= push,
            Action::StripVlan(_) => has_vlan = false,
            _ => {}
        }
    }
    Ok(())
}

fn write_one(w: &mut Writer, action: &Action, version: Version, has_vlan: bool) -> Encoded<()> {
    let v10 = version == Version::V10;
    match action {
        Action::Output { port, max_len } if v10 => match port.to_u16() {
            Some(port) => simple(w, 0, |w| w.put(&Output10Wire { port: port.into(), max_len: (*max_len).into() })),
            None => return cannot(version, format!("port {}", port.0)),
        },
        Action::Output { port, max_len } => simple(w, 0, |w| {
            w.put(&Output11Wire { port: port.0.into(), max_len: (*max_len).into(), pad: [0; 6] });
        }),
        Action::Enqueue { port, queue } if v10 => match port.to_u16() {
            Some(port) => simple(w, 11, |w| {
                w.put(&Enqueue10Wire { port: port.into(), pad: [0; 6], queue: queue.0.into() });
            }),
            None => return cannot(version, format!("port {}", port.0)),
        },
        Action::Enqueue { port, queue } => {
            // Later versions have no enqueue: choose the queue, send, forget the queue.
            write_one(w, &Action::SetQueue(*queue), version, has_vlan)?;
            write_one(w, &Action::Output { port: *port, max_len: u16::MAX }, version, has_vlan)?;
            write_one(w, &Action::PopQueue, version, has_vlan)?;
        }
        Action::SetVlanVid { vid, push } => {
            push_if_needed(w, *push && !has_vlan, version);
            set_field::write_vlan_vid(w, *vid, version);
        }
        Action::SetVlanPcp { pcp, push } => {
            push_if_needed(w, *push && !has_vlan, version);
            set_field::write_vlan_pcp(w, *pcp, version);
        }
        Action::StripVlan(_) => argument(w, if v10 { 3 } else { 18 }, [0; 4]),
        Action::PushVlan { ethertype } if !v10 => argument(w, 17, two(*ethertype)),
        Action::PushVlan { .. } => return cannot(version, "push_vlan"),
        Action::PushMpls { ethertype } if !v10 => argument(w, 19, two(*ethertype)),
        Action::PopMpls { ethertype } if !v10 => argument(w, 20, two(*ethertype)),
        Action::DecMplsTtl if !v10 => argument(w, 16, [0; 4]),
        Action::SetQueue(queue) if !v10 => argument(w, 21, queue.0.to_be_bytes()),
        Action::Group(group) if !v10 => argument(w, 22, group.0.to_be_bytes()),
        Action::DecTtl(ttl) if !v10 && !ttl.explicit => argument(w, 24, [0; 4]),
        Action::Move { src, dst } if version >= Version::V15 => {
            let start = w.len();
            w.put(&HeaderWire { kind: 28.into(), len: 0.into() });
            write_copied(w, start, *src, *dst, version)?;
        }
        Action::Meter(meter) if version >= Version::V15 => argument(w, 29, meter.0.to_be_bytes()),
        Action::Meter(_) => return cannot(version, "meter behind other actions"),
        Action::SetField(set) => return set_field::write(w, set, version),
        Action::SetTunnelOption(set) => return crate::wire::tun_metadata::write_set(w, set, version),
        _ => return nicira::write(w, action, version),
    }
    Ok(())
}

fn push_if_needed(w: &mut Writer, needed: bool, version: Version) {
    if needed && version != Version::V10 {
        argument(w, 17, two(0x8100));
    }
}

fn two(value: u16) -> [u8; 4] {
    let [a, b] = value.to_be_bytes();
    [a, b, 0, 0]
}

/// An action of 8 bytes.
pub(in crate::wire) fn argument(w: &mut Writer, kind: u16, bytes: [u8; 4]) {
    simple(w, kind, |w| w.slice(&bytes));
}

/// An action with a body, closed and padded.
pub(in crate::wire) fn simple(w: &mut Writer, kind: u16, body: impl FnOnce(&mut Writer)) {
    let start = w.len();
    w.put(&HeaderWire { kind: kind.into(), len: 0.into() });
    body(w);
    w.pad(start, 8);
    w.close(start, 2);
}

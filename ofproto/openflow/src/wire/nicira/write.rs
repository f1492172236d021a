//! Nicira's actions to bytes: one arm per action that has a Nicira form.

use weft_flow::OfPort;
use zerocopy::byteorder::big_endian::{U16, U32};

use super::controller::write_controller2;
use super::encap::write_encap;
use super::multipath::{MultipathWire, hash_number, write_bundle};
use super::read::{ControllerWire, ResubmitWire};
use super::{ConjunctionWire, MoveWire, SampleWire, USE_NEXT_PROTO, open, simple, sub_bits};
use super::{ct, learn};
use crate::action::{Action, Learn, Resubmit, SampleDirection, StripForm};
use crate::ids::Version;
use crate::wire::action::write_list;
use crate::wire::buf::{Encoded, Writer, cannot};
use crate::wire::oxm;

/// Every action that a version has no action of its own for.
pub(crate) fn write(w: &mut Writer, action: &Action, version: Version) -> Encoded<()> {
    let port16 = |port: OfPort| match port.to_u16() {
        Some(port) => Ok(U16::new(port)),
        None => cannot(version, format!("port {} in Nicira's actions", port.0)),
    };
    match action {
        Action::OutputReg { src, max_len } => match oxm::Header::of(src.field, None) {
            Some(header) if header.vendor == 0 => simple(w, 15, |w| {
                w.put(&U16::new(sub_bits(*src)));
                header.write(w);
                w.put(&U16::new(*max_len));
                w.zeros(6);
            }),
            _ => simple(w, 32, |w| {
                w.put(&U16::new(sub_bits(*src)));
                w.put(&U16::new(*max_len));
                oxm::write_field(w, src.field, None);
            }),
        },
        Action::OutputTrunc { port, max_len } => {
            let port = port16(*port)?;
            simple(w, 39, |w| {
                w.put(&port);
                w.put(&U32::new(*max_len));
            });
        }
        Action::Controller(c) if c.userdata.is_empty() && !c.pause && c.meter.is_none() => simple(w, 20, |w| {
            w.put(&ControllerWire {
                max_len: c.max_len.into(),
                controller_id: c.controller_id.into(),
                reason: c.reason,
                pad: 0,
            });
        }),
        Action::Controller(c) => simple(w, 37, |w| write_controller2(w, c)),
        Action::SetQueue(queue) => simple(w, 4, |w| {
            w.zeros(2);
            w.put(&U32::new(queue.0));
        }),
        Action::PopQueue => empty(w, 5),
        Action::Group(group) => simple(w, 40, |w| {
            w.zeros(2);
            w.put(&U32::new(group.0));
        }),
        Action::Bundle(bundle) => write_bundle(w, bundle, version)?,
        Action::Multipath(m) => simple(w, 10, |w| {
            w.put(&MultipathWire {
                fields: hash_number(m.fields).into(),
                basis: m.basis.into(),
                pad1: [0; 2],
                algorithm: (m.algorithm as u16).into(),
                max_link: m.max_link.into(),
                arg: m.arg.into(),
                pad2: [0; 2],
                ofs_nbits: sub_bits(m.dst).into(),
            });
            oxm::write_field(w, m.dst.field, None);
        }),
        Action::Resubmit(resubmit) => {
            let in_port = port16(resubmit.in_port)?;
            let subtype = if resubmit.ct { 44 } else { 14 };
            simple(w, subtype, |w| w.put(&ResubmitWire { in_port, table: resubmit.table.0, pad: [0; 3] }));
        }
        Action::PushMpls { ethertype } => simple(w, 23, |w| w.put(&U16::new(*ethertype))),
        Action::PopMpls { ethertype } => simple(w, 24, |w| w.put(&U16::new(*ethertype))),
        Action::DecMplsTtl => empty(w, 26),
        Action::DecTtl(ttl) if ttl.explicit => simple(w, 21, |w| {
            w.put(&U16::new(ttl.controllers.len() as u16));
            w.zeros(4);
            ttl.controllers.iter().for_each(|&id| w.put(&U16::new(id)));
        }),
        Action::DecTtl(_) => empty(w, 18),
        Action::DecNshTtl => empty(w, 48),
        Action::Move { src, dst } => {
            let (Some(from), Some(to)) = (oxm::Header::of(src.field, None), oxm::Header::of(dst.field, None)) else {
                return cannot(version, "a move of these fields");
            };
            simple(w, 6, |w| {
                w.put(&MoveWire { n_bits: src.n_bits.into(), src_ofs: src.ofs.into(), dst_ofs: dst.ofs.into() });
                from.write(w);
                to.write(w);
            });
        }
        Action::Push(sub) | Action::Pop(sub) => {
            let subtype = if matches!(action, Action::Push(_)) { 27 } else { 28 };
            simple(w, subtype, |w| {
                w.put(&U16::new(sub.ofs));
                oxm::write_field(w, sub.field, None);
                w.put(&U16::new(sub.n_bits));
                w.zeros(6);
            });
        }
        Action::DeleteField(field) => simple(w, 50, |w| {
            oxm::write_field(w, *field, None);
            w.zeros(10);
        }),
        Action::Encap(encap) => write_encap(w, encap),
        Action::Decap { packet_type } => simple(w, 47, |w| {
            w.zeros(2);
            w.put(&U32::new(packet_type.unwrap_or(USE_NEXT_PROTO)));
        }),
        Action::Learn(learn) => learn::write(w, learn),
        Action::Conjunction { id, clause, n_clauses } => simple(w, 34, |w| {
            w.put(&ConjunctionWire { clause: *clause, n_clauses: *n_clauses, id: (*id).into() });
        }),
        Action::FinTimeout { idle, hard } => simple(w, 19, |w| {
            w.put(&U16::new(idle.0));
            w.put(&U16::new(hard.0));
            w.zeros(2);
        }),
        Action::Clone(actions) => {
            let start = open(w, 42);
            w.zeros(6);
            write_list(w, actions, version, false)?;
            w.close(start, 2);
        }
        Action::Ct(ct) => ct::write(w, ct, version)?,
        Action::CtClear => empty(w, 43),
        Action::Nat(nat) => ct::write_nat(w, nat),
        Action::Sample(sample) => {
            let port = port16(sample.sampling_port)?;
            // each later form can say more
            let subtype = match (sample.direction, sample.sampling_port) {
                (SampleDirection::Default, OfPort::NONE) => 29,
                (SampleDirection::Default, _) => 38,
                _ => 41,
            };
            simple(w, subtype, |w| {
                w.put(&SampleWire {
                    probability: sample.probability.into(),
                    collector_set_id: sample.collector_set_id.into(),
                    obs_domain_id: sample.obs_domain_id.into(),
                    obs_point_id: sample.obs_point_id.into(),
                });
                if subtype != 29 {
                    w.put(&port);
                    w.slice(&[sample.direction as u8, 0, 0, 0, 0, 0]);
                }
            });
        }
        Action::CheckPktLarger { pkt_len, dst } => simple(w, 49, |w| {
            w.put(&U16::new(*pkt_len));
            w.put(&U16::new(dst.ofs));
            oxm::write_field(w, dst.field, None);
            w.zeros(6);
        }),
        Action::Note(bytes) => simple(w, 8, |w| w.slice(bytes)),
        Action::Exit => empty(w, 17),
        Action::DebugRecirc => empty(w, 255),
        Action::DebugSlow => empty(w, 254),
        Action::Output { .. }
        | Action::Enqueue { .. }
        | Action::SetField(_)
        | Action::SetTunnelOption(_)
        | Action::SetVlanVid { .. }
        | Action::SetVlanPcp { .. }
        | Action::StripVlan(StripForm::Strip | StripForm::Pop)
        | Action::PushVlan { .. }
        | Action::Meter(_) => return cannot(version, "this action"),
    }
    Ok(())
}

fn empty(w: &mut Writer, subtype: u16) {
    simple(w, subtype, |w| w.zeros(6));
}

/// `resubmit` in the form that names no table.
pub(crate) fn write_resubmit(w: &mut Writer, resubmit: &Resubmit, version: Version) -> Encoded<()> {
    let Some(port) = resubmit.in_port.to_u16() else { return cannot(version, format!("port {}", resubmit.in_port.0)) };
    simple(w, 1, |w| w.put(&ResubmitWire { in_port: port.into(), table: 0, pad: [0; 3] }));
    Ok(())
}

/// `learn` in the form that has room for a limit, also where there is none.
pub(crate) fn write_learn2(w: &mut Writer, learn: &Learn) {
    learn::write_in(w, learn, true);
}

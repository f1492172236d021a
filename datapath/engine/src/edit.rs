//! Header edits compiled for the packet loop: `set(...)`, `push_vlan`, `pop_vlan`.
//!
//! How: fields that are replaced in full become one of `weft_packet::wire`'s edits when the program is made. A field of
//! which only some bits change needs the frame's own bits; then the frame is read again, see [`Edit::Masked`].
//! Invariant: a frame that lacks the header (a later fragment has no ports, say) is left as it is, as OVS does; only a
//! frame too short to be tagged cannot go on.

mod shape;
#[cfg(test)]
mod tests;

use weft_flow::action::{SetFields, SetHeader, SetTunnel};
use weft_flow::extract::{Limits, extract_again};
use weft_flow::{FieldId, FlowKey};
use weft_packet::wire::arp::ArpEdit;
use weft_packet::wire::ipv4::Ipv4Edit;
use weft_packet::wire::ipv6::Ipv6Edit;
use weft_packet::wire::{Missing, arp, ethernet, ethertype, icmp, ipv4, ipv6, nd, proto, transport, vlan};
use weft_packet::{Frame, Mac};

pub use shape::Shape;

/// One edit.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Ethernet addresses.
    Ethernet {
        /// New source.
        src: Option<Mac>,
        /// New destination.
        dst: Option<Mac>,
    },
    /// IPv4 header fields.
    Ipv4(Ipv4Edit),
    /// IPv6 header fields.
    Ipv6(Box<Ipv6Edit>),
    /// Ports of TCP, UDP or SCTP.
    Ports {
        /// Which.
        protocol: u8,
        /// New source.
        src: Option<u16>,
        /// New destination.
        dst: Option<u16>,
    },
    /// ICMP type and code.
    Icmp {
        /// ICMP or ICMPv6.
        protocol: u8,
        /// New type.
        kind: Option<u8>,
        /// New code.
        code: Option<u8>,
    },
    /// ARP fields.
    Arp(Box<ArpEdit>),
    /// Neighbour discovery fields.
    Nd(Box<NdEdit>),
    /// The packet's hash, in its metadata.
    Hash {
        /// Both directions of a connection alike.
        symmetric: bool,
        /// Where the hash starts.
        basis: u32,
    },
    /// The outer MPLS label stack entry.
    Mpls {
        /// New bits.
        value: u32,
        /// Which bits.
        mask: u32,
    },
    /// Fields of which some bits stay.
    Masked(Box<SetFields>),
    /// Marks, priorities and tunnel fields: the frame's key carries them.
    Metadata(Box<SetFields>),
    /// What the outer headers will say.
    SetTunnel(Box<SetTunnel>),
    /// Push an outer tag.
    PushVlan {
        /// Its type.
        tpid: u16,
        /// Its value; the "present" bit does not go out.
        tci: u16,
    },
    /// Pop the outer tag.
    PopVlan,
    /// Put a header on or take one off.
    Shape(Box<Shape>),
}

/// Neighbour discovery fields to write (RFC 4861 §4.3, §4.4).
#[derive(Clone, Debug, Default)]
pub struct NdEdit {
    target: Option<[u8; 16]>,
    source_link: Option<Mac>,
    target_link: Option<Mac>,
    reserved: Option<u32>,
    options_type: Option<u8>,
}

/// Source link-layer address option.
const SOURCE_LINK: u8 = 1;
/// Target link-layer address option.
const TARGET_LINK: u8 = 2;

impl Edit {
    /// Compile a `set` action.
    pub fn set(set: &SetFields) -> Edit {
        match set.header {
            SetHeader::SkbPriority | SetHeader::SkbMark => Edit::Metadata(Box::new(set.clone())),
            SetHeader::Mpls => mpls(set),
            SetHeader::Nsh => Edit::Shape(Box::new(Shape::nsh(set))),
            _ if set.fields.iter().all(|&(id, _, bits)| is_whole(id, bits)) => Edit::whole(set),
            _ => Edit::Masked(Box::new(set.clone())),
        }
    }

    /// From fields that are replaced in full.
    fn whole(set: &SetFields) -> Edit {
        let field = |id: FieldId| set.fields.iter().find(|f| f.0 == id).map(|f| f.1);
        let mac = |id| field(id).map(|v| Mac(low_bytes(v)));
        match set.header {
            SetHeader::Ethernet => Edit::Ethernet { src: mac(FieldId::EthSrc), dst: mac(FieldId::EthDst) },
            SetHeader::Ipv4 => Edit::Ipv4(Ipv4Edit {
                src: field(FieldId::IpSrc).map(low_bytes),
                dst: field(FieldId::IpDst).map(low_bytes),
                tos: field(FieldId::NwTos).map(|v| v as u8),
                ttl: field(FieldId::NwTtl).map(|v| v as u8),
            }),
            SetHeader::Ipv6 => Edit::Ipv6(Box::new(Ipv6Edit {
                src: field(FieldId::Ipv6Src).map(low_bytes),
                dst: field(FieldId::Ipv6Dst).map(low_bytes),
                label: field(FieldId::Ipv6Label).map(|v| v as u32),
                traffic_class: field(FieldId::NwTos).map(|v| v as u8),
                hop_limit: field(FieldId::NwTtl).map(|v| v as u8),
            })),
            SetHeader::Tcp => ports(proto::TCP, field(FieldId::TcpSrc), field(FieldId::TcpDst)),
            SetHeader::Udp => ports(proto::UDP, field(FieldId::UdpSrc), field(FieldId::UdpDst)),
            SetHeader::Sctp => ports(proto::SCTP, field(FieldId::SctpSrc), field(FieldId::SctpDst)),
            SetHeader::Icmpv4 => icmp_edit(proto::ICMP, field(FieldId::IcmpType), field(FieldId::IcmpCode)),
            SetHeader::Icmpv6 => icmp_edit(proto::ICMPV6, field(FieldId::Icmpv6Type), field(FieldId::Icmpv6Code)),
            SetHeader::Arp => Edit::Arp(Box::new(ArpEdit {
                op: field(FieldId::ArpOp).map(|v| v as u16),
                sha: mac(FieldId::ArpSha),
                spa: field(FieldId::ArpSpa).map(low_bytes),
                tha: mac(FieldId::ArpTha),
                tpa: field(FieldId::ArpTpa).map(low_bytes),
            })),
            SetHeader::Nd => Edit::Nd(Box::new(NdEdit {
                target: field(FieldId::NdTarget).map(low_bytes),
                source_link: mac(FieldId::NdSll),
                target_link: mac(FieldId::NdTll),
                reserved: field(FieldId::NdReserved).map(|v| v as u32),
                options_type: field(FieldId::NdOptionsType).map(|v| v as u8),
            })),
            SetHeader::Mpls => mpls(set),
            SetHeader::Nsh => Edit::Shape(Box::new(Shape::nsh(set))),
            SetHeader::SkbPriority | SetHeader::SkbMark => Edit::Metadata(Box::new(set.clone())),
        }
    }

    /// Edit a frame. `key` is what was read from it before its first edit; metadata is written there.
    ///
    /// # Errors
    /// If the frame is too short to take a tag.
    pub fn apply(&self, frame: &mut Frame, key: &mut FlowKey) -> Result<(), Missing> {
        let done = self.apply_once(frame, key)?;
        if done.is_err() && key.word(1) >> 32 != 0 {
            // a packet without an Ethernet header: its headers are found behind one
            return shape::behind_ethernet(frame, |frame| self.apply_once(frame, key).map(|_| ()));
        }
        // A missing header is no error, see the module's text.
        Ok(())
    }

    /// The outer error is one that cannot be passed over.
    #[inline]
    fn apply_once(&self, frame: &mut Frame, key: &mut FlowKey) -> Result<Result<(), Missing>, Missing> {
        Ok(match self {
            Edit::Ethernet { src, dst } => {
                let dst = dst.map_or(Ok(()), |mac| ethernet::set_dst(frame, mac));
                dst.and(src.map_or(Ok(()), |mac| ethernet::set_src(frame, mac)))
            }
            Edit::Ipv4(edit) => ipv4::edit(frame, edit),
            Edit::Ipv6(edit) => ipv6::edit(frame, edit, key.word(1) as u8),
            Edit::Ports { protocol, src, dst } => transport::set_ports(frame, *protocol, *src, *dst),
            Edit::Icmp { protocol, kind, code } => icmp::edit(frame, *protocol, *kind, *code),
            Edit::Arp(edit) => arp::edit(frame, edit),
            Edit::Nd(edit) => edit.apply(frame),
            Edit::Hash { symmetric, basis } => {
                let hash = crate::dp_hash::hash(key, *symmetric, *basis);
                FieldId::DpHash.set(key, hash.into());
                Ok(())
            }
            Edit::Mpls { value, mask } => write_label(frame, *value, *mask),
            Edit::Masked(set) => apply_masked(set, frame, key),
            Edit::Metadata(set) => {
                for &(id, value, bits) in &set.fields {
                    id.set(key, id.get(key) & !bits | value & bits);
                }
                Ok(())
            }
            Edit::SetTunnel(set) => {
                weft_flow::tunnel::clear(key);
                weft_flow::tunnel::write(&set.tunnel, key);
                weft_flow::tunnel::set_raw(&set.options, key);
                Ok(())
            }
            Edit::PushVlan { tpid, tci } => {
                vlan::push(frame, *tpid, *tci)?;
                Ok(())
            }
            Edit::PopVlan => vlan::pop(frame),
            Edit::Shape(shape) => {
                shape.apply(frame, key)?;
                Ok(())
            }
        })
    }
}

/// Write an IP packet's type of service. What is no IP packet stays as it is.
///
/// # Errors
/// If the header is not there.
pub fn set_tos(frame: &mut Frame, ethertype: u16, tos: u8, key: &FlowKey) -> Result<(), Missing> {
    let write = |frame: &mut Frame| match ethertype {
        ethertype::IPV4 => ipv4::edit(frame, &Ipv4Edit { tos: Some(tos), ..Ipv4Edit::default() }),
        ethertype::IPV6 => {
            ipv6::edit(frame, &Ipv6Edit { traffic_class: Some(tos), ..Ipv6Edit::default() }, key.word(1) as u8)
        }
        _ => Ok(()),
    };
    match write(frame) {
        Err(_) if key.word(1) >> 32 != 0 => shape::behind_ethernet(frame, write),
        done => done,
    }
}

/// Read the frame again for the bits that stay.
fn apply_masked(set: &SetFields, frame: &mut Frame, key: &mut FlowKey) -> Result<(), Missing> {
    let mut current = FlowKey::new();
    let (l3, l4) = (frame.l3, frame.l4);
    current.set_word(1, key.word(1) & !0xffff_ffff);
    extract_again(frame, &mut current, Limits { vlans: 2 }).map_err(|_| Missing)?;
    (frame.l3, frame.l4) = (l3, l4);
    let mut whole = set.clone();
    for (id, value, bits) in &mut whole.fields {
        // The parts of the type of service stand for all of it.
        let (outer, shift) = match *id {
            FieldId::IpDscp => (FieldId::NwTos, 2),
            FieldId::NwEcn => (FieldId::NwTos, 0),
            other => (other, 0),
        };
        let (new, changed) = (*value << shift, *bits << shift);
        let merged = outer.get(&current) & !changed | new & changed;
        outer.set(&mut current, merged);
        *id = outer;
    }
    for (id, value, bits) in &mut whole.fields {
        *value = id.get(&current);
        *bits = id.field().all_ones();
    }
    Edit::whole(&whole).apply(frame, key)
}

impl NdEdit {
    fn apply(&self, frame: &mut Frame) -> Result<(), Missing> {
        if let Some(target) = self.target {
            nd::set_target(frame, target)?;
        }
        if let Some(reserved) = self.reserved {
            nd::set_reserved(frame, reserved)?;
        }
        let kind = |old| self.options_type.unwrap_or(old);
        if let Some(mac) = self.source_link {
            nd::set_link(frame, SOURCE_LINK, mac, kind(SOURCE_LINK))?;
        }
        if let Some(mac) = self.target_link {
            nd::set_link(frame, TARGET_LINK, mac, kind(TARGET_LINK))?;
        }
        Ok(())
    }
}

fn write_label(frame: &mut Frame, value: u32, mask: u32) -> Result<(), Missing> {
    let at = usize::from(frame.l3);
    let entry = frame.bytes_mut().get_mut(at..).and_then(|b| b.first_chunk_mut::<4>()).ok_or(Missing)?;
    *entry = (u32::from_be_bytes(*entry) & !mask | value & mask).to_be_bytes();
    Ok(())
}

fn ports(protocol: u8, src: Option<u128>, dst: Option<u128>) -> Edit {
    Edit::Ports { protocol, src: src.map(|v| v as u16), dst: dst.map(|v| v as u16) }
}

fn icmp_edit(protocol: u8, kind: Option<u128>, code: Option<u128>) -> Edit {
    Edit::Icmp { protocol, kind: kind.map(|v| v as u8), code: code.map(|v| v as u8) }
}

/// RFC 3032 §2.1: label 20, traffic class 3, bottom of stack 1, time to live 8.
fn mpls(set: &SetFields) -> Edit {
    let (mut value, mut mask) = (0, 0);
    for &(id, new, bits) in &set.fields {
        // The registry has the first label stack entry in the upper half of its word.
        let shift = id.field().shift() - 32;
        value |= ((new & bits) as u32) << shift;
        mask |= (bits as u32) << shift;
    }
    Edit::Mpls { value, mask }
}

/// Whether the bits are all of a field that the edits know as a whole.
fn is_whole(id: FieldId, bits: u128) -> bool {
    !matches!(id, FieldId::IpDscp | FieldId::NwEcn) && bits & id.field().all_ones() == id.field().all_ones()
}

fn low_bytes<const N: usize>(value: u128) -> [u8; N] {
    *value.to_be_bytes().last_chunk().expect("N is at most 16")
}

//! What the datapath does to a frame: the result of translation, cached in a megaflow.
//!
//! The names and the text form (see the dpctl text module) are those of OVS's datapath actions, as ovs-dpctl(8)
//! and `ofproto/trace` print them.

use smallvec::SmallVec;
use weft_packet::tunnel::{Kind, Tunnel};
use weft_packet::{DpPort, DropReason, Mac};

use crate::{FieldId, FlowKey};

/// One datapath action.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DpAction {
    /// Send a copy to a port.
    Output(DpPort),
    /// Cut the copy that the NEXT output sends to this many bytes.
    Trunc(u32),
    /// Hand the frame to the slow path, with what it is to do with it.
    Userspace(Userspace),
    /// Write header fields, all of one header.
    Set(SetFields),
    /// Push an outer 802.1Q tag (`tci` with the CFI bit 0x1000 meaning "present").
    PushVlan {
        /// Tag protocol id: 0x8100 or 0x88a8.
        tpid: u16,
        /// PCP, present bit, VID.
        tci: u16,
    },
    /// Pop the outer 802.1Q tag.
    PopVlan,
    /// Push an MPLS label stack entry behind the Ethernet header and its tags, or at the front of a frame without one.
    PushMpls {
        /// 0x8847 or 0x8848.
        ethertype: u16,
        /// Label, traffic class, bottom of stack, time to live (RFC 3032 §2.1).
        entry: u32,
    },
    /// Put an MPLS label stack entry in front of everything.
    AddMpls {
        /// 0x8847 or 0x8848.
        ethertype: u16,
        /// See [`DpAction::PushMpls`].
        entry: u32,
    },
    /// Pop the outer MPLS label stack entry.
    PopMpls {
        /// The EtherType of what lies beneath.
        ethertype: u16,
    },
    /// Put an Ethernet header on a frame without one.
    PushEth {
        /// Its source.
        src: Mac,
        /// Its destination.
        dst: Mac,
    },
    /// Take the Ethernet header off.
    PopEth,
    /// Put a network service header in front of everything.
    PushNsh(Box<PushNsh>),
    /// Take it off.
    PopNsh,
    /// Say what the outer headers will be, for a port that puts them on itself.
    SetTunnel(Box<SetTunnel>),
    /// Put a tunnel's headers in front of everything.
    TnlPush(Box<TnlPush>),
    /// Take a tunnel's headers off, and look the packet up again as one that came in by this tunnel port.
    TnlPop(DpPort),
    /// Show the frame to conntrack.
    Ct(Box<Ct>),
    /// Forget what conntrack said.
    CtClear,
    /// Run the rest of the actions on a copy: changes inside do not show outside.
    Clone(Vec<DpAction>),
    /// Hash the packet's five-tuple into `dp_hash`.
    Hash {
        /// Both directions of a connection alike (`sym_l4`, else `l4`).
        symmetric: bool,
        /// Where the hash starts.
        basis: u32,
    },
    /// Look the frame up again with this recirculation id.
    Recirc(u32),
    /// Charge the frame to this meter of the datapath; one that is over its rate goes no further in this list.
    Meter(u32),
    /// Run actions on a copy of some frames: each with this probability out of 2^32 - 1.
    Sample {
        /// `u32::MAX`: always.
        probability: u32,
        /// What the copy meets.
        actions: Vec<DpAction>,
    },
    /// Go on with a copy, as the frame is longer than this (Ethernet header and payload, tags not counted) or not.
    CheckPktLen {
        /// What it is compared with.
        size: u16,
        /// For longer ones.
        gt: Vec<DpAction>,
        /// For the others.
        le: Vec<DpAction>,
    },
    /// Drop, and say why. Always last; printed as `drop`.
    Drop(DropReason),
}

/// A network service header to push (RFC 8300 §2).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PushNsh {
    /// O and U bits, as ovs-fields(7) has them in nsh_flags.
    pub flags: u8,
    /// Time to live, 6 bits.
    pub ttl: u8,
    /// Metadata type, 1 or 2.
    pub md_type: u8,
    /// What comes next: 1 IPv4, 2 IPv6, 3 Ethernet, 4 NSH.
    pub next: u8,
    /// Service path, 24 bits.
    pub spi: u32,
    /// Service index.
    pub si: u8,
    /// Context headers of metadata type 1.
    pub context: [u32; 4],
    /// Options of metadata type 2, padded to words.
    pub options: Vec<u8>,
}

impl PushNsh {
    /// The header that a key describes, with these options behind its context.
    pub fn of_key(key: &FlowKey, options: Vec<u8>) -> PushNsh {
        use FieldId::{NshC1, NshC2, NshC3, NshC4, NshFlags, NshMdtype, NshNp, NshSi, NshSpi, NshTtl};
        PushNsh {
            flags: NshFlags.get(key) as u8,
            ttl: NshTtl.get(key) as u8,
            md_type: NshMdtype.get(key) as u8,
            next: NshNp.get(key) as u8,
            spi: NshSpi.get(key) as u32,
            si: NshSi.get(key) as u8,
            context: [NshC1, NshC2, NshC3, NshC4].map(|field| field.get(key) as u32),
            options,
        }
    }
}

impl PushNsh {
    /// The length field counts six bits of words, two of them the base and path headers.
    pub const MAX_OPTIONS: usize = 63 * 4 - 8;

    /// The header's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut rest: Vec<u8> = match self.md_type {
            1 => self.context.iter().flat_map(|word| word.to_be_bytes()).collect(),
            _ => self.options.clone(),
        };
        rest.truncate(Self::MAX_OPTIONS);
        rest.resize(rest.len().next_multiple_of(4), 0);
        let words = 2 + rest.len() as u16 / 4;
        let first = u16::from(self.flags & 3) << 12 | u16::from(self.ttl & 0x3f) << 6 | words;
        let mut bytes = first.to_be_bytes().to_vec();
        bytes.extend([self.md_type, self.next]);
        bytes.extend((self.spi << 8 | u32::from(self.si)).to_be_bytes());
        bytes.append(&mut rest);
        bytes
    }
}

/// Outer headers by their fields, as `set(tunnel(..))` has them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SetTunnel {
    /// What they say.
    pub tunnel: Tunnel,
    /// Geneve's options as they lie on the wire.
    pub options: Vec<u8>,
}

/// Outer headers prepared byte by byte.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TnlPush {
    /// The tunnel port that the packet leaves by.
    pub tnl_port: DpPort,
    /// The port of the bridge below through which the outer packet goes.
    pub out_port: DpPort,
    /// Which encapsulation.
    pub kind: Kind,
    /// From the Ethernet header to the last option. Zero stand the lengths, the IPv4 header's checksum, the UDP source port,
    /// GRE's checksum and the first sequence number: each frame has its own. A UDP checksum of 0xffff is one to be made.
    pub header: Vec<u8>,
}

/// The `ct` action.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ct {
    /// Commit the connection.
    pub commit: bool,
    /// Commit it even if it is known the other way round.
    pub force: bool,
    /// In this zone.
    pub zone: u16,
    /// Value and mask of the connection's mark.
    pub mark: Option<(u32, u32)>,
    /// Value and mask of the connection's label.
    pub label: Option<(u128, u128)>,
    /// The application layer gateway: `ftp` or `tftp`.
    pub helper: Option<String>,
    /// Translate addresses.
    pub nat: Option<CtNat>,
}

/// How a `ct` action translates addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CtNat {
    /// Which address; `None`: as the connection says.
    pub direction: Option<NatDirection>,
    /// Lowest and highest address.
    pub addresses: Option<(std::net::IpAddr, Option<std::net::IpAddr>)>,
    /// Lowest and highest port.
    pub ports: Option<(u16, Option<u16>)>,
    /// Keep the mapping over restarts.
    pub persistent: bool,
    /// Choose the port by a hash.
    pub hash: bool,
    /// Choose the port at random.
    pub random: bool,
}

/// Which address is translated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "plain words")]
pub enum NatDirection {
    Source,
    Destination,
}

/// What the slow path is to do with a frame that reached [`DpAction::Userspace`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Userspace {
    /// Send it to the controllers (`controller` action, or a table miss that says so).
    Controller(ControllerAction),
    /// Translate it anew, frame by frame, because its flow needs more than datapath actions can do.
    SlowPath(SlowPathReason),
    /// Hand it to the exporter of a `sample` action.
    FlowSample(FlowSample),
}

/// The `sample` action's arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct FlowSample {
    /// Out of 65535.
    pub probability: u16,
    /// Which set of collectors gets it.
    pub collector_set_id: u32,
    /// IPFIX observation domain.
    pub obs_domain_id: u32,
    /// IPFIX observation point.
    pub obs_point_id: u32,
    /// The port whose traffic is sampled; [`DpPort::NONE`] if it was not said.
    pub output_port: DpPort,
    /// Its direction, if it was said.
    pub direction: Option<SampleDirection>,
}

/// Direction of a sampled frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[allow(missing_docs, reason = "plain words")]
pub enum SampleDirection {
    Ingress,
    Egress,
}

/// The `controller` action's arguments, and where it stood.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct ControllerAction {
    /// OFPR_*: 0 no match, 1 action, 2 invalid TTL, 3 action set, 4 group, 5 packet-out.
    pub reason: u8,
    /// Bytes of the frame that the controller wants.
    pub max_len: u16,
    /// Which controllers (0: all with the default id).
    pub controller_id: u16,
    /// Cookie of the rule that holds the action.
    pub rule_cookie: u64,
    /// Table of that rule.
    pub table_id: u8,
    /// Opaque bytes for NXT_PACKET_IN2.
    pub userdata: Vec<u8>,
    /// A number that finds the frozen metadata (registers, bridge) in the pipeline.
    pub recirc_id: u32,
    /// Translation stopped here: the controller is to say how it goes on.
    pub continuation: bool,
}

/// Why a flow needs the slow path for every frame (OVS prints them in `slow_path(...)`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[allow(missing_docs, reason = "the protocols' names")]
pub enum SlowPathReason {
    Cfm,
    Bfd,
    Lacp,
    Stp,
    Lldp,
    /// The actions need a field that the datapath cannot match or set.
    Action,
    /// The flow's key cannot be expressed by the datapath.
    Match,
}

/// Header fields to write, all of one header, as `set(ipv4(src=..,ttl=..))` shows them. A mask of all ones replaces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetFields {
    /// Whose fields.
    pub header: SetHeader,
    /// Field, value, bits that change. In the header's order.
    pub fields: SmallVec<[(FieldId, u128, u128); 3]>,
}

/// The header (or metadata) that a [`DpAction::Set`] writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the headers' names")]
pub enum SetHeader {
    Ethernet,
    Ipv4,
    Ipv6,
    Tcp,
    Udp,
    Sctp,
    Icmpv4,
    Icmpv6,
    Arp,
    Nd,
    Mpls,
    Nsh,
    SkbPriority,
    SkbMark,
}

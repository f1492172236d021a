//! What the datapath does to a frame: the result of translation, cached in a megaflow.
//!
//! The names and the text form (see the dpctl text module) are those of OVS's datapath actions, as ovs-dpctl(8)
//! and `ofproto/trace` print them.

use smallvec::SmallVec;
use weft_packet::{DpPort, DropReason};

use crate::FieldId;

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
    /// Run the rest of the actions on a copy: changes inside do not show outside.
    Clone(Vec<DpAction>),
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
    Tunnel,
    SkbPriority,
    SkbMark,
}

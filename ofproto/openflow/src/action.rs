//! Actions, every one of ovs-actions(7), as data.
//!
//! Why one flat enum: translation matches on it, the codecs and the text walk it, and a forgotten case is a compile
//! error. Where several wire or text forms mean the same (`mod_nw_src`, `load`, `set_field`), there is one variant
//! that remembers the form ([`SetForm`]), because users expect to read back what they wrote.

use std::net::IpAddr;
use weft_flow::tun_metadata::TunValue;
use weft_flow::{FieldId, OfPort};

use crate::ids::{Cookie, GroupId, MeterId, QueueId, TableId, Timeout};

/// One action.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "single payload fields named by the variant")]
pub enum Action {
    /// Send to a port (also the reserved ones: NORMAL, FLOOD, ALL, IN_PORT, LOCAL, CONTROLLER, ...). `max_len` counts for
    /// CONTROLLER only.
    Output { port: OfPort, max_len: u16 },
    /// Send to the port that a field names (`output:NXM_NX_REG0[]`).
    OutputReg { src: SubField, max_len: u16 },
    /// Send the first `max_len` bytes to a port (`output(port=N,max_len=N)`).
    OutputTrunc { port: OfPort, max_len: u32 },
    /// Send to the controllers (`controller(...)`).
    Controller(Controller),
    /// Send to a port through one of its queues.
    Enqueue { port: OfPort, queue: QueueId },
    /// Which queue later outputs use.
    SetQueue(QueueId),
    /// Back to the queue from before.
    PopQueue,
    /// Send through a group.
    Group(GroupId),
    /// Send to one of several ports, chosen by hash or liveness.
    Bundle(Bundle),
    /// Hash into a field.
    Multipath(Multipath),
    /// Look the packet up again.
    Resubmit(Resubmit),
    /// Write bits of a field.
    SetField(SetField),
    /// Write a tunnel option, which is there from then on.
    SetTunnelOption(SetTunnelOption),
    /// Write the outer VLAN id; `push` adds a tag if there is none (`mod_vlan_vid`; OpenFlow 1.1+'s does not).
    SetVlanVid { vid: u16, push: bool },
    /// Write the outer VLAN priority; `push` adds a tag if there is none.
    SetVlanPcp { pcp: u8, push: bool },
    /// Take the outer VLAN tag off (`strip_vlan`, `pop_vlan`).
    StripVlan(StripForm),
    /// Push a VLAN tag with this TPID.
    PushVlan { ethertype: u16 },
    /// Push an MPLS label with this EtherType.
    PushMpls { ethertype: u16 },
    /// Pop an MPLS label; the EtherType of what lies beneath.
    PopMpls { ethertype: u16 },
    /// Decrement the MPLS TTL.
    DecMplsTtl,
    /// Decrement the IP TTL; expired packets go to these controllers (`dec_ttl`: the one with id 0).
    DecTtl(DecTtl),
    /// Decrement the NSH TTL.
    DecNshTtl,
    /// Copy bits of a field to another (`move`, OpenFlow 1.5 copy_field).
    Move { src: SubField, dst: SubField },
    /// Push bits of a field on the stack.
    Push(SubField),
    /// Pop bits of a field from the stack.
    Pop(SubField),
    /// Take a tunnel option off.
    DeleteField(FieldId),
    /// Put a header around the packet.
    Encap(Encap),
    /// Take the outermost header off; the packet type of what lies beneath (`None`: let the switch see).
    Decap { packet_type: Option<u32> },
    /// Install a flow made from this packet.
    Learn(Box<Learn>),
    /// This flow is dimension `clause` (from 0) of `n_clauses` of conjunction `id`.
    Conjunction { id: u32, clause: u8, n_clauses: u8 },
    /// Shorten the flow's timeouts when a TCP FIN or RST passes.
    FinTimeout { idle: Timeout, hard: Timeout },
    /// Run the actions on a copy.
    Clone(Vec<Action>),
    /// Conntrack.
    Ct(Box<Ct>),
    /// Forget conntrack state.
    CtClear,
    /// Translate addresses; only inside [`Action::Ct`].
    Nat(Nat),
    /// Sample to IPFIX.
    Sample(Sample),
    /// Whether the packet is longer than this, into one bit.
    CheckPktLarger { pkt_len: u16, dst: SubField },
    /// Rate-limit (OpenFlow 1.5 action; as the first of all see [`Instructions::meter`](crate::Instructions)).
    Meter(MeterId),
    /// Bytes that do nothing.
    Note(Vec<u8>),
    /// End translation of this flow, and of whoever resubmitted here.
    Exit,
    /// For OVS's tests.
    DebugRecirc,
    /// For OVS's tests.
    DebugSlow,
}

/// Some consecutive bits of a field: `NXM_NX_REG0[4..7]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SubField {
    /// Whose bits.
    pub field: FieldId,
    /// The lowest bit's position in the field.
    pub ofs: u16,
    /// How many bits.
    pub n_bits: u16,
}

impl SubField {
    /// The whole field.
    pub fn whole(field: FieldId) -> SubField {
        SubField { field, ofs: 0, n_bits: SubField::width(field) }
    }

    /// How many bits of a field may be named: of vlan_vid's 13 not the one that says that there is a tag, and of arp_op
    /// 16, though only 8 are ever kept.
    pub fn width(field: FieldId) -> u16 {
        match field {
            FieldId::VlanVid => 12,
            FieldId::ArpOp => 16,
            _ => field.field().bits,
        }
    }

    /// Ones where the bits lie in the field.
    pub fn mask(self) -> u128 {
        let ones = if self.n_bits >= 128 { u128::MAX } else { (1 << self.n_bits) - 1 };
        if self.ofs >= 128 { 0 } else { ones << self.ofs }
    }
}

/// The `controller` action.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Controller {
    /// How many bytes of the packet to send (0xffff: all).
    pub max_len: u16,
    /// Controllers with this id get it.
    pub controller_id: u16,
    /// What the packet-in says.
    pub reason: u8,
    /// Opaque bytes for NXT_PACKET_IN2.
    pub userdata: Vec<u8>,
    /// Stop here until NXT_RESUME.
    pub pause: bool,
    /// Rate-limit by this meter.
    pub meter: Option<MeterId>,
}

impl Default for Controller {
    fn default() -> Controller {
        Controller { max_len: u16::MAX, controller_id: 0, reason: 1, userdata: Vec::new(), pause: false, meter: None }
    }
}

/// The `resubmit` action.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Resubmit {
    /// Pretend that it came in here ([`OfPort::IN_PORT`]: no change).
    pub in_port: OfPort,
    /// Look up here ([`TableId::ALL`]: the table of this flow).
    pub table: TableId,
    /// Look up with conntrack's original tuple as the addresses.
    pub ct: bool,
}

/// Write the bits of `mask` of a field.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SetField {
    /// Which field. For [`SetForm::Mod`] of ports: `TcpSrc`/`TcpDst`, meaning whichever L4 protocol there is; of IPv4 addresses
    /// `IpSrc`/`IpDst`.
    pub field: FieldId,
    /// New bits; zero outside of `mask`.
    pub value: u128,
    /// Which bits change.
    pub mask: u128,
    /// How it was said.
    pub form: SetForm,
}

/// Write `tun_metadataN`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SetTunnelOption {
    /// N.
    pub index: u8,
    /// The new bytes, and which bits of them change.
    pub value: Box<TunValue>,
}

/// How a [`SetField`] was said, to say it back the same way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum SetForm {
    /// `set_field:VALUE[/MASK]->FIELD` (OFPAT_SET_FIELD, NXAST_REG_LOAD2).
    SetField,
    /// `load:VALUE->FIELD[OFS..END]` (NXAST_REG_LOAD).
    Load,
    /// An action of its own: `mod_dl_src`, `mod_nw_tos`, `mod_tp_dst`, `set_tunnel`, `set_mpls_ttl`, ...
    Mod,
    /// `set_tunnel64`, where [`SetForm::Mod`] is `set_tunnel`.
    Mod64,
}

/// How taking a tag off was said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum StripForm {
    /// `strip_vlan`
    Strip,
    /// `pop_vlan`
    Pop,
}

/// The `dec_ttl` action.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct DecTtl {
    /// Controller ids that get a packet whose TTL expired.
    pub controllers: Vec<u16>,
    /// `dec_ttl(ids)` was written with ids (NXAST_DEC_TTL_CNT_IDS).
    pub explicit: bool,
}

/// How fields are hashed (`bundle`, `multipath`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[allow(missing_docs, reason = "the manual's names")]
pub enum HashFields {
    EthSrc,
    SymmetricL4,
    SymmetricL3L4,
    SymmetricL3L4Udp,
    NwSrc,
    NwDst,
    SymmetricL3,
}

/// The `bundle` and `bundle_load` actions.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Bundle {
    /// What is hashed.
    pub fields: HashFields,
    /// Start value of the hash.
    pub basis: u16,
    /// How a member is chosen.
    pub algorithm: BundleAlgorithm,
    /// OpenFlow ports to choose from.
    pub members: Vec<OfPort>,
    /// `bundle_load`: write the port here instead of sending.
    pub dst: Option<SubField>,
}

/// How `bundle` chooses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum BundleAlgorithm {
    /// The first live member.
    ActiveBackup,
    /// Highest random weight among live members.
    Hrw,
}

/// The `multipath` action.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Multipath {
    /// What is hashed.
    pub fields: HashFields,
    /// Start value of the hash.
    pub basis: u16,
    /// How the hash becomes a link number.
    pub algorithm: MultipathAlgorithm,
    /// The highest link number (so links = max_link + 1).
    pub max_link: u16,
    /// An argument of `iter_hash`.
    pub arg: u32,
    /// Where the link number goes.
    pub dst: SubField,
}

/// How `multipath` chooses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[allow(missing_docs, reason = "the manual's names")]
pub enum MultipathAlgorithm {
    ModuloN,
    HashThreshold,
    Hrw,
    IterHash,
}

/// The `encap` action.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Encap {
    /// `encap(ethernet)`
    Ethernet,
    /// `encap(nsh(...))`
    Nsh {
        /// MD type, 1 or 2; `None` if it was not said (1).
        md_type: Option<u8>,
        /// MD type 2 TLVs: class, type, value.
        tlvs: Vec<(u16, u8, Vec<u8>)>,
    },
    /// `encap(mpls(ether_type=...))`
    Mpls {
        /// 0x8847 or 0x8848.
        ethertype: u16,
    },
}

/// The `learn` action.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Learn {
    /// Idle timeout of the learned flow.
    pub idle_timeout: Timeout,
    /// Hard timeout of the learned flow.
    pub hard_timeout: Timeout,
    /// Priority of the learned flow.
    pub priority: u16,
    /// Cookie of the learned flow.
    pub cookie: Cookie,
    /// Table of the learned flow.
    pub table: TableId,
    /// Idle timeout after a TCP FIN or RST.
    pub fin_idle_timeout: Timeout,
    /// Hard timeout after a TCP FIN or RST.
    pub fin_hard_timeout: Timeout,
    /// The learned flow reports its end.
    pub send_flow_rem: bool,
    /// Learned flows go when the flow with this action goes.
    pub delete_learned: bool,
    /// At most so many learned flows (0: no limit).
    pub limit: u32,
    /// One bit to write: whether it was learned within the limit.
    pub result_dst: Option<SubField>,
    /// What the learned flow matches and does, in order.
    pub specs: Vec<LearnSpec>,
}

/// One step of building a learned flow.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LearnSpec {
    /// How many bits are copied.
    pub n_bits: u16,
    /// From where.
    pub src: LearnSrc,
    /// To where.
    pub dst: LearnDst,
}

/// Where a learned bit comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LearnSrc {
    /// The packet.
    Field(SubField),
    /// A constant.
    Immediate(u128),
}

/// Where a learned bit goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LearnDst {
    /// The learned flow matches it.
    Match(SubField),
    /// The learned flow loads it.
    Load(SubField),
    /// The learned flow outputs to it.
    Output,
}

/// The `ct` action.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Ct {
    /// Commit the connection.
    pub commit: bool,
    /// Commit even against the existing direction.
    pub force: bool,
    /// Which zone.
    pub zone: CtZone,
    /// Come back at this table; `None`: go on with the untracked packet only.
    pub table: Option<TableId>,
    /// Application layer gateway by its port: 0 none, 21 ftp, 69 tftp.
    pub alg: u16,
    /// `nat`, and `set_field`/`load`/`move` of ct_mark and ct_label.
    pub actions: Vec<Action>,
}

/// A conntrack zone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CtZone {
    /// This one.
    Immediate(u16),
    /// The one that 16 bits of a field name.
    Field(SubField),
}

/// The `nat` action.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Nat {
    /// Which direction; `None`: only follow what the connection says.
    pub direction: Option<NatDirection>,
    /// Keep the mapping over reboots.
    pub persistent: bool,
    /// How a port is chosen.
    pub algorithm: Option<NatAlgorithm>,
    /// Lowest and highest address.
    pub addresses: Option<(IpAddr, Option<IpAddr>)>,
    /// Lowest and highest port.
    pub ports: Option<(u16, Option<u16>)>,
}

/// Which address is translated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[allow(missing_docs, reason = "plain words")]
pub enum NatDirection {
    Source,
    Destination,
}

/// How a port is chosen from a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[allow(missing_docs, reason = "plain words")]
pub enum NatAlgorithm {
    Hash,
    Random,
}

/// The `sample` action.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Sample {
    /// Out of 65535.
    pub probability: u16,
    /// Flow_Sample_Collector_Set id.
    pub collector_set_id: u32,
    /// IPFIX observation domain.
    pub obs_domain_id: u32,
    /// IPFIX observation point.
    pub obs_point_id: u32,
    /// Port whose direction is sampled.
    pub sampling_port: OfPort,
    /// Which direction.
    pub direction: SampleDirection,
}

/// Direction of a sampled packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[allow(missing_docs, reason = "plain words")]
pub enum SampleDirection {
    Default,
    Ingress,
    Egress,
}

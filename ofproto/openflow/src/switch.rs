//! The switch as a whole: features, description, configuration, tunnel option table.
#![allow(missing_docs, reason = "the names are the specification's")]

use bitflags::bitflags;

use crate::port::PortDesc;
use crate::table::ActionSet;

/// The answer to FEATURES_REQUEST.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct SwitchFeatures {
    pub datapath_id: u64,
    pub n_buffers: u32,
    pub n_tables: u8,
    /// 1.3+: which auxiliary connection this is.
    pub auxiliary_id: u8,
    pub capabilities: Capabilities,
    /// 1.0 only.
    pub actions: ActionSet,
    /// 1.0 to 1.2; see `truncated`.
    pub ports: Vec<PortDesc>,
    /// Ports were left out because the message got too long: ask for the port descriptions.
    pub ports_truncated: bool,
}

bitflags! {
    /// OFPC_* capabilities; the bits are ours where versions differ.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct Capabilities: u32 {
        const FLOW_STATS = 1 << 0;
        const TABLE_STATS = 1 << 1;
        const PORT_STATS = 1 << 2;
        /// 1.0's OFPC_STP.
        const STP = 1 << 16;
        /// 1.1+.
        const GROUP_STATS = 1 << 3;
        const IP_REASM = 1 << 5;
        const QUEUE_STATS = 1 << 6;
        /// 1.0 and 1.1.
        const ARP_MATCH_IP = 1 << 7;
        /// 1.2+.
        const PORT_BLOCKED = 1 << 8;
        /// 1.4+.
        const BUNDLES = 1 << 9;
        /// 1.4+.
        const FLOW_MONITORING = 1 << 10;
    }
}

/// GET_CONFIG_REPLY and SET_CONFIG.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SwitchConfig {
    /// What becomes of IP fragments.
    pub frag: FragHandling,
    /// Packets with an invalid TTL go to the controller (1.1, 1.2; OVS: all). `None`: not said.
    pub invalid_ttl_to_controller: Option<bool>,
    /// Bytes of a missed packet that the controller gets.
    pub miss_send_len: u16,
}

/// OFPC_FRAG_*.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[allow(missing_docs, reason = "the specification's names")]
#[repr(u8)]
pub enum FragHandling {
    #[default]
    Normal = 0,
    Drop = 1,
    Reassemble = 2,
    NxMatch = 3,
}

/// Who made the switch.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct SwitchDesc {
    pub mfr_desc: String,
    pub hw_desc: String,
    pub sw_desc: String,
    pub serial_num: String,
    pub dp_desc: String,
}

/// Which Geneve option is which tun_metadata field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "plain words")]
pub struct TlvMap {
    pub class: u16,
    pub kind: u8,
    /// Bytes, a multiple of 4.
    pub len: u8,
    /// tun_metadataN.
    pub index: u16,
}

/// Change the tunnel option table (NXT_TLV_TABLE_MOD).
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "plain words")]
pub struct TlvTableMod {
    pub command: TlvTableCommand,
    pub maps: Vec<TlvMap>,
}

/// NXTTMC_*.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "plain words")]
#[repr(u16)]
pub enum TlvTableCommand {
    Add = 0,
    Delete = 1,
    Clear = 2,
}

/// The tunnel option table (NXT_TLV_TABLE_REPLY).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlvTable {
    /// Bytes of options in all.
    pub max_option_space: u32,
    /// Number of fields.
    pub max_fields: u16,
    /// What is mapped.
    pub maps: Vec<TlvMap>,
}

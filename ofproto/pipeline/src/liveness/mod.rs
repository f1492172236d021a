//! Liveness: whether the other end of a port's link is there, as BFD and CFM find out.
//!
//! What: [`Machines`] has the machines of all ports that have one; the control thread owns them. Translation knows only
//! which frames are for a machine ([`Monitoring::takes`]), and what the machines found ([`crate::bridge::Port::is_live`]).
//!
//! ```text
//!   frame -> translation: for a machine -> slow path -> inbox -> control thread: on_pdu
//!                                                                 on_deadline, poll -> frame -> out by the port
//!                                                                 forwarding or not -> port status, groups, bundles
//! ```
//!
//! Invariants: machines are called by the control thread alone; the inbox is bounded, and what it does not take is counted as
//! lost on the wire would be; a machine goes with its port.

mod command;
mod run;

use std::collections::BTreeMap;

use weft_flow::action::SlowPathReason;
use weft_flow::{FieldId, FlowKey, FlowMask, OfPort};
use weft_link::jitter::Jitter;
use weft_link::{bfd, cfm};

use crate::tables::BridgeId;

/// What watches a port's link.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Monitoring {
    /// Interface `bfd`, if it is enabled.
    pub bfd: Option<Box<bfd::Config>>,
    /// Interface `cfm_mpid`, if there is one.
    pub cfm: Option<Box<cfm::Config>>,
}

/// The machines of all ports, by the ports' names.
pub(crate) struct Machines {
    ports: BTreeMap<String, Machine>,
    /// Where discriminators come from.
    draw: Jitter,
    /// Something changed that people look at.
    news: bool,
}

/// A port's machines.
#[derive(Default)]
struct Machine {
    bfd: Option<bfd::Session>,
    cfm: Option<cfm::Endpoint>,
}

/// A frame for a machine.
pub(crate) struct Pdu {
    pub bridge: BridgeId,
    pub port: OfPort,
    pub reason: SlowPathReason,
    pub frame: Vec<u8>,
}

/// How many frames may wait for the control thread.
pub(crate) const MAX_INBOX: usize = 1024;

impl Default for Machines {
    fn default() -> Machines {
        // sessions of one switch must differ from each other, and from those of its former life
        let seed = foldhash::fast::RandomState::default();
        Machines {
            ports: BTreeMap::new(),
            draw: Jitter::new(std::hash::BuildHasher::hash_one(&seed, 0u8)),
            news: false,
        }
    }
}

impl Machines {
    /// The port is gone.
    pub fn remove(&mut self, port: &str) {
        self.news |= self.ports.remove(port).is_some();
    }

    /// bfd.LocalDiscr of a new session.
    fn discriminator(&mut self) -> u32 {
        self.draw.draw() as u32 | 1
    }
}

impl Monitoring {
    /// Whether a frame that comes in by this port is for a machine; `mask` gets the bits that say so. For BFD that is what
    /// ovs-vswitchd.conf.db(5) says of `bfd_remote_dst_mac`, `bfd_src_ip` and `check_tnl_key`.
    pub(crate) fn takes(&self, key: &FlowKey, mask: &mut FlowMask) -> Option<SlowPathReason> {
        if self.cfm.as_deref().is_some_and(|config| is_for_cfm(config, key, mask)) {
            return Some(SlowPathReason::Cfm);
        }
        self.bfd.as_deref().is_some_and(|config| is_for_bfd(config, key, mask)).then_some(SlowPathReason::Bfd)
    }
}

fn is_for_cfm(config: &cfm::Config, key: &FlowKey, mask: &mut FlowMask) -> bool {
    let mut is = |field: FieldId, value: u128| asks(key, mask, field, value);
    let group = if config.extended { cfm::EXTENDED_GROUP } else { cfm::GROUP };
    is(FieldId::EthType, cfm::ETHERTYPE.into())
        && is(FieldId::EthDst, mac_bits(group))
        && (!config.check_tnl_key || is(FieldId::TunId, 0))
}

fn is_for_bfd(config: &bfd::Config, key: &FlowKey, mask: &mut FlowMask) -> bool {
    const IPV4: u128 = 0x0800;
    const UDP: u128 = 17;
    let mut is = |field: FieldId, value: u128| asks(key, mask, field, value);
    is(FieldId::EthType, IPV4)
        && config.remote_dst.is_none_or(|mac| is(FieldId::EthDst, mac_bits(mac)))
        && is(FieldId::NwProto, UDP)
        && (FieldId::IpFrag.get(key) & 2 == 0)
        && is(FieldId::UdpDst, bfd::PORT.into())
        && (!config.check_dst_ip || is(FieldId::IpDst, config.src_ip.to_bits().into()))
        && (!config.check_tnl_key || is(FieldId::TunId, 0))
}

fn asks(key: &FlowKey, mask: &mut FlowMask, field: FieldId, value: u128) -> bool {
    field.unwildcard(mask);
    field.get(key) == value
}

fn mac_bits(mac: weft_packet::Mac) -> u128 {
    mac.0.iter().fold(0, |bits, byte| bits << 8 | u128::from(*byte))
}

//! What: configuration in the pipeline's words.

use weft_flow::OfPort;
use weft_pipeline as pipeline;
use weft_pipeline::VlanSet;

use crate::config::{self, BridgeConfig, ControllerKind, PortConfig};

use super::Bridge;
use super::kind::datapath_type;

/// A bridge's settings.
pub fn bridge(config: &BridgeConfig, state: &Bridge) -> pipeline::BridgeSettings {
    let default = pipeline::Description::default();
    let primary = config.controllers.values().any(|controller| controller.kind == ControllerKind::Primary);
    pipeline::BridgeSettings {
        datapath_type: datapath_type(&config.datapath_type).to_owned(),
        datapath_id: state.datapath_id,
        fail_mode: match config.fail_mode {
            config::FailMode::Standalone => pipeline::FailMode::Standalone,
            config::FailMode::Secure => pipeline::FailMode::Secure,
        },
        has_controller: primary,
        fail_open: state.fail_open,
        versions: pipeline::Versions(config.versions().fold(0, |bits, version| bits | 1 << version)),
        mac_aging: config.mac_aging,
        mac_table_size: config.mac_table_size as usize,
        forward_bpdu: config.forward_bpdu,
        flood_vlans: VlanSet::of(config.flood_vlans.iter().copied()),
        description: pipeline::Description {
            serial: config.dp_sn.clone().unwrap_or(default.serial.clone()),
            datapath: config.dp_desc.clone().unwrap_or(default.datapath.clone()),
            ..default
        },
        tables: config.tables.iter().map(|(id, table)| (*id, flow_table(table))).collect(),
        ..pipeline::BridgeSettings::default()
    }
}

fn flow_table(config: &config::FlowTableConfig) -> pipeline::TableSettings {
    pipeline::TableSettings {
        name: config.name.clone().unwrap_or_default(),
        flow_limit: config.flow_limit,
        evict: config.evict,
        groups: config.groups.clone(),
        prefixes: config.prefixes.clone(),
    }
}

/// A port's settings.
pub fn bundle(port: &PortConfig) -> pipeline::BundleSettings {
    pipeline::BundleSettings {
        name: port.name.clone(),
        mode: match port.vlan_mode {
            config::VlanMode::Access => pipeline::VlanMode::Access,
            config::VlanMode::Trunk => pipeline::VlanMode::Trunk,
            config::VlanMode::NativeTagged => pipeline::VlanMode::NativeTagged,
            config::VlanMode::NativeUntagged => pipeline::VlanMode::NativeUntagged,
            config::VlanMode::Dot1qTunnel => pipeline::VlanMode::Dot1qTunnel,
        },
        tag: port.tag,
        trunks: VlanSet::listed_or_all(port.trunks.iter().copied()),
        cvlans: VlanSet::listed_or_all(port.cvlans.iter().copied()),
        qinq_ethertype: port.qinq_ethtype,
        priority_tags: match port.priority_tags {
            config::PriorityTags::No => pipeline::PriorityTags::Never,
            config::PriorityTags::IfNonzero => pipeline::PriorityTags::IfNonzero,
            config::PriorityTags::Always => pipeline::PriorityTags::Always,
        },
        protected: port.protected,
    }
}

/// The OpenFlow number that an interface asks for.
pub fn ofport_request(bridge: &str, interface: &config::InterfaceConfig) -> Option<OfPort> {
    if interface.name == bridge {
        return Some(OfPort::LOCAL);
    }
    interface.ofport_request.or(interface.ofport_hint.0).map(OfPort)
}

//! What: the address of a bridge's local port, for a controller that is reached through the bridge itself: columns
//! `local_ip`, `local_netmask` and `local_gateway` of table Controller.
//!
//! How: what the rows want is compared with what was given to which device; what is outdated is taken away first. A device
//! that is not there yet, or was made anew, gets it with the next change of the configuration.

use std::net::Ipv4Addr;

use weft_netdev::{address, netlink};

use crate::config::{BridgeConfig, LocalAddress};
use weft_jsonrpc::address::Remote;

/// An address as a device has it from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    ifindex: u32,
    what: LocalAddress,
}

/// What a bridge's controllers want: that of the first one which we connect to through the bridge and which has any.
pub fn wanted(config: &BridgeConfig) -> Option<LocalAddress> {
    let controllers = config.controllers.values();
    let ours = controllers.filter(|c| c.in_band && matches!(c.remote, Remote::Active(_)));
    ours.filter_map(|controller| controller.local).next().filter(|_| !config.disable_in_band)
}

/// Makes the local port of `bridge` have it; gives what it has from us then.
pub fn settle(bridge: &str, wanted: Option<LocalAddress>, given: Option<Given>) -> Option<Given> {
    if wanted.is_none() && given.is_none() {
        return None;
    }
    let ifindex = netlink::link_by_name(bridge).map(|link| link.ifindex);
    let ifindex = match ifindex {
        Ok(ifindex) => ifindex,
        Err(error) => {
            tracing::warn!(target: "bridge", "bridge {bridge}: no local port to configure an address on ({error})");
            return None;
        }
    };
    let given = given.filter(|given| given.ifindex == ifindex);
    let wish = wanted.map(|what| Given { ifindex, what });
    if given == wish {
        return given;
    }
    given.inspect(|given| take_away(bridge, *given));
    wish.filter(|wish| give(bridge, *wish))
}

fn give(bridge: &str, Given { ifindex, what }: Given) -> bool {
    let done = netlink::set_up(ifindex, true).and_then(|()| address::add(ifindex, what.ip, what.prefix()));
    if let Err(error) = done {
        tracing::warn!(target: "bridge", "bridge {bridge}: cannot configure IP address {} ({error})", what.ip);
        return false;
    }
    tracing::info!(target: "bridge", "bridge {bridge}: configured IP address {}, netmask {}", what.ip, what.netmask);
    if let Some(gateway) = what.gateway {
        match address::add_default_route(ifindex, gateway) {
            Ok(()) => tracing::info!(target: "bridge", "bridge {bridge}: configured gateway {gateway}"),
            Err(error) => {
                tracing::warn!(target: "bridge", "bridge {bridge}: cannot configure gateway {gateway} ({error})")
            }
        }
    }
    true
}

fn take_away(bridge: &str, Given { ifindex, what }: Given) {
    let route = what.gateway.map_or(Ok(()), |gateway: Ipv4Addr| address::remove_default_route(ifindex, gateway));
    let done = route.and(address::remove(ifindex, what.ip, what.prefix()));
    match done {
        Ok(()) => tracing::info!(target: "bridge", "bridge {bridge}: removed IP address {}", what.ip),
        Err(error) => {
            tracing::warn!(target: "bridge", "bridge {bridge}: cannot remove IP address {} ({error})", what.ip)
        }
    }
}

//! IP or MPLS directly behind UDP (RFC 7510 §3 for MPLS): no header of its own; the port says what is inside.

use super::{Body, Dialect, Encap, TunnelError, of_ethertype};
use crate::wire::{ethertype, proto};

pub(super) fn decap(body: &Body<'_>, dialect: Dialect) -> Result<u32, TunnelError> {
    match dialect.ethertype {
        0 => body.ip(),
        // a port for one version of IP takes the other too if it says so itself
        ethertype::IPV4 | ethertype::IPV6 => body.ip(),
        other => Ok(of_ethertype(other)),
    }
}

pub(super) fn encap(encap: &Encap<'_>) -> Result<u8, TunnelError> {
    let is_ip = [of_ethertype(ethertype::IPV4), of_ethertype(ethertype::IPV6)].contains(&encap.inner);
    let fits = match encap.dialect.ethertype {
        0 | ethertype::IPV4 | ethertype::IPV6 => is_ip,
        ethertype::MPLS | ethertype::MPLS_MULTICAST => {
            [of_ethertype(ethertype::MPLS), of_ethertype(ethertype::MPLS_MULTICAST)].contains(&encap.inner)
        }
        other => encap.inner == of_ethertype(other),
    };
    if fits { Ok(proto::UDP) } else { Err(TunnelError::Payload) }
}

//! Which forms of flows can say something: the "usable protocols" of `parse-flow`.
//!
//! Why not just try to encode: a form that could carry a field is still not usable for it where OpenFlow's users were told
//! so (ovs-fields(7) lists for each field the versions that take it, exactly and masked).

use weft_flow::FieldId;

use crate::ids::Version;

/// A set of forms: a version, for 1.0 with or without Nicira's match and with or without tables in flow mods.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Protocols(u16);

impl Protocols {
    /// Every form.
    pub const ANY: Protocols = Protocols(0x1ff);
    /// None.
    pub const NONE: Protocols = Protocols(0);
    /// OpenFlow 1.0 with its own match.
    pub const OPENFLOW10: Protocols = Protocols(0b0011);
    /// OpenFlow 1.0 with Nicira's match.
    pub const NXM: Protocols = Protocols(0b1100);
    /// OpenFlow 1.1.
    pub const OPENFLOW11: Protocols = Protocols(1 << 4);
    /// OpenFlow 1.2 and later.
    pub const OXM: Protocols = Protocols(0x1e0);
    /// OpenFlow 1.3 and later.
    pub const OPENFLOW13_UP: Protocols = Protocols(0x1c0);
    /// OpenFlow 1.0 where flow mods name a table.
    pub const TABLE_ID: Protocols = Protocols(0b1010);

    /// Every form of a version.
    pub const fn of_version(version: Version) -> Protocols {
        match version {
            Version::V10 => Protocols(0b1111),
            Version::V11 => Protocols(1 << 4),
            Version::V12 => Protocols(1 << 5),
            Version::V13 => Protocols(1 << 6),
            Version::V14 => Protocols(1 << 7),
            Version::V15 => Protocols(1 << 8),
        }
    }

    /// Whether this form is in the set.
    pub fn contains(self, version: Version, nxm: bool, table_id: bool) -> bool {
        let bit = match version {
            Version::V10 => u16::from(nxm) << 1 | u16::from(table_id),
            Version::V11 => 4,
            Version::V12 => 5,
            Version::V13 => 6,
            Version::V14 => 7,
            Version::V15 => 8,
        };
        self.0 & 1 << bit != 0
    }

    /// In either.
    #[must_use]
    pub const fn or(self, other: Protocols) -> Protocols {
        Protocols(self.0 | other.0)
    }

    /// In both.
    #[must_use]
    pub const fn and(self, other: Protocols) -> Protocols {
        Protocols(self.0 & other.0)
    }

    /// Whether there is none left.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The forms that match `field` under this mask (ovs-fields(7)).
    pub fn of_field(field: FieldId, mask: u128) -> Protocols {
        use FieldId::*;
        let exact = mask == field.field().all_ones();
        let extensible = Protocols::NXM.or(Protocols::OXM);
        let since11 = extensible.or(Protocols::OPENFLOW11);
        if !exact && mask != 0 {
            return match field {
                IpSrc | IpDst | ArpSpa | ArpTpa if (mask as u32).leading_ones() == mask.count_ones() => Protocols::ANY,
                IpSrc | IpDst | ArpSpa | ArpTpa | EthSrc | EthDst | Metadata => since11,
                _ => extensible,
            };
        }
        match field {
            TunTos | TunTtl | SkbPriority => Protocols::NONE,
            InPortOxm | Metadata | MplsLabel | MplsTc | NwEcn | SctpSrc | SctpDst => since11,
            InPort | EthSrc | EthDst | EthType | VlanVid | VlanTci | VlanPcp | DlVlan | DlVlanPcp => Protocols::ANY,
            IpSrc | IpDst | NwProto | NwTos | IpDscp | ArpOp | ArpSpa | ArpTpa => Protocols::ANY,
            TcpSrc | TcpDst | UdpSrc | UdpDst | IcmpType | IcmpCode => Protocols::ANY,
            _ => extensible,
        }
    }
}

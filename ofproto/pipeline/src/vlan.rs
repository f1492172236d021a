//! VLAN sets and the VLAN modes of a bundle: which tags come in, and how a frame of a VLAN goes out.
//!
//! What: [`VlanSet`] is a bitmap of the 4,096 VLANs; [`VlanMode`] and [`PriorityTags`] are the columns of the
//! database's Port table (ovs-vswitchd.conf.db(5), "VLAN Configuration").
//! Invariant: an empty `trunks` column means "all VLANs", so that case is a set of its own ([`VlanSet::all`]).

use std::fmt;

/// A VLAN id, 0 to 4095. 0 stands for "no VLAN" where frames are classified.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Vid(pub u16);

impl fmt::Display for Vid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A set of VLANs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VlanSet(Box<[u64; 64]>);

impl VlanSet {
    /// No VLAN.
    pub fn none() -> VlanSet {
        VlanSet(Box::new([0; 64]))
    }

    /// Every VLAN, 0 included.
    pub fn all() -> VlanSet {
        VlanSet(Box::new([u64::MAX; 64]))
    }

    /// As the columns `trunks` and `cvlans` mean it: these VLANs, or all if none is named.
    pub fn listed_or_all<I: IntoIterator<Item = u16>>(vids: I) -> VlanSet {
        let mut any = false;
        let mut set = VlanSet::none();
        for vid in vids {
            any = true;
            set.insert(vid);
        }
        if any { set } else { VlanSet::all() }
    }

    /// These VLANs (numbers above 4095 are ignored).
    pub fn of<I: IntoIterator<Item = u16>>(vids: I) -> VlanSet {
        let mut set = VlanSet::none();
        vids.into_iter().for_each(|vid| set.insert(vid));
        set
    }

    /// Add one.
    pub fn insert(&mut self, vid: u16) {
        if vid < 4096 {
            self.0[usize::from(vid) / 64] |= 1 << (vid % 64);
        }
    }

    /// Whether it is in.
    #[inline]
    pub fn contains(&self, vid: u16) -> bool {
        vid < 4096 && self.0[usize::from(vid) / 64] >> (vid % 64) & 1 == 1
    }

    /// Whether none is in.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&w| w == 0)
    }
}

/// How a bundle treats tags (column `vlan_mode` of Port).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum VlanMode {
    /// Untagged outside, VLAN `tag` inside.
    Access,
    /// Tagged outside; untagged frames are VLAN 0.
    #[default]
    Trunk,
    /// A trunk whose native VLAN `tag` goes out tagged.
    NativeTagged,
    /// A trunk whose native VLAN `tag` goes out untagged.
    NativeUntagged,
    /// 802.1ad: an outer tag `tag` inside, stripped outside.
    Dot1qTunnel,
}

impl VlanMode {
    /// The mode that the columns `vlan_mode` and `tag` mean together: without a mode, a tag makes an access port.
    pub fn from_columns(mode: Option<&str>, tag: Option<u16>) -> Option<VlanMode> {
        match mode {
            None | Some("") => Some(if tag.is_some() { VlanMode::Access } else { VlanMode::Trunk }),
            Some("access") => Some(VlanMode::Access),
            Some("trunk") => Some(VlanMode::Trunk),
            Some("native-tagged") => Some(VlanMode::NativeTagged),
            Some("native-untagged") => Some(VlanMode::NativeUntagged),
            Some("dot1q-tunnel") => Some(VlanMode::Dot1qTunnel),
            Some(_) => None,
        }
    }
}

/// Whether frames of VLAN 0 leave with an 802.1Q header that only carries a priority (other_config:priority-tags).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PriorityTags {
    /// Never tagged.
    #[default]
    Never,
    /// Tagged if the priority is not 0.
    IfNonzero,
    /// Tagged if a priority tag came in, whatever its priority, or the priority is not 0.
    Always,
}

impl PriorityTags {
    /// From the column's value; OVS takes `true` for `if-nonzero`, anything unknown for `never`.
    pub fn from_column(value: Option<&str>) -> PriorityTags {
        match value {
            Some("if-nonzero" | "true") => PriorityTags::IfNonzero,
            Some("always") => PriorityTags::Always,
            _ => PriorityTags::Never,
        }
    }
}

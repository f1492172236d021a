//! A bridge's mapping of tunnel options to fields (ovs-ofctl(8), "OpenFlow Switch Tunnel TLV Table Commands").

use std::sync::Arc;

use super::{FIELDS, MAX_LEN, TunLayout};

/// Which option is which field.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "plain words")]
pub struct TlvMap {
    pub class: u16,
    pub kind: u8,
    /// Bytes, a multiple of 4, or 0.
    pub len: u8,
    /// `tun_metadataN`.
    pub index: u8,
}

/// Why a mapping is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TlvError {
    /// No option is that long.
    BadLength,
    /// There is no such field.
    BadIndex,
    /// The 256 bytes are used up.
    Full,
    /// The field is mapped to an option.
    AlreadyMapped,
    /// The option is mapped to a field.
    Duplicate,
}

/// The mappings, and where their fields lie. Changes make a new layout: what holds the old one reads the same bytes.
#[derive(Clone, Debug)]
pub struct TlvTable {
    maps: Vec<TlvMap>,
    layout: Arc<TunLayout>,
}

impl Default for TlvTable {
    fn default() -> TlvTable {
        TlvTable { maps: Vec::new(), layout: Arc::new(TunLayout::of_bridge()) }
    }
}

impl TlvTable {
    /// By field, ascending.
    pub fn maps(&self) -> &[TlvMap] {
        &self.maps
    }

    /// Where the fields lie.
    pub fn layout(&self) -> &Arc<TunLayout> {
        &self.layout
    }

    /// Map options to fields: all of them, or none.
    ///
    /// # Errors
    /// What is wrong with the first that is refused.
    pub fn add(&mut self, new: &[TlvMap]) -> Result<(), TlvError> {
        let mut table = self.clone();
        let layout = Arc::make_mut(&mut table.layout);
        for map in new {
            let len = usize::from(map.len);
            // one without data says something by being there
            if !len.is_multiple_of(4) || len > MAX_LEN {
                return Err(TlvError::BadLength);
            }
            if map.index >= FIELDS {
                return Err(TlvError::BadIndex);
            }
            if table.maps.iter().any(|old| old.index == map.index) {
                return Err(TlvError::AlreadyMapped);
            }
            if table.maps.iter().any(|old| (old.class, old.kind) == (map.class, map.kind)) {
                return Err(TlvError::Duplicate);
            }
            if !layout.add(map.index, len, false) {
                return Err(TlvError::Full);
            }
            table.maps.push(*map);
        }
        table.maps.sort_by_key(|map| map.index);
        *self = table;
        Ok(())
    }

    /// Which fields a removal of these mappings takes away; what is mapped otherwise, or not at all, is left alone.
    pub fn removed_by(&self, gone: &[TlvMap]) -> Vec<u8> {
        let same = |map: &TlvMap| gone.iter().any(|g| (g.class, g.kind, g.index) == (map.class, map.kind, map.index));
        self.maps.iter().filter(|map| same(map)).map(|map| map.index).collect()
    }

    /// Remove the mappings of fields. The caller has made sure that no flow uses them.
    pub fn remove(&mut self, fields: &[u8]) {
        self.maps.retain(|map| !fields.contains(&map.index));
        let layout = Arc::make_mut(&mut self.layout);
        fields.iter().for_each(|index| layout.remove(*index));
    }
}

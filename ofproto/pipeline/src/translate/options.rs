//! Tunnel options: reading, writing and removing `tun_metadata` fields of the bridge at hand.

use smallvec::SmallVec;
use weft_flow::key::{TUN_METADATA_WORD, UsedWords};
use weft_flow::tun_metadata::{PRESENT_WORD, TunValue};
use weft_flow::{FieldId, FlowKey};
use weft_openflow::action::SubField;

use super::Context;
use super::trace::NodeKind;

/// Whether a frame came in through a tunnel: only then it has tunnel fields.
pub(super) fn is_tunnelled(key: &FlowKey) -> bool {
    FieldId::TunDst.get(key) != 0 || FieldId::TunIpv6Dst.get(key) != 0
}

impl Context<'_, '_> {
    pub(super) fn read_option(&mut self, index: u8, sub: SubField) -> u128 {
        let layout = self.bridge.tlv.layout();
        layout.unwildcard(&mut self.mask, index, &TunValue::from_bits(0, sub.ofs, sub.n_bits));
        layout.get_bits(&self.key, index, sub.ofs, sub.n_bits)
    }

    pub(super) fn set_option(&mut self, index: u8, value: &TunValue) {
        let layout = self.bridge.tlv.layout();
        layout.unwildcard(&mut self.mask, index, value);
        // what is not mapped any more is not written
        let _ = layout.set(&mut self.key, index, value);
        self.pristine = false;
    }

    pub(super) fn delete_option(&mut self, field: FieldId) {
        if let Some(index) = field.tun_metadata_index() {
            let layout = self.bridge.tlv.layout();
            layout.clear(&mut self.key, index);
            self.pristine = false;
            self.note(NodeKind::Detail, || format!("delete {}", field.field().name));
        }
    }

    /// What every megaflow of a tunnel's frames says.
    pub(super) fn unwildcard_tunnel(&mut self) {
        if !self.tunnelled {
            return;
        }
        let v4 = FieldId::TunDst.get(&self.key) != 0;
        let ends = if v4 { [FieldId::TunSrc, FieldId::TunDst] } else { [FieldId::TunIpv6Src, FieldId::TunIpv6Dst] };
        for field in [FieldId::TunId, ends[0], ends[1], FieldId::TunTos] {
            self.unwildcard(field);
        }
        self.mask.or_word(TUN_FLAGS_WORD, DF_CSUM_KEY << 48);
    }

    /// The next bridge knows nothing of the tunnel, neither the one that the frame came by nor the one that is meant.
    pub(super) fn forget_tunnel(&mut self) {
        for word in UsedWords(self.key.used() & TUNNEL_WORDS) {
            let keep = if word == TUN_METADATA_WORD - 1 { SKB_PRIORITY } else { 0 };
            let left = self.key.word(word) & keep;
            self.pristine &= left == self.key.word(word);
            self.key.set_word(word, left);
        }
    }

    /// What the verdict rests on so far of the tunnel's fields.
    pub(super) fn tunnel_mask(&self) -> SmallVec<[(usize, u64); 8]> {
        UsedWords(self.mask.used() & TUNNEL_WORDS).map(|word| (word, self.mask.word(word))).collect()
    }

    /// Back to that: a bridge that did not see the tunnel does not rest on it.
    pub(super) fn set_tunnel_mask(&mut self, known: &[(usize, u64)]) {
        for word in UsedWords(self.mask.used() & TUNNEL_WORDS) {
            let was = known.iter().find(|(known, _)| *known == word).map_or(0, |(_, bits)| *bits);
            let keep = if word == TUN_METADATA_WORD - 1 { SKB_PRIORITY } else { 0 };
            self.mask.set_word(word, self.mask.word(word) & keep | was);
        }
    }

    /// A frame of no tunnel has no tunnel fields, so a megaflow does not speak of them.
    pub(super) fn forget_options_of_untunnelled(&mut self) {
        if self.tunnelled {
            return;
        }
        for word in UsedWords(self.mask.used() & TUNNEL_WORDS) {
            let keep = if word == TUN_METADATA_WORD - 1 { SKB_PRIORITY } else { 0 };
            self.mask.set_word(word, self.mask.word(word) & keep);
        }
    }
}

/// The word whose high 16 bits are the tunnel flags, and those that decide how a tunnel's frame is sent on.
const TUN_FLAGS_WORD: usize = 36;
const DF_CSUM_KEY: u64 = 0b1110;
/// tun_src and tun_dst; the words from here to the options are the tunnel's.
const FIRST_TUNNEL_WORD: usize = 30;
const TUNNEL_WORDS: u128 = (1 << (PRESENT_WORD + 1)) - (1 << FIRST_TUNNEL_WORD);
/// What is no tunnel's of the word before the options.
const SKB_PRIORITY: u64 = 0xffff_ffff;

//! The flow key: everything that a flow can match, as one fixed array of words.
//!
//! What: [`FlowKey`] holds the values, [`FlowMask`] says which bits matter. Every field of the registry is a run of
//! bits in one word (128-bit fields: two words, high half first), in plain numeric order, never in wire order.
//!
//! Why: a fixed place per field makes `key & mask` a handful of plain word operations; what a plain IPv4 or ARP
//! frame says stands in the first cache line, IPv6 in the second; rarer things come later and are not touched.
//!
//! ```text
//! word   high 32 bits ............................ low 32 bits
//!  0     recirc_id                                 in_port            \
//!  1     packet_type                               eth_type:16 frag:8 nw_proto:8   } always exact: the partition
//!  2     eth_dst:48 ..................................... vlan_tci:16 (outer; CFI bit = "tag present")
//!  3     eth_src:48 ..................................... vlan_tpid:16 (outer)
//!  4     vlan1_tci:16 vlan1_tpid:16                tos:8 ttl:8 tcp_flags:16 (nd_options_type shares tcp_flags)
//!  5     ip_src / arp_spa                          ip_dst / arp_tpa
//!  6     tp_src:16 tp_dst:16 (icmp type, code)     ipv6_label
//!  7-8   ipv6_src        9-10  ipv6_dst
//! 11     arp_sha / nd_sll:48, free:16      12      arp_tha / nd_tll:48, free:16
//! 13-14  nd_target
//! 15     ct_state                                  ct_zone:16 ct_nw_proto:8 free:8
//! 16     ct_mark                                   pkt_mark
//! 17-18  ct_label
//! 19     ct_nw_src                                 ct_nw_dst
//! 20-21  ct_ipv6_src    22-23 ct_ipv6_dst
//! 24     ct_tp_src:16 ct_tp_dst:16                 dp_hash
//! 25     mpls_lse0                                 mpls_lse1
//! 26     mpls_lse2                                 nsh_flags:8 nsh_ttl:8 nsh_mdtype:8 nsh_np:8
//! 27     nsh_spi:24 nsh_si:8                       nsh_c1
//! 28     nsh_c2                                    nsh_c3
//! 29     nsh_c4                                    nd_reserved / igmp_group_ip4
//! 30     tun_src                                   tun_dst
//! 31-32  tun_ipv6_src   33-34 tun_ipv6_dst
//! 35     tun_id
//! 36     tun_flags:16 tun_tos:8 tun_ttl:8          tun_tp_src:16 tun_tp_dst:16
//! 37     gbp_id:16 gbp_flags:8 erspan_ver:8        erspan_idx
//! 38     erspan_dir:8 erspan_hwid:8 gtpu_flags:8 gtpu_msgtype:8   skb_priority
//! 39-70  tun_metadata (256 bytes)
//! 71     which of tun_metadata0-63 are there (see `tun_metadata`)
//! 72     metadata
//! 73-80  reg0:32 reg1:32 ... reg14:32 reg15:32 (so xregN is a word, xxregN a pair)
//! 81     conj_id                                   actset_output
//! ```
//!
//! Invariant: words whose bit in `used` is clear are zero (the reverse need not hold).

/// Number of words.
pub const WORDS: usize = 82;
/// First word that only OpenFlow knows (metadata and registers); the datapath's part lies below.
pub const OPENFLOW_WORDS: usize = 72;
/// First word of the 256 bytes of tunnel metadata.
pub const TUN_METADATA_WORD: usize = 39;

/// The values of all fields.
#[derive(Clone)]
#[repr(C, align(64))]
pub struct FlowKey {
    words: [u64; WORDS],
    used: u128,
}

/// Which bits of a key matter: 1 = must match.
#[derive(Clone)]
#[repr(C, align(64))]
pub struct FlowMask {
    words: [u64; WORDS],
    used: u128,
}

macro_rules! words_of {
    ($name:ident) => {
        impl $name {
            /// All zero.
            pub const fn new() -> $name {
                $name { words: [0; WORDS], used: 0 }
            }

            /// All words, in order.
            #[inline]
            pub fn words(&self) -> &[u64; WORDS] {
                &self.words
            }

            /// One word.
            #[inline]
            pub fn word(&self, i: usize) -> u64 {
                self.words[i]
            }

            /// Bit i set: word i may be other than zero.
            #[inline]
            pub fn used(&self) -> u128 {
                self.used
            }

            /// Replace one word.
            #[inline]
            pub fn set_word(&mut self, i: usize, value: u64) {
                self.words[i] = value;
                self.used |= 1 << i;
            }

            /// Or bits into one word.
            #[inline]
            pub fn or_word(&mut self, i: usize, bits: u64) {
                self.words[i] |= bits;
                self.used |= 1 << i;
            }

            /// Zero all words.
            #[inline]
            pub fn clear(&mut self) {
                let mut left = self.used;
                while left != 0 {
                    self.words[left.trailing_zeros() as usize] = 0;
                    left &= left - 1;
                }
                self.used = 0;
            }

            /// Indices of words that may be other than zero, ascending.
            pub fn used_words(&self) -> UsedWords {
                UsedWords(self.used)
            }

            /// Read `bits` bits at `shift` of word `word` (128 bits: this word and the next).
            #[inline]
            pub fn get_bits(&self, word: usize, shift: u32, bits: u32) -> u128 {
                if bits > 64 {
                    return (u128::from(self.words[word]) << 64) | u128::from(self.words[word + 1]);
                }
                u128::from((self.words[word] >> shift) & low_bits(bits))
            }

            /// Write `bits` bits at `shift` of word `word`; higher bits of `value` are ignored.
            #[inline]
            pub fn set_bits(&mut self, word: usize, shift: u32, bits: u32, value: u128) {
                if bits > 64 {
                    self.set_word(word, (value >> 64) as u64);
                    self.set_word(word + 1, value as u64);
                    return;
                }
                let keep = !(low_bits(bits) << shift);
                let word_value = (self.words[word] & keep) | ((value as u64 & low_bits(bits)) << shift);
                self.set_word(word, word_value);
            }
        }

        impl Default for $name {
            fn default() -> $name {
                $name::new()
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &$name) -> bool {
                UsedWords(self.used | other.used).all(|i| self.words[i] == other.words[i])
            }
        }

        impl Eq for $name {}

        impl std::hash::Hash for $name {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                for i in UsedWords(self.used).filter(|&i| self.words[i] != 0) {
                    (i as u8, self.words[i]).hash(state);
                }
            }
        }
    };
}

words_of!(FlowKey);
words_of!(FlowMask);

impl FlowMask {
    /// Make every bit of `other` matter too.
    #[inline]
    pub fn unite(&mut self, other: &FlowMask) {
        for i in UsedWords(other.used) {
            self.words[i] |= other.words[i];
        }
        self.used |= other.used;
    }

    /// Whether `a` and `b` agree in all bits that matter.
    #[inline]
    pub fn agree(&self, a: &FlowKey, b: &FlowKey) -> bool {
        UsedWords(self.used).all(|i| (a.words[i] ^ b.words[i]) & self.words[i] == 0)
    }

    /// Whether every bit that matters to `other` matters here too.
    pub fn covers(&self, other: &FlowMask) -> bool {
        UsedWords(other.used).all(|i| other.words[i] & !self.words[i] == 0)
    }

    /// Whether no bit matters.
    pub fn is_empty(&self) -> bool {
        UsedWords(self.used).all(|i| self.words[i] == 0)
    }
}

impl FlowKey {
    /// Zero every bit that does not matter to `mask`.
    pub fn mask_with(&mut self, mask: &FlowMask) {
        for i in UsedWords(self.used) {
            self.words[i] &= mask.words[i];
        }
    }
}

/// Words that only rarely hold something of the frame itself: IPv6, ARP hardware addresses, ND, MPLS, NSH, IGMP.
/// Words 1-6 hold the rest of what a frame says.
pub const RARE_FRAME_WORDS: u128 = 0b11_1110_0000_0000_0111_1111_1000_0000;
/// All words that extraction writes.
pub const FRAME_WORDS: u128 = RARE_FRAME_WORDS | 0b111_1110;

impl FlowKey {
    /// Start anew for a frame that came in by `in_port`: zero what the last frame's journey left (conntrack, tunnel,
    /// marks, registers), and set the always exact word 0. [`crate::extract()`] fills in the frame's own words.
    #[inline]
    pub fn begin(&mut self, recirc_id: u32, in_port: u32) {
        let dirty = self.used & !FRAME_WORDS & !1;
        if dirty != 0 {
            self.clear_words(dirty);
        }
        self.words[0] = u64::from(recirc_id) << 32 | u64::from(in_port);
        self.used |= 1;
    }

    /// Zero the words whose bits are set in `which`.
    pub fn clear_words(&mut self, which: u128) {
        for i in UsedWords(self.used & which) {
            self.words[i] = 0;
        }
        self.used &= !which;
    }

    /// Write words 1-6, having zeroed the rarer words of the frame.
    #[inline]
    pub(crate) fn set_common(&mut self, common: &[u64; 6]) {
        self.words[1..7].copy_from_slice(common);
        self.used |= 0b111_1110;
    }

    /// A hash for exact-match caches over everything but the TCP flags, which change within a connection. Equal keys
    /// have equal hashes; `seed` should be a secret of this run, so that nobody can craft collisions.
    #[inline]
    pub fn microflow_hash(&self, seed: u64) -> u64 {
        let w = &self.words;
        let ports = fold(w[5] ^ seed ^ SALT[0], w[6] ^ seed.rotate_left(32) ^ SALT[1]);
        let macs = fold(w[2] ^ seed ^ SALT[2], w[3] ^ seed.rotate_left(32) ^ SALT[3]);
        let base = fold(w[0] ^ seed ^ SALT[4], w[1] ^ seed.rotate_left(32) ^ SALT[5]);
        let mut hash = fold(
            ports ^ macs.rotate_left(23) ^ (w[4] & !0xffff) ^ SALT[6],
            base ^ macs ^ seed.rotate_left(17) ^ SALT[7],
        );
        if self.used >> 7 != 0 {
            hash = self.hash_rare(hash, seed);
        }
        hash
    }

    fn hash_rare(&self, mut hash: u64, seed: u64) -> u64 {
        for i in UsedWords(self.used & !0x7f) {
            if self.words[i] != 0 {
                hash = fold(self.words[i] ^ hash, seed ^ SALT[i & 7].wrapping_add(i as u64));
            }
        }
        hash
    }
}

/// A key kept for later: only the words that hold something.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SparseKey {
    used: u128,
    words: Box<[u64]>,
}

impl SparseKey {
    /// The key, small.
    pub fn of(key: &FlowKey) -> SparseKey {
        let there: Vec<usize> = key.used_words().filter(|&i| key.words[i] != 0).collect();
        SparseKey {
            used: there.iter().fold(0, |used, i| used | 1 << i),
            words: there.iter().map(|&i| key.words[i]).collect(),
        }
    }

    /// The key as it was.
    pub fn key(&self) -> FlowKey {
        let mut key = FlowKey::new();
        UsedWords(self.used).zip(&self.words).for_each(|(i, word)| key.set_word(i, *word));
        key
    }
}

/// Both halves of a 128-bit product, folded: cheap, and every input bit reaches every output bit.
#[inline]
pub(crate) const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

/// Arbitrary odd constants: the fraction digits of the square roots of 2, 3, 5, 7, 11, 13, 17 and 19.
pub(crate) const SALT: [u64; 8] = [
    0x6a09_e667_f3bc_c909,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

/// Iterator over the indices of set bits.
#[derive(Clone, Copy)]
pub struct UsedWords(pub u128);

impl Iterator for UsedWords {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let i = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(i)
    }
}

#[inline]
const fn low_bits(bits: u32) -> u64 {
    if bits >= 64 { u64::MAX } else { (1 << bits) - 1 }
}

//! A binary trie of prefixes: which prefix lengths can match a value, and how many of its bits tell so.
//!
//! Path-compressed: a node holds a run of bits. It counts the rules whose prefix ends there. Many rules have the same few
//! prefixes, so those of a prefix that is there already are counted by hash, without the walk.
//!
//! Invariant: `ends` counts the rules of every prefix of at most [`MOST_HASHED`] bits that some rule has; its node counts one
//! for them all.

use std::collections::HashMap;

use super::rule_table::NoHash;

/// The prefixes of one field (or of the ports of one mask), with counts.
#[derive(Clone, Default)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    free: Vec<Id>,
    root: Option<Id>,
    /// How many rules have each of the short ones.
    ends: HashMap<u64, u32, NoHash>,
}

#[derive(Clone)]
struct Node {
    /// The run, in the upper `len` bits.
    run: u128,
    len: u8,
    rules: u32,
    children: [Option<Id>; 2],
}

/// A node's index plus one, so that `Option` takes no room of its own.
type Id = std::num::NonZeroU32;

/// What a lookup found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Prefixes {
    /// Bit n: some rule has a matching prefix of length n + 1.
    lengths: u128,
    /// The first bits of the value that prove that no other prefix matches.
    pub decisive: u8,
}

impl Prefixes {
    pub fn has(&self, len: u8) -> bool {
        len == 0 || self.lengths >> (len - 1) & 1 != 0
    }
}

impl Trie {
    /// Count a prefix: the upper `len` bits of `value`, `len` above 0.
    pub fn insert(&mut self, value: u128, len: u8) {
        let name = name(value, len);
        if let Some(rules) = name.and_then(|name| self.ends.get_mut(&name)) {
            *rules += 1;
            return;
        }
        self.add(value, len);
        if let Some(name) = name {
            self.ends.insert(name, 1);
        }
    }

    /// Walk to a prefix's place and count it there.
    fn add(&mut self, value: u128, len: u8) {
        let mut value = keep(value, len);
        let mut left = len;
        let mut at = Place::Root;
        loop {
            let Some(mut index) = self.child(at) else {
                let leaf = self.alloc(Node { run: value, len: left, rules: 1, children: [None; 2] });
                return self.set_child(at, Some(leaf));
            };
            let node = &self.nodes[place_of(index)];
            let same = ((node.run ^ value).leading_zeros() as u8).min(node.len).min(left);
            if same < node.len {
                index = self.split(index, same);
                self.set_child(at, Some(index));
            }
            value = shift(value, same);
            left -= same;
            if left == 0 {
                self.nodes[place_of(index)].rules += 1;
                return;
            }
            at = Place::Under(index, (value >> 127) as usize);
        }
    }

    /// Take back one [`Trie::insert`].
    pub fn remove(&mut self, value: u128, len: u8) {
        if let Some(name) = name(value, len)
            && let Some(rules) = self.ends.get_mut(&name)
        {
            *rules -= 1;
            if *rules > 0 {
                return;
            }
            self.ends.remove(&name);
        }
        let mut value = keep(value, len);
        let mut left = len;
        let mut path: Vec<Place> = vec![Place::Root];
        loop {
            let Some(index) = self.child(*path.last().expect("never empty")) else { return };
            let node = &self.nodes[place_of(index)];
            let same = ((node.run ^ value).leading_zeros() as u8).min(node.len).min(left);
            if same < node.len {
                return;
            }
            value = shift(value, same);
            left -= same;
            if left == 0 {
                break;
            }
            path.push(Place::Under(index, (value >> 127) as usize));
        }
        let last = self.child(*path.last().expect("never empty")).expect("found above");
        let rules = &mut self.nodes[place_of(last)].rules;
        *rules = rules.saturating_sub(1);
        while let Some(place) = path.pop() {
            self.tidy(place);
        }
    }

    /// Whether some rule has the first `len` bits of `value` as its prefix, if that can be said without a walk.
    pub fn has(&self, value: u128, len: u8) -> Option<bool> {
        name(value, len).map(|name| self.ends.contains_key(&name))
    }

    /// How many rules have a prefix, if that can be said without a walk.
    pub fn count(&self, value: u128, len: u8) -> u32 {
        name(value, len).and_then(|name| self.ends.get(&name)).copied().unwrap_or(0)
    }

    /// Which prefix lengths match a value of `bits` bits.
    pub fn lookup(&self, value: u128, bits: u8) -> Prefixes {
        let mut rest = value;
        let mut depth = 0;
        let mut found = Prefixes::default();
        let mut next = self.root;
        let mut branches = false;
        while let Some(index) = next {
            let node = &self.nodes[place_of(index)];
            let same = ((node.run ^ rest).leading_zeros() as u8).min(node.len);
            depth += same;
            if same < node.len {
                found.decisive = depth + 1; // the bit that differs
                return found;
            }
            if node.rules > 0 && depth > 0 {
                found.lengths |= 1 << (depth - 1);
            }
            if depth >= bits {
                found.decisive = bits;
                return found;
            }
            rest = shift(rest, same);
            branches = node.children.iter().any(Option::is_some);
            next = node.children[(rest >> 127) as usize];
        }
        // The next bit matters only where it could have led on.
        found.decisive = if branches { depth + 1 } else { depth };
        found
    }

    fn child(&self, at: Place) -> Option<Id> {
        match at {
            Place::Root => self.root,
            Place::Under(node, side) => self.nodes[place_of(node)].children[side],
        }
    }

    fn set_child(&mut self, at: Place, child: Option<Id>) {
        match at {
            Place::Root => self.root = child,
            Place::Under(node, side) => self.nodes[place_of(node)].children[side] = child,
        }
    }

    /// Cut a node's run after `at` bits: a new node with the first part takes its place. Returns the new node.
    fn split(&mut self, index: Id, at: u8) -> Id {
        let node = &mut self.nodes[place_of(index)];
        let run = keep(node.run, at);
        node.run = shift(node.run, at);
        node.len -= at;
        let side = (node.run >> 127) as usize;
        let mut children = [None; 2];
        children[side] = Some(index);
        self.alloc(Node { run, len: at, rules: 0, children })
    }

    /// Drop a childless node without rules, merge one with a single child.
    fn tidy(&mut self, place: Place) {
        let Some(index) = self.child(place) else { return };
        let node = &self.nodes[place_of(index)];
        if node.rules > 0 {
            return;
        }
        match node.children {
            [Some(_), Some(_)] => {}
            [None, None] => {
                self.set_child(place, None);
                self.free.push(index);
            }
            [Some(only), None] | [None, Some(only)] => {
                let (run, len) = (node.run, node.len);
                let child = &mut self.nodes[place_of(only)];
                child.run = run | if len == 0 { child.run } else { child.run >> len };
                child.len += len;
                self.set_child(place, Some(only));
                self.free.push(index);
            }
        }
    }

    fn alloc(&mut self, node: Node) -> Id {
        if let Some(index) = self.free.pop() {
            self.nodes[place_of(index)] = node;
            return index;
        }
        self.nodes.push(node);
        Id::new(self.nodes.len() as u32).expect("fewer than 2^32 nodes")
    }
}

/// A prefix of at most [`MOST_HASHED`] bits in one word.
fn name(value: u128, len: u8) -> Option<u64> {
    (len <= MOST_HASHED).then(|| (keep(value, len) >> 64) as u64 | u64::from(len))
}

/// Longer prefixes are always walked to.
const MOST_HASHED: u8 = 56;

/// Where a pointer to a node stands.
#[derive(Clone, Copy)]
enum Place {
    Root,
    Under(Id, usize),
}

fn place_of(id: Id) -> usize {
    id.get() as usize - 1
}

fn keep(value: u128, len: u8) -> u128 {
    if len == 0 { 0 } else { value & (u128::MAX << (128 - u32::from(len))) }
}

fn shift(value: u128, by: u8) -> u128 {
    if by >= 128 { 0 } else { value << by }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matching(list: &[(u128, u8)], value: u128) -> Prefixes {
        let lengths =
            list.iter().filter(|(p, l)| keep(value, *l) == keep(*p, *l)).fold(0, |set, (_, l)| set | 1 << (l - 1));
        Prefixes { lengths, decisive: 0 }
    }

    proptest! {
        #[test]
        fn says_what_a_list_says_and_the_decisive_bits_decide(
            ops in prop::collection::vec((any::<bool>(), any::<u8>(), 1u8..=8), 1..60), value: u8, other: u128,
        ) {
            let mut trie = Trie::default();
            let mut list: Vec<(u128, u8)> = Vec::new();
            for (insert, prefix, len) in ops {
                let entry = (keep(u128::from(prefix) << 120, len), len);
                match list.iter().position(|e| *e == entry) {
                    _ if insert => {
                        list.push(entry);
                        trie.insert(entry.0, len);
                    }
                    Some(i) => {
                        list.swap_remove(i);
                        trie.remove(entry.0, len);
                    }
                    None => {}
                }
                let value = u128::from(value) << 120;
                let found = trie.lookup(value, 8);
                prop_assert_eq!(found.lengths, matching(&list, value).lengths);
                for len in 1..=8 {
                    prop_assert_eq!(trie.has(value, len), Some(found.has(len)));
                }
                // Whatever agrees in the decisive bits matches the same prefixes.
                let alike = keep(value, found.decisive) | (other & !keep(u128::MAX, found.decisive));
                prop_assert_eq!(matching(&list, alike).lengths, found.lengths);
            }
            for (prefix, len) in list {
                trie.remove(prefix, len);
            }
            prop_assert!(trie.root.is_none() && trie.ends.is_empty());
        }
    }
}

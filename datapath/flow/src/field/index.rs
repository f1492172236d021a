//! Fields by name and by number: every flow that is read asks several times.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

use super::{FieldId, table};
use crate::key::{SALT, fold};

static BY_NAME: LazyLock<HashMap<&'static str, FieldId, NameHash>> = LazyLock::new(|| {
    let names = table::FIELDS.iter().flat_map(|f| f.aliases.iter().chain([&f.name]).map(|name| (*name, f.id)));
    // of two fields of one name the first is meant
    names.fold(HashMap::default(), |mut all, (name, id)| {
        all.entry(name).or_insert(id);
        all
    })
});

/// The classes without a vendor, each with its fields by number.
static BY_OXM: LazyLock<Vec<(u16, [Option<FieldId>; 128])>> = LazyLock::new(|| {
    let mut classes: Vec<(u16, [Option<FieldId>; 128])> = Vec::new();
    for (f, oxm) in table::FIELDS.iter().flat_map(|f| f.oxm.iter().map(move |oxm| (f, oxm))) {
        if oxm.vendor != 0 || oxm.field >= 128 {
            continue;
        }
        let at = classes.iter().position(|(class, _)| *class == oxm.class).unwrap_or_else(|| {
            classes.push((oxm.class, [None; 128]));
            classes.len() - 1
        });
        classes[at].1[usize::from(oxm.field)].get_or_insert(f.id);
    }
    classes
});

/// Hashes names, eight bytes at a time. The names in the map are our own, so nobody can make them collide.
#[derive(Default)]
struct NameHash;

struct NameHasher(u64);

impl BuildHasher for NameHash {
    type Hasher = NameHasher;

    fn build_hasher(&self) -> NameHasher {
        NameHasher(SALT[0])
    }
}

impl Hasher for NameHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for some in bytes.chunks(8) {
            let word = some.iter().fold(some.len() as u64, |word, byte| word << 8 | u64::from(*byte));
            self.0 = fold(self.0 ^ word, SALT[1]);
        }
    }
}

pub(super) fn by_name(name: &str) -> Option<FieldId> {
    BY_NAME.get(name).copied()
}

pub(super) fn by_oxm(class: u16, vendor: u32, field: u8) -> Option<FieldId> {
    if vendor == 0 && field < 128 {
        let fields = &BY_OXM.iter().find(|(of, _)| *of == class)?.1;
        return fields[usize::from(field)];
    }
    let is_it = |o: &super::OxmId| (o.class, o.vendor, o.field) == (class, vendor, field);
    table::FIELDS.iter().find(|f| f.oxm.iter().any(is_it)).map(|f| f.id)
}

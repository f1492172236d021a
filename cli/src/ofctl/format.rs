//! Flow formats: which form flows take on the wire, and their names for `-F`.

use std::fmt;

use crate::failure::{Failure, fail};
use weft_openflow::text::Protocols;
use weft_openflow::{Dialect, Version};

/// One form of flows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Format {
    /// The version.
    pub version: Version,
    /// 1.0: Nicira's extended match.
    pub nxm: bool,
    /// 1.0: flow mods carry a table.
    pub table_id: bool,
}

/// A set of forms, in the order in which flow mods prefer them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Formats(Vec<Format>);

/// Every form: the plainest first.
pub const ALL: [Format; 9] = [
    Format { version: Version::V10, nxm: false, table_id: false },
    Format { version: Version::V10, nxm: false, table_id: true },
    Format { version: Version::V10, nxm: true, table_id: false },
    Format { version: Version::V10, nxm: true, table_id: true },
    Format { version: Version::V11, nxm: false, table_id: false },
    Format { version: Version::V12, nxm: false, table_id: false },
    Format { version: Version::V13, nxm: false, table_id: false },
    Format { version: Version::V14, nxm: false, table_id: false },
    Format { version: Version::V15, nxm: false, table_id: false },
];

impl Format {
    /// What messages of this form are encoded with.
    pub fn dialect(self) -> Dialect {
        Dialect { nxm: self.nxm, flow_mod_table_id: self.table_id, ..Dialect::new(self.version) }
    }

    /// `OpenFlow10+table_id`, `OXM-OpenFlow13`, ...
    pub fn name(self) -> String {
        match (self.version, self.nxm, self.table_id) {
            (Version::V10, false, false) => "OpenFlow10-table_id".into(),
            (Version::V10, false, true) => "OpenFlow10+table_id".into(),
            (Version::V10, true, false) => "NXM-table_id".into(),
            (Version::V10, true, true) => "NXM+table_id".into(),
            (Version::V11, ..) => "OpenFlow11".into(),
            (version, ..) => format!("OXM-{version}"),
        }
    }
}

impl Formats {
    /// Every form.
    pub fn all() -> Formats {
        Formats(ALL.to_vec())
    }

    /// Those in a set that parsing gave.
    pub fn of(protocols: Protocols) -> Formats {
        Formats::all().filter(|f| protocols.contains(f.version, f.nxm, f.table_id))
    }

    /// Those that `keep` says.
    pub fn filter(&self, keep: impl Fn(Format) -> bool) -> Formats {
        Formats(self.0.iter().copied().filter(|f| keep(*f)).collect())
    }

    /// Those of some versions.
    pub fn within(&self, versions: u32) -> Formats {
        self.filter(|f| versions & f.version.bit() != 0)
    }

    /// Those in both.
    pub fn and(&self, other: &Formats) -> Formats {
        self.filter(|f| other.0.contains(&f))
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In order of preference.
    pub fn iter(&self) -> impl Iterator<Item = Format> + '_ {
        self.0.iter().copied()
    }

    /// Their versions as a HELLO bitmap.
    pub fn versions(&self) -> u32 {
        self.0.iter().fold(0, |bits, f| bits | f.version.bit())
    }

    /// `-F`'s list.
    pub fn parse(text: &str) -> Result<Formats, Failure> {
        let mut out = Vec::new();
        for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
            let lower = word.to_ascii_lowercase();
            let found: Vec<Format> = ALL
                .iter()
                .copied()
                .filter(|f| match lower.as_str() {
                    "any" => true,
                    "oxm" => f.version >= Version::V12,
                    // A format without "+table_id" is one that may have it.
                    "openflow10" => f.version == Version::V10 && !f.nxm,
                    "nxm" => f.version == Version::V10 && f.nxm,
                    name => f.name().eq_ignore_ascii_case(name),
                })
                .collect();
            if found.is_empty() {
                return fail(format!("{word}: unknown flow protocol"));
            }
            out.extend(found);
        }
        if out.is_empty() {
            return fail("no flow protocol specified");
        }
        Ok(Formats(ALL.iter().copied().filter(|f| out.contains(f)).collect()))
    }
}

impl fmt::Display for Formats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() == ALL.len() {
            return f.write_str("any");
        }
        // Names of several forms first, then what they leave.
        let mut left = self.0.clone();
        let mut words: Vec<String> = Vec::new();
        let groups: [(&str, Member); 3] = [
            ("OpenFlow10", |f| f.version == Version::V10 && !f.nxm),
            ("NXM", |f| f.version == Version::V10 && f.nxm),
            ("OXM", |f| f.version >= Version::V12),
        ];
        for (name, member) in groups {
            if ALL.iter().filter(|f| member(f)).all(|f| left.contains(f)) {
                words.push(name.into());
                left.retain(|f| !member(f));
            }
        }
        words.extend(left.into_iter().map(Format::name));
        f.write_str(&if words.is_empty() { "none".to_string() } else { words.join(",") })
    }
}

/// Whether a form belongs to a group of forms.
type Member = fn(&Format) -> bool;

/// `OpenFlow10, OpenFlow13`.
pub fn version_list(bits: u32) -> String {
    let names: Vec<&str> = Version::ALL.iter().filter(|v| bits & v.bit() != 0).map(|v| v.name()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_have_the_names_that_users_know() {
        assert_eq!(Formats::all().to_string(), "any");
        assert_eq!(Formats::all().within(Version::V10.bit()).to_string(), "OpenFlow10,NXM");
        assert_eq!(Formats::parse("NXM+table_id").unwrap().to_string(), "NXM+table_id");
        assert_eq!(Formats::parse("OXM-OpenFlow13").unwrap().to_string(), "OXM-OpenFlow13");
        assert!(Formats::parse("foo").is_err());
    }
}

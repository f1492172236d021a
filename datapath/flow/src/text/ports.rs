//! Port names: what a bridge calls its ports, and the reserved names that every bridge has.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crate::OfPort;
use crate::text::number::parse_u64;

/// The names of a bridge's ports. Empty: numbers and reserved names only (`--no-names`).
#[derive(Clone, Debug, Default)]
pub struct PortNames {
    names: BTreeMap<OfPort, String>,
    numbers: HashMap<String, OfPort>,
}

impl PortNames {
    /// No names but the reserved ones.
    pub fn new() -> PortNames {
        PortNames::default()
    }

    /// Add a port. A name that two ports share names neither of them.
    pub fn insert(&mut self, port: OfPort, name: &str) {
        if self.numbers.contains_key(name) {
            self.names.retain(|_, n| n != name);
            self.numbers.insert(name.to_owned(), OfPort::UNSET);
            return;
        }
        self.names.insert(port, name.to_owned());
        self.numbers.insert(name.to_owned(), port);
    }

    /// The port that `text` means: a number (16-bit reserved numbers included), a reserved name in any case, or a name
    /// of this bridge, quoted or not.
    pub fn parse(&self, text: &str) -> Option<OfPort> {
        if let Some(number) = parse_u64(text) {
            return match number {
                0..=0xffff => Some(OfPort::from_u16(number as u16)),
                0xffff_ff00..=0xffff_ffff => Some(OfPort(number as u32)),
                _ => None,
            };
        }
        let reserved = OfPort::RESERVED.iter().find(|(_, name)| name.eq_ignore_ascii_case(text));
        if let Some((port, _)) = reserved {
            return Some(*port);
        }
        let bare = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
        self.numbers.get(bare).copied().filter(|port| *port != OfPort::UNSET)
    }

    /// The port as the tools print it: reserved name, this bridge's name (quoted where it needs to be), or number.
    pub fn show(&self, port: OfPort) -> ShownPort<'_> {
        ShownPort { port, name: self.names.get(&port).map(String::as_str) }
    }

    /// This bridge's own name of a port.
    pub fn name(&self, port: OfPort) -> Option<&str> {
        self.names.get(&port).map(String::as_str)
    }
}

/// A port, printable.
pub struct ShownPort<'a> {
    port: OfPort,
    name: Option<&'a str>,
}

impl fmt::Display for ShownPort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.port.reserved_name(), self.name) {
            (Some(reserved), _) => f.write_str(reserved),
            (None, Some(name)) if is_plain(name) => f.write_str(name),
            (None, Some(name)) => write!(f, "{name:?}"),
            (None, None) => write!(f, "{}", self.port),
        }
    }
}

/// Whether a name can stand in flow syntax without quotes.
fn is_plain(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric())
        && !OfPort::RESERVED.iter().any(|(_, reserved)| reserved.eq_ignore_ascii_case(name))
        && !matches!(name.to_ascii_lowercase().as_str(), "true" | "false" | "null")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_names_and_reserved_words_all_name_ports() {
        let mut ports = PortNames::new();
        ports.insert(OfPort(1), "eth0");
        ports.insert(OfPort(2), "a,b");
        for (text, port) in [
            ("1", OfPort(1)),
            ("0x2", OfPort(2)),
            ("eth0", OfPort(1)),
            ("\"a,b\"", OfPort(2)),
            ("in_port", OfPort::IN_PORT),
            ("65534", OfPort::LOCAL),
            ("0xfffffffd", OfPort::CONTROLLER),
        ] {
            assert_eq!(ports.parse(text), Some(port), "{text}");
        }
        assert_eq!(ports.parse("99999"), None);
        assert_eq!(ports.parse("eth9"), None);
        assert_eq!(ports.show(OfPort(1)).to_string(), "eth0");
        assert_eq!(ports.show(OfPort(2)).to_string(), "\"a,b\"");
        assert_eq!(ports.show(OfPort(3)).to_string(), "3");
        assert_eq!(ports.show(OfPort::LOCAL).to_string(), "LOCAL");
    }
}

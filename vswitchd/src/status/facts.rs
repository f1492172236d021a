//! What: facts about interfaces as columns.

use weft_netdev::{Duplex, LinkInfo, Stats};
use weft_ovsdb::{Atom, Datum};
use weft_packet::Mac;

/// What there is to say about an interface. Absent facts become empty columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceFacts {
    /// OpenFlow number; `None`: it could not be opened (the column says -1).
    pub ofport: Option<u32>,
    /// Why it could not be opened.
    pub error: Option<String>,
    /// The device's Ethernet address.
    pub mac: Option<Mac>,
    /// The device's MTU.
    pub mtu: Option<u32>,
    /// Administratively up.
    pub up: Option<bool>,
    /// With carrier.
    pub carrier: Option<bool>,
    /// How often the carrier changed.
    pub link_resets: Option<u64>,
    /// The kernel's number, 0 for none.
    pub ifindex: u32,
    /// Driver and the like.
    pub status: Vec<(String, String)>,
    /// Speed and duplex.
    pub link: LinkInfo,
}

/// The columns that hold `facts`, without the statistics.
pub fn interface_columns(facts: &InterfaceFacts) -> Vec<(&'static str, Datum)> {
    let updown = |up: Option<bool>| optional_text(up.map(|up| if up { "up" } else { "down" }));
    let number = |n: Option<i64>| n.map_or_else(Datum::empty_set, |n| Datum::One(Atom::from(n)));
    let open = facts.ofport.is_some();
    let ofport = facts.ofport.map_or(-1, i64::from);
    let duplex = facts.link.duplex.map(|duplex| match duplex {
        Duplex::Half => "half",
        Duplex::Full => "full",
    });
    vec![
        ("ofport", number(Some(ofport))),
        ("error", optional_text(facts.error.as_deref())),
        ("mac_in_use", optional_text(facts.mac.map(|mac| mac.to_string()).as_deref())),
        ("mtu", number(facts.mtu.map(i64::from))),
        ("admin_state", updown(facts.up)),
        ("link_state", updown(facts.carrier)),
        ("link_resets", number(facts.link_resets.map(|n| n as i64))),
        ("link_speed", number(facts.link.speed_bps.filter(|bps| *bps > 0).map(|bps| bps as i64))),
        ("duplex", optional_text(duplex)),
        ("ifindex", number(open.then_some(i64::from(facts.ifindex)))),
        ("status", key_values(facts.status.iter().map(|(k, v)| (k.as_str(), v.clone())))),
    ]
}

/// The column `statistics`.
pub fn statistics(stats: &Stats) -> Datum {
    Datum::map_of(
        stats.entries().map(|(name, value)| (Atom::from(name), Atom::from(value.min(i64::MAX as u64) as i64))),
    )
}

/// An optional string.
pub fn optional_text(text: Option<&str>) -> Datum {
    text.map_or_else(Datum::empty_set, |text| Datum::One(Atom::from(text)))
}

/// A map of strings.
pub fn key_values<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> Datum {
    Datum::map_of(pairs.into_iter().map(|(key, value)| (Atom::from(key), Atom::from(value))))
}

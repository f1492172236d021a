//! Where outer packets go: the route table.
//!
//! What: routes of the kernel and routes by hand (`ovs/route/add`), looked up by destination and packet mark. A route names
//! a device; a bridge of that name carries the packet.
//! How: a map for each length of prefixes, the most particular first: a look-up costs as many probes as there are lengths. The
//! kernel's routes are replaced as a whole.
//!
//! Invariant: no I/O; whoever knows the kernel tells it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// Where to.
    pub to: Prefix,
    /// For packets with this mark.
    pub mark: u32,
    /// By this device.
    pub device: String,
    /// By this router; none: the destination is a neighbour.
    pub gateway: Option<IpAddr>,
    /// The source address of packets that go there.
    pub source: IpAddr,
    /// Of the kernel's table of its own addresses.
    pub local: bool,
    /// By hand.
    pub by_user: bool,
}

/// An address and how many bits of it matter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Prefix {
    addr: IpAddr,
    len: u8,
}

impl Prefix {
    /// Bits beyond `len` are cleared. `None`: longer than the address.
    pub fn new(addr: IpAddr, len: u8) -> Option<Prefix> {
        let addr = match addr {
            IpAddr::V4(v4) if len <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
                Ipv4Addr::from(u32::from(v4) & mask).into()
            }
            IpAddr::V6(v6) if len <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
                Ipv6Addr::from(u128::from(v6) & mask).into()
            }
            _ => return None,
        };
        Some(Prefix { addr, len })
    }

    /// `1.2.3.0/24`; an address alone is a host.
    pub fn parse(text: &str) -> Option<Prefix> {
        let (addr, len) = match text.split_once('/') {
            Some((addr, len)) => (addr.parse().ok()?, Some(len.parse().ok()?)),
            None => (text.parse::<IpAddr>().ok()?, None),
        };
        let whole = if addr.is_ipv4() { 32 } else { 128 };
        Prefix::new(addr, len.unwrap_or(whole))
    }

    /// The address.
    pub fn addr(&self) -> IpAddr {
        self.addr
    }

    /// Whether an address lies in it.
    pub fn contains(&self, addr: IpAddr) -> bool {
        addr.is_ipv4() == self.addr.is_ipv4() && Prefix::new(addr, self.len).is_some_and(|other| other == *self)
    }

    /// The length, an IPv4 one counted as within `::ffff:0:0/96`.
    fn mapped_len(&self) -> u32 {
        u32::from(self.len) + if self.addr.is_ipv4() { 96 } else { 0 }
    }
}

impl std::fmt::Display for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.addr, self.len)
    }
}

impl Route {
    fn priority(&self) -> u32 {
        let more = match (self.local, self.by_user) {
            (true, _) => 64,
            (false, true) => 32,
            (false, false) => 0,
        };
        self.to.mapped_len() + more
    }
}

impl std::fmt::Display for Route {
    /// A line of `ovs/route/show`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", if self.by_user { "User" } else { "Cached" }, self.to)?;
        if self.mark != 0 {
            write!(f, " MARK {}", self.mark)?;
        }
        write!(f, " dev {}", self.device)?;
        if let Some(gateway) = self.gateway {
            write!(f, " GW {gateway}")?;
        }
        write!(f, " SRC {}", self.source)?;
        if self.local {
            f.write_str(" local")?;
        }
        Ok(())
    }
}

/// Routes of one rank: whose prefixes are equally long, and who come from the same place.
type Rank = BTreeMap<(IpAddr, u32), Route>;

/// The table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Routes(BTreeMap<(Reverse<u32>, bool, u8), Rank>);

impl Routes {
    /// The kernel's routes, instead of those that it had; of those to the same network the first counts. Whether anything
    /// differs.
    pub fn set_kernel(&mut self, routes: Vec<Route>) -> bool {
        let mut new = Routes::default();
        for route in routes {
            let route = Route { by_user: false, ..route };
            new.rank(&route).entry((route.to.addr, route.mark)).or_insert(route);
        }
        self.iter().filter(|route| route.by_user).for_each(|route| new.insert(route.clone()));
        let news = new != *self;
        *self = new;
        news
    }

    /// A route by hand, instead of one to the same.
    pub fn add(&mut self, route: Route) {
        self.insert(Route { by_user: true, ..route });
    }

    /// Whether there was one by hand.
    pub fn remove(&mut self, to: Prefix, mark: u32) -> bool {
        let mut gone = false;
        self.0.retain(|_, rank| {
            let is_it = rank.get(&(to.addr, mark)).is_some_and(|route| route.by_user && route.to == to);
            gone |= is_it && rank.remove(&(to.addr, mark)).is_some();
            !rank.is_empty()
        });
        gone
    }

    /// The best route there.
    pub fn lookup(&self, to: IpAddr, mark: u32) -> Option<&Route> {
        let of_family = self.0.iter().filter(|((_, is_v6, _), _)| *is_v6 == to.is_ipv6());
        of_family.filter_map(|((_, _, len), rank)| rank.get(&(Prefix::new(to, *len)?.addr, mark))).next()
    }

    /// All, the most particular first.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.0.values().flat_map(BTreeMap::values)
    }

    fn insert(&mut self, route: Route) {
        self.rank(&route).insert((route.to.addr, route.mark), route);
    }

    fn rank(&mut self, route: &Route) -> &mut Rank {
        self.0.entry((Reverse(route.priority()), route.to.addr.is_ipv6(), route.to.len)).or_default()
    }
}

/// The address of a device from which packets to `to` (by `gateway`) are sent: the one in whose network that is, with the
/// longest prefix; among those alike the first.
pub fn source_for(to: IpAddr, gateway: Option<IpAddr>, addresses: &[(IpAddr, u8)]) -> Option<IpAddr> {
    let next = gateway.unwrap_or(to);
    let in_reach = |(addr, len): &(IpAddr, u8)| Prefix::new(*addr, *len).is_some_and(|net| net.contains(next));
    let mut best: Option<(IpAddr, u8)> = None;
    for &(addr, len) in addresses.iter().filter(|address| in_reach(address)) {
        if best.is_none_or(|(_, longest)| len > longest) {
            best = Some((addr, len));
        }
    }
    best.map(|(addr, _)| addr)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(to: &str, device: &str, gateway: Option<&str>, source: &str) -> Route {
        Route {
            to: Prefix::parse(to).unwrap(),
            mark: 0,
            device: device.into(),
            gateway: gateway.map(|gateway| gateway.parse().unwrap()),
            source: source.parse().unwrap(),
            local: false,
            by_user: true,
        }
    }

    #[test]
    fn the_most_particular_route_wins_and_one_by_hand_before_the_kernels() {
        let mut table = Routes::default();
        table.set_kernel(vec![
            route("0.0.0.0/0", "eth0", Some("192.0.2.1"), "192.0.2.2"),
            route("192.0.2.0/24", "eth0", None, "192.0.2.2"),
            route("fd00::/64", "eth0", None, "fd00::2"),
            Route { local: true, ..route("192.0.2.2/32", "eth0", None, "192.0.2.2") },
        ]);
        table.add(route("1.1.2.92/24", "br0", None, "1.1.2.88"));
        table.add(Route { mark: 7, ..route("5.5.5.0/24", "br0", Some("1.1.2.1"), "1.1.2.88") });
        let device = |to: &str, mark| table.lookup(to.parse().unwrap(), mark).map(|route| route.device.as_str());
        assert_eq!(device("1.1.2.5", 0), Some("br0"));
        assert_eq!(device("5.5.5.5", 7), Some("br0"));
        assert_eq!(device("5.5.5.5", 0), Some("eth0"));
        assert_eq!(device("1.1.2.5", 7), None);
        assert_eq!(device("fd01::5", 0), None);
        let lines: Vec<String> = table.iter().map(Route::to_string).collect();
        assert_eq!(
            lines,
            [
                "Cached: 192.0.2.2/32 dev eth0 SRC 192.0.2.2 local",
                "User: 1.1.2.0/24 dev br0 SRC 1.1.2.88",
                "User: 5.5.5.0/24 MARK 7 dev br0 GW 1.1.2.1 SRC 1.1.2.88",
                "Cached: 192.0.2.0/24 dev eth0 SRC 192.0.2.2",
                "Cached: 0.0.0.0/0 dev eth0 GW 192.0.2.1 SRC 192.0.2.2",
                "Cached: fd00::/64 dev eth0 SRC fd00::2",
            ]
        );
        assert!(table.remove(Prefix::parse("5.5.5.0/24").unwrap(), 7));
        assert!(!table.remove(Prefix::parse("5.5.5.0/24").unwrap(), 7));
        assert!(!table.remove(Prefix::parse("192.0.2.0/24").unwrap(), 0));
    }

    #[test]
    fn prefixes_lose_the_bits_that_do_not_matter() {
        for (text, shown) in
            [("1.1.2.92/24", "1.1.2.0/24"), ("2001:cafe::0/24", "2001:ca00::/24"), ("1.2.3.4", "1.2.3.4/32")]
        {
            assert_eq!(Prefix::parse(text).unwrap().to_string(), shown);
        }
        assert_eq!(Prefix::parse("1.2.3.4/33"), None);
        assert_eq!(Prefix::parse("foo/3"), None);
        assert!(Prefix::parse("0.0.0.0/0").unwrap().contains([1, 2, 3, 4].into()));
    }

    #[test]
    fn a_source_lies_in_the_network_of_the_next_hop() {
        let addresses =
            [("1.1.2.88".parse().unwrap(), 24), ("10.0.0.1".parse().unwrap(), 8), ("fd00::1".parse().unwrap(), 64)];
        let source = |to: &str, via: Option<&str>| {
            source_for(to.parse().unwrap(), via.map(|via| via.parse().unwrap()), &addresses)
                .map(|addr| addr.to_string())
        };
        assert_eq!(source("1.1.2.0", None).as_deref(), Some("1.1.2.88"));
        assert_eq!(source("7.7.7.7", Some("10.9.9.9")).as_deref(), Some("10.0.0.1"));
        assert_eq!(source("7.7.7.7", None), None);
        assert_eq!(source("fd00::9", None).as_deref(), Some("fd00::1"));
    }
}

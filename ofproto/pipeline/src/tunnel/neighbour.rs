//! Who the next hops are: addresses of Ethernet by addresses of IP, for each bridge that carries outer packets.
//!
//! What: learned from ARP replies, neighbour advertisements and packets of tunnels, or set by hand (`tnl/neigh/set`). An entry
//! that nobody uses for the time of aging is forgotten; using it keeps it.
//! How: a value that is told the time; [`Neighbours::forget_old`] says whether something went.
//!
//! Invariants: a bridge's frames teach that bridge only; there are never more than [`MAX`] entries.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use smallvec::SmallVec;
use weft_base::Time;
use weft_packet::Mac;

/// How many entries there can be: a flood of replies cannot grow state beyond this.
pub const MAX: usize = 4096;
/// How long an unused entry stays unless somebody says otherwise.
pub const AGING: Duration = Duration::from_secs(900);

#[derive(Clone, Debug)]
struct Entry {
    bridge: String,
    mac: Mac,
    until: Time,
}

/// The cache.
#[derive(Clone, Debug)]
pub struct Neighbours {
    /// By address; few bridges have neighbours of the same.
    entries: BTreeMap<IpAddr, SmallVec<[Entry; 1]>>,
    count: usize,
    aging: Duration,
}

impl Default for Neighbours {
    fn default() -> Neighbours {
        Neighbours { entries: BTreeMap::new(), count: 0, aging: AGING }
    }
}

impl Neighbours {
    /// Somebody is there. Whether that is news.
    pub fn set(&mut self, bridge: &str, ip: IpAddr, mac: Mac, now: Time) -> bool {
        let until = now + self.aging;
        if let Some(entry) = self.entry(bridge, ip) {
            entry.until = until;
            return std::mem::replace(&mut entry.mac, mac) != mac;
        }
        if self.count >= MAX {
            self.forget_oldest();
        }
        self.entries.entry(ip).or_default().push(Entry { bridge: bridge.to_owned(), mac, until });
        self.count += 1;
        true
    }

    /// Who has this address.
    pub fn find(&self, bridge: &str, ip: IpAddr) -> Option<Mac> {
        self.entries.get(&ip)?.iter().find(|entry| entry.bridge == bridge).map(|entry| entry.mac)
    }

    /// It is still in use.
    pub fn refresh(&mut self, bridge: &str, ip: IpAddr, now: Time) {
        let until = now + self.aging;
        if let Some(entry) = self.entry(bridge, ip) {
            entry.until = entry.until.max(until);
        }
    }

    fn entry(&mut self, bridge: &str, ip: IpAddr) -> Option<&mut Entry> {
        self.entries.get_mut(&ip)?.iter_mut().find(|entry| entry.bridge == bridge)
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.next_deadline() {
            self.retain(|entry| entry.until > oldest);
        }
    }

    /// Whether any went.
    fn retain(&mut self, keep: impl Fn(&Entry) -> bool) -> bool {
        let before = std::mem::take(&mut self.count);
        self.entries.retain(|_, of_address| {
            of_address.retain(|entry| keep(entry));
            self.count += of_address.len();
            !of_address.is_empty()
        });
        self.count != before
    }

    /// Forget what nobody used for too long. Whether anything went.
    pub fn forget_old(&mut self, now: Time) -> bool {
        self.retain(|entry| entry.until > now)
    }

    /// When the next entry is too old.
    pub fn next_deadline(&self) -> Option<Time> {
        self.entries.values().flatten().map(|entry| entry.until).min()
    }

    /// Forget all.
    pub fn flush(&mut self) {
        self.entries.clear();
        self.count = 0;
    }

    /// How long an unused entry stays.
    pub fn aging(&self) -> Duration {
        self.aging
    }

    /// Others stay so long from now on, and those that are there no longer.
    pub fn set_aging(&mut self, aging: Duration, now: Time) {
        self.aging = aging;
        for entry in self.entries.values_mut().flatten() {
            entry.until = entry.until.min(now + aging);
        }
    }

    /// `tnl/neigh/show`.
    pub fn show(&self) -> String {
        let mut text = format!("{:<46}{:<20}{}\n{}\n", "IP", "MAC", "Bridge", "=".repeat(74));
        for (ip, of_address) in &self.entries {
            for Entry { bridge, mac, .. } in of_address {
                text += &format!("{:<46}{:<20}{bridge}\n", ip.to_string(), mac.to_string());
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([0xf8, 0xbc, 0x12, 0x44, 0x34, 0xb6]);

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn an_entry_lives_as_long_as_it_is_used() {
        let mut cache = Neighbours::default();
        let ip: IpAddr = [1, 1, 2, 92].into();
        assert!(cache.set("br0", ip, MAC, at(0)));
        assert!(!cache.set("br0", ip, MAC, at(1)));
        assert_eq!((cache.find("br0", ip), cache.find("br1", ip)), (Some(MAC), None));
        cache.refresh("br0", ip, at(600));
        assert!(!cache.forget_old(at(1000)));
        assert_eq!(cache.next_deadline(), Some(at(1500)));
        assert!(cache.forget_old(at(1500)));
        assert_eq!(cache.find("br0", ip), None);
    }

    #[test]
    fn a_shorter_age_is_for_all() {
        let mut cache = Neighbours::default();
        cache.set("br0", [1, 1, 2, 92].into(), MAC, at(0));
        cache.set_aging(Duration::from_secs(5), at(10));
        assert_eq!(cache.next_deadline(), Some(at(15)));
    }

    #[test]
    fn a_flood_does_not_grow_it_forever() {
        let mut cache = Neighbours::default();
        for i in 0..MAX as u32 + 10 {
            cache.set("br0", std::net::Ipv4Addr::from(i).into(), MAC, at(u64::from(i)));
        }
        assert_eq!((cache.entries.len(), cache.count), (MAX, MAX));
        assert_eq!(cache.find("br0", [0, 0, 0, 3].into()), None);
    }

    /// Captured from Open vSwitch 3.1.
    #[test]
    fn it_is_shown_in_columns() {
        let mut cache = Neighbours::default();
        cache.set("br0", [1, 1, 2, 93].into(), MAC, at(0));
        cache.set("br0", "2001:cafe::93".parse().unwrap(), MAC, at(0));
        assert_eq!(
            cache.show(),
            "IP                                            MAC                 Bridge\n\
             ==========================================================================\n\
             1.1.2.93                                      f8:bc:12:44:34:b6   br0\n\
             2001:cafe::93                                 f8:bc:12:44:34:b6   br0\n"
        );
    }
}

//! What: datapaths that were made by hand (`dpctl/add-dp`), and their ports.
//!
//! Why: scripts make datapaths and ports without bridges and look at them. No bridge means no rules: such a datapath has
//! no frames to forward, so it is what is listed here and nothing more.
//!
//! Invariants: port 0 is the datapath's own.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::datapath::{cannot_open, datapaths, is_datapath};
use super::{Answer, Command, command};
use crate::owner::Owner;

pub const COMMANDS: &[Command] = &[
    command("dpctl/add-dp", "dp [iface...]", 1, 100, add_dp),
    command("dpctl/del-dp", "dp", 1, 1, del_dp),
    command("dpctl/add-if", "dp iface...", 2, 100, add_if),
    command("dpctl/del-if", "dp iface...", 2, 100, del_if),
    command("dpctl/set-if", "dp iface...", 2, 100, set_if),
];

/// All of them by name.
#[derive(Debug, Default)]
pub struct Spare(BTreeMap<String, BTreeMap<u32, Port>>);

#[derive(Debug)]
struct Port {
    name: String,
    kind: String,
}

impl Spare {
    /// Their names.
    pub fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Whether there is one of that name.
    pub fn get(&self, name: &str) -> Option<()> {
        self.0.get(name).map(|_| ())
    }

    /// As `dpctl/show` lists them.
    pub fn show(&self, wanted: impl Fn(&String) -> bool) -> String {
        let mut text = String::new();
        for (name, ports) in self.0.iter().filter(|(name, _)| wanted(name)) {
            let _ = writeln!(text, "{name}:\n  lookups: hit:0 missed:0 lost:0\n  flows: 0");
            for (number, Port { name, kind }) in ports {
                let shown = match kind.as_str() {
                    "dummy-pmd" => {
                        "dummy-pmd: configured_rx_queues=1, configured_tx_queues=1, requested_rx_queues=1, \
                         requested_tx_queues=1"
                    }
                    kind => kind,
                };
                let _ = writeln!(text, "  port {number}: {name} ({shown})");
            }
        }
        text
    }
}

/// `name,key=value,...`
struct Wanted {
    name: String,
    kind: Option<String>,
    number: Option<u32>,
}

impl Wanted {
    fn of(text: &str) -> Result<Wanted, String> {
        let mut words = text.split(',');
        let mut wanted = Wanted { name: words.next().unwrap_or_default().to_owned(), kind: None, number: None };
        for word in words {
            match word.split_once('=') {
                Some(("type", kind)) => wanted.kind = Some(kind.to_owned()),
                Some(("port_no", number)) => wanted.number = number.parse().ok(),
                Some(_) => {}
                None => return Err(format!("ovs-vswitchd: {}: missing value for {word}", wanted.name)),
            }
        }
        Ok(wanted)
    }
}

/// Types of devices that a datapath by hand can have; others are the bridges'.
fn is_known(kind: &str) -> bool {
    matches!(kind, "dummy" | "dummy-internal" | "dummy-pmd" | "internal" | "tap" | "system")
}

fn add_dp(owner: &mut Owner, args: &[String]) -> Answer {
    let name = &args[0];
    match name.split_once('@') {
        Some(("dummy" | "netdev", _)) => {}
        _ => return Err("ovs-vswitchd: add_dp (Address family not supported by protocol)".to_owned()),
    }
    if owner.spare.0.contains_key(name) || datapaths(owner).contains(name) {
        return Err("ovs-vswitchd: add_dp (File exists)".to_owned());
    }
    let (kind, own) = name.split_once('@').unwrap_or_default();
    let kind = if kind == "dummy" { "dummy-internal" } else { "tap" };
    let port = Port { name: own.to_owned(), kind: kind.to_owned() };
    owner.spare.0.insert(name.clone(), BTreeMap::from([(0, port)]));
    match args.len() {
        1 => Ok(String::new()),
        _ => add_if(owner, args),
    }
}

fn del_dp(owner: &mut Owner, args: &[String]) -> Answer {
    match owner.spare.0.remove(&args[0]) {
        Some(_) => Ok(String::new()),
        None if is_datapath(owner, &args[0]) => {
            Err("ovs-vswitchd: del_dp (Operation not supported): it goes with the last of its bridges".to_owned())
        }
        None => Err("ovs-vswitchd: opening datapath (No such device)".to_owned()),
    }
}

fn ports<'a>(owner: &'a mut Owner, name: &str) -> Result<&'a mut BTreeMap<u32, Port>, String> {
    if is_datapath(owner, name) {
        return Err(format!("ovs-vswitchd: {name}: its ports are those of its bridges"));
    }
    owner.spare.0.get_mut(name).ok_or_else(|| cannot_open(name).replacen(&format!(" {name} failed"), "", 1))
}

fn add_if(owner: &mut Owner, args: &[String]) -> Answer {
    let dp = &args[0];
    let ports = ports(owner, dp)?;
    let mut failed = None;
    for text in &args[1..] {
        let Wanted { name, kind, number } = Wanted::of(text)?;
        let kind = kind.unwrap_or_else(|| "system".to_owned());
        if !is_known(&kind) {
            failed = Some(format!(
                "ovs-vswitchd: {name}: failed to open network device (Address family not supported by protocol)"
            ));
            continue;
        }
        let taken = ports.values().any(|port| port.name == name) || number.is_some_and(|n| ports.contains_key(&n));
        if taken {
            failed = Some(format!("ovs-vswitchd: adding {name} to {dp} failed (File exists)"));
            continue;
        }
        let number = number.unwrap_or_else(|| (1..).find(|n| !ports.contains_key(n)).unwrap_or(u32::MAX));
        ports.insert(number, Port { name, kind });
    }
    failed.map_or(Ok(String::new()), Err)
}

fn set_if(owner: &mut Owner, args: &[String]) -> Answer {
    let dp = &args[0];
    let ports = ports(owner, dp)?;
    let mut failed = None;
    for text in &args[1..] {
        let Wanted { name, kind, number } = Wanted::of(text)?;
        let Some((is, port)) = ports.iter().find(|(_, port)| port.name == name) else {
            failed = Some(format!("ovs-vswitchd: {name}: failed to query port in {dp} (No such device)"));
            continue;
        };
        if let Some(kind) = kind.filter(|kind| *kind != port.kind) {
            failed = Some(format!("ovs-vswitchd: {name}: can't change type from {} to {kind}", port.kind));
        } else if let Some(number) = number.filter(|number| number != is) {
            failed = Some(format!("ovs-vswitchd: {name}: can't change port number from {is} to {number}"));
        }
    }
    failed.map_or(Ok(String::new()), Err)
}

fn del_if(owner: &mut Owner, args: &[String]) -> Answer {
    let dp = &args[0];
    let missing = |name: &String| format!("ovs-vswitchd: no port named {name}");
    if let Some(ports) = owner.spare.0.get_mut(dp) {
        let mut failed = None;
        for name in &args[1..] {
            let by_number = name.parse::<u32>().ok().filter(|number| ports.contains_key(number));
            let number = by_number.or_else(|| ports.iter().find(|(_, port)| port.name == *name).map(|(n, _)| *n));
            match number.map(|number| (number, ports.remove(&number))) {
                // without its own port it would be no datapath
                Some((0, own)) => {
                    ports.extend(own.map(|own| (0, own)));
                    failed = Some(format!("ovs-vswitchd: deleting port {name} from {dp} failed (Invalid argument)"));
                }
                Some(_) => {}
                None => failed = Some(missing(name)),
            }
        }
        return failed.map_or(Ok(String::new()), Err);
    }
    if !is_datapath(owner, dp) {
        return Err("ovs-vswitchd: opening datapath (No such device)".to_owned());
    }
    for name in &args[1..] {
        if !owner.detach(name) {
            return Err(missing(name));
        }
    }
    Ok(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_say_name_type_and_number() {
        let wanted = Wanted::of("vif1.0,type=dummy,port_no=5").unwrap();
        assert_eq!((wanted.name.as_str(), wanted.kind.as_deref(), wanted.number), ("vif1.0", Some("dummy"), Some(5)));
        assert!(Wanted::of("vif1.0,type").is_err());
    }
}

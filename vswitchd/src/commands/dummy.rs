//! What: `netdev-dummy/*`: devices in memory in the hands of a test.

use std::sync::Arc;

use weft_engine::Datapath;
use weft_netdev::Dummy;

use super::{Answer, Command, command};
use crate::owner::Owner;

pub const COMMANDS: &[Command] = &[
    command("netdev-dummy/receive", "name [--qid queue_id] packet|flow [--len packet_len]", 2, 100, receive),
    command("netdev-dummy/set-admin-state", "[netdev] up|down", 1, 2, set_admin_state),
    command("netdev-dummy/conn-state", "[netdev]", 0, 1, conn_state),
    command("netdev-dummy/ip4addr", "[netdev] ipaddr/mask-prefix-len", 2, 2, ip4addr),
    command("netdev-dummy/ip6addr", "[netdev] ip6addr", 2, 2, ip6addr),
];

fn dummy(owner: &Owner, name: &str) -> Result<Arc<Dummy>, String> {
    let device = owner.switch.interfaces.get(name).and_then(|interface| interface.device());
    device.and_then(|device| device.dummy()).cloned().ok_or_else(|| NO_SUCH.to_owned())
}

/// Hands frames to the switch and waits until it has dealt with them.
fn receive(owner: &mut Owner, args: &[String]) -> Answer {
    let dummy = dummy(owner, &args[0])?;
    owner.switch.pipeline.look_at_changes(owner.now());
    let mut queue = None;
    let mut words = args[1..].iter().peekable();
    while let Some(word) = words.next() {
        if word == "--qid" {
            let text = words.next().ok_or("--qid needs a queue number")?;
            queue = Some(text.parse().map_err(|_| "bad rx queue id.".to_owned())?);
            continue;
        }
        let mut length = None;
        if words.peek().is_some_and(|next| *next == "--len") {
            words.next();
            let text = words.next().ok_or("--len needs a length")?;
            length = Some(text.parse::<usize>().map_err(|_| "too small packet len".to_owned())?);
        }
        let frame = frame(word, length)?;
        dummy.receive(&frame, queue).map_err(|error| error.to_string())?;
        if dummy.backlog() >= WAITING {
            owner.switch.engine.settle();
        }
    }
    owner.settle();
    Ok(String::new())
}

/// A frame as hexadecimal digits, or as a datapath flow.
fn frame(text: &str, length: Option<usize>) -> Result<Vec<u8>, String> {
    match hex(text) {
        Some(bytes) if bytes.len() >= ETHERNET => Ok(bytes),
        _ => {
            let key = weft_flow::dpctl::parse_key(text, &weft_flow::dpctl::DpNames::new())?;
            let bytes = weft_flow::dpctl::compose(&key, length.unwrap_or(0));
            let Some(length) = length.filter(|length| *length < bytes.len()) else { return Ok(bytes) };
            // a short frame has less payload, or none
            let headers = weft_flow::dpctl::compose::compose_with(&key, 0, &[]).len();
            let payload = length.checked_sub(headers).ok_or("too small packet len")?;
            Ok(weft_flow::dpctl::compose::compose_with(&key, length, &vec![0; payload]))
        }
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let value = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks(2).map(|pair| Some(value(pair[0])? << 4 | value(pair[1])?)).collect()
}

fn set_admin_state(owner: &mut Owner, args: &[String]) -> Answer {
    let (name, state) = match args {
        [state] => (None, state),
        [name, state, ..] => (Some(name), state),
        [] => return Err("Invalid Admin State".to_owned()),
    };
    let up = match state.to_ascii_lowercase().as_str() {
        "up" => true,
        "down" => false,
        _ => return Err("Invalid Admin State".to_owned()),
    };
    let names = match name {
        Some(name) => {
            dummy(owner, name).map_err(|_| "Unknown Dummy Interface".to_owned())?;
            vec![name.clone()]
        }
        None => dummies(owner),
    };
    for name in names {
        let device = owner.switch.interfaces.get(&name).and_then(|interface| interface.device()).cloned();
        if let Some(device) = device {
            device.set_up(up).map_err(|error| error.to_string())?;
        }
        owner.look_again(&name);
    }
    owner.settle();
    Ok("OK".to_owned())
}

fn dummies(owner: &Owner) -> Vec<String> {
    let interfaces = owner.switch.interfaces.values();
    let dummies = interfaces.filter(|interface| interface.device().is_some_and(|device| device.dummy().is_some()));
    dummies.map(|interface| interface.name.clone()).collect()
}

/// Whether the cables of those that dial are plugged in.
fn conn_state(owner: &mut Owner, args: &[String]) -> Answer {
    let state = |name: &String| dummy(owner, name).ok()?.is_connected();
    let word = |connected| if connected { "connected" } else { "disconnected" };
    Ok(match args.first() {
        Some(name) => format!("{name}: {}\n", state(name).map_or("unknown", word)),
        None => {
            let dialling =
                dummies(owner).into_iter().filter_map(|name| Some(format!("{name}: {}\n", word(state(&name)?))));
            dialling.collect()
        }
    })
}

fn ip4addr(owner: &mut Owner, args: &[String]) -> Answer {
    let dummy = dummy(owner, &args[0]).map_err(|_| "Unknown Dummy Interface".to_owned())?;
    let (address, prefix) = split_prefix(&args[1], 32).ok_or_else(|| format!("{}: invalid IP address", args[1]))?;
    dummy.set_ip4(address, prefix);
    owner.switch.push_addresses(&args[0]);
    Ok("OK".to_owned())
}

fn ip6addr(owner: &mut Owner, args: &[String]) -> Answer {
    let dummy = dummy(owner, &args[0]).map_err(|_| "Unknown Dummy Interface".to_owned())?;
    let (address, prefix) = split_prefix(&args[1], 128).ok_or_else(|| format!("{}: invalid IPv6 address", args[1]))?;
    dummy.add_ip6(address, prefix);
    owner.switch.push_addresses(&args[0]);
    Ok("OK".to_owned())
}

fn split_prefix<T: std::str::FromStr>(text: &str, longest: u8) -> Option<(T, u8)> {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
    let prefix = prefix.map_or(Some(longest), |p| p.parse().ok().filter(|p| *p <= longest))?;
    Some((address.parse().ok()?, prefix))
}

const NO_SUCH: &str = "no such dummy netdev";
/// Frames that may wait in a dummy before the switch must have a turn.
const WAITING: usize = 64;
/// Shorter is no frame.
const ETHERNET: usize = 14;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_takes_spaces_and_nothing_else() {
        assert_eq!(hex("00 ff\n0A"), Some(vec![0, 255, 10]));
        assert_eq!(hex("0"), None);
        assert_eq!(hex("0g"), None);
    }

    #[test]
    fn prefixes_are_optional() {
        assert_eq!(split_prefix("1.2.3.4/24", 32), Some((std::net::Ipv4Addr::new(1, 2, 3, 4), 24)));
        assert_eq!(split_prefix::<std::net::Ipv4Addr>("1.2.3.4/33", 32), None);
        assert!(split_prefix::<std::net::Ipv6Addr>("::1", 128).is_some_and(|(_, p)| p == 128));
    }
}

//! A wire between two kernel devices through the whole engine, for measurements of the host path:
//! `wire IFACE IFACE [WORKERS]` until killed; prints what it counted every second.

#![allow(clippy::disallowed_methods, reason = "it measures time")]

use std::sync::Arc;
use std::time::Duration;

use weft_base::{SystemClock, Time};
use weft_engine::{Config, Datapath, Engine, Slowpath, Upcall, Verdict};
use weft_flow::action::Userspace;
use weft_flow::{DpAction, FieldId, FlowMask};
use weft_netdev::{Kind, Spec};
use weft_packet::DpPort;

struct Cross;

impl Slowpath for Cross {
    fn upcall(&self, upcall: &Upcall<'_>, _: Time) -> Verdict {
        let mut mask = FlowMask::new();
        for id in [FieldId::InPort, FieldId::RecircId, FieldId::PacketType, FieldId::EthType] {
            id.unwildcard(&mut mask);
        }
        let to = DpPort(3 - FieldId::InPort.get(upcall.key) as u32);
        Verdict { actions: vec![DpAction::Output(to)], mask, install: true, attachment: Box::new(()) }
    }

    fn userspace(&self, _: &Upcall<'_>, _: &Userspace, _: Time) -> Vec<DpAction> {
        Vec::new()
    }

    fn flow_limit(&self) -> usize {
        1000
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let workers = args.get(3).map_or(Ok(1), |n| n.parse())?;
    let clock = Arc::new(SystemClock::new());
    let engine = Engine::start(&Config { workers, ..Config::default() }, Arc::new(Cross), clock)?;
    let mut devices = Vec::new();
    for (port, name) in (1..).zip(&args[1..3]) {
        let kind = if name.starts_with("tap") { Kind::Tap } else { Kind::System };
        let opened = weft_netdev::open(&Spec { name: name.clone(), kind }, workers)?;
        opened.device.set_up(true)?;
        engine.port_add(DpPort(port), opened.device.mtu()?, opened.queues)?;
        devices.push(opened.device);
    }
    let mut last = (0, 0);
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let (one, two) = (engine.port_stats(DpPort(1)), engine.port_stats(DpPort(2)));
        let (Some(one), Some(two)) = (one, two) else { return Ok(()) };
        let now = (one.rx_packets + two.rx_packets, one.tx_bytes + two.tx_bytes);
        let (packets, bits) = (now.0 - last.0, (now.1 - last.1) * 8);
        last = now;
        if packets > 0 {
            println!(
                "{packets} packets/s {:.2} Gb/s, {} sleeps, drops {:?}",
                bits as f64 / 1e9,
                engine.sleeps(),
                engine.drops()
            );
        }
    }
}

//! `cargo xtask demo`: a switch at work, shown in about a minute.
//!
//! The demo re-executes itself in namespaces of its own (network, mounts, processes): whatever it makes vanishes
//! with it, also after Ctrl-C.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use weft_tests::stage::wait_until;
use weft_tests::{Host, Program, Stage, sandbox};

use crate::report::{Table, step, stopwatch};
use crate::{dist, packages};

const PICTURE: &str = "
    a 10.0.0.1 --- VLAN 10 --.                .-- VLAN 20 --- c 10.0.0.3
                              >==[  br0   ]==<
    b 10.0.0.2 --- VLAN 10 --'                '== trunk ====== d 10.0.0.4 in VLAN 10
                                                               d 10.0.20.4 in VLAN 20
";

/// Build, then play the demo in a sandbox. `false` when a check failed.
///
/// # Errors
/// When it could not be played at all.
pub fn run() -> Result<bool> {
    packages::install(&[packages::DEMO])?;
    anyhow::ensure!(sandbox::is_root(), "the demo makes network namespaces: run it as root");
    let bin = dist::target().join("demo-bin");
    dist::fill(&bin)?;
    let this = std::env::current_exe()?;
    let bin = bin.to_str().context("the target folder's name is text")?.to_owned();
    let status = sandbox::command(&this, &["demo-inside", &bin]).status().context("cannot run unshare")?;
    Ok(status.success())
}

/// The demo itself, inside the sandbox.
///
/// # Errors
/// When a step that the checks rest on fails.
pub fn run_inside(bin: &Path) -> Result<bool> {
    anyhow::ensure!(sandbox::is_inside(), "`demo-inside` is what `cargo xtask demo` runs in its sandbox");
    sandbox::furnish()?;
    let took = stopwatch();
    let stage = Stage::new(bin, &sandbox::scratch().join("weft"))?;
    step("starting vswitchd with its embedded database in a temporary directory");
    let _daemon = stage.start(&[])?;
    stage.vsctl("add-br br0")?;
    let hosts = Hosts::join(&stage)?;
    println!("{PICTURE}");
    let mut checks = Checks { table: Table::new(&["check", "expected", "seen", ""]), good: true };
    pings(&hosts, &mut checks)?;
    transfer(&hosts, &mut checks)?;
    show(&stage, &hosts, &mut checks)?;
    println!("\n{}", checks.table);
    println!(
        "  {} in {:.0} s; nothing is left behind.",
        if checks.good { "All checks passed" } else { "SOME CHECKS FAILED" },
        took().as_secs_f64()
    );
    if !checks.good {
        println!("\nThe daemon's log:\n{}", stage.log("ovs-vswitchd"));
    }
    Ok(checks.good)
}

struct Hosts {
    a: Host,
    b: Host,
    c: Host,
}

struct Checks {
    table: Table,
    good: bool,
}

impl Checks {
    fn add(&mut self, what: &str, expected: &str, seen: &str, ok: bool) {
        self.good &= ok;
        self.table.row([what, expected, seen, if ok { "ok" } else { "FAILED" }]);
    }
}

impl Hosts {
    fn join(stage: &Stage) -> Result<Hosts> {
        step("four hosts on tap ports: a and b in VLAN 10, c in VLAN 20, d on a trunk");
        let a = stage.tap_host("br0", "a", "10.0.0.1/24", "tag=10")?;
        let b = stage.tap_host("br0", "b", "10.0.0.2/24", "tag=10")?;
        let c = stage.tap_host("br0", "c", "10.0.0.3/24", "tag=20")?;
        let d = stage.tap_host("br0", "d", "", "trunks=10,20")?;
        // d sends tagged frames. The kernel's own VLAN devices may be missing, so a second, small switch does it.
        tagger(stage, &d)?;
        Ok(Hosts { a, b, c })
    }
}

/// Give host d one address in each VLAN: a bridge of its own with two access ports (internal) and the trunk.
fn tagger(stage: &Stage, d: &Host) -> Result<()> {
    let run = stage.run.join("d");
    let inner = Stage::new(&stage.bin, &run)?;
    let mut args = vec!["netns", "exec", d.netns.as_str()];
    let daemon = stage.bin.join("vswitchd");
    args.push(daemon.to_str().context("the folder's name is text")?);
    args.extend(["--detach", "--no-chdir", "--pidfile", "--log-file", "-vconsole:off"]);
    let mut program = Program::new("ip", &args);
    for key in ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR"] {
        program = program.env(key, &run);
    }
    program.run().with_context(|| inner.log("ovs-vswitchd"))?;
    inner.vsctl(&format!(
        "add-br brd -- add-port brd {} trunks=10,20 -- add-port brd vlan10 tag=10 -- set Interface vlan10 type=internal \
         -- add-port brd vlan20 tag=20 -- set Interface vlan20 type=internal",
        d.interface
    ))?;
    for (device, address) in [("vlan10", "10.0.0.4/24"), ("vlan20", "10.0.20.4/24")] {
        Program::new("ip", &["-n", &d.netns, "addr", "add", address, "dev", device]).run()?;
        Program::new("ip", &["-n", &d.netns, "link", "set", device, "up"]).run()?;
    }
    Ok(())
}

fn pings(hosts: &Hosts, checks: &mut Checks) -> Result<()> {
    step("pings that must pass, and pings that must not");
    Program::new("ip", &["-n", &hosts.c.netns, "addr", "add", "10.0.20.3/24", "dev", &hosts.c.interface]).run()?;
    let cases = [
        ("a -> b, both in VLAN 10", &hosts.a, "10.0.0.2", true),
        ("a -> d, VLAN 10 over the trunk", &hosts.a, "10.0.0.4", true),
        ("c -> d, VLAN 20 over the trunk", &hosts.c, "10.0.20.4", true),
        ("a -> c, VLAN 10 to VLAN 20", &hosts.a, "10.0.0.3", false),
        ("c -> b, VLAN 20 to VLAN 10", &hosts.c, "10.0.0.2", false),
    ];
    for (what, from, to, expected) in cases {
        let seen = from.reaches(to, if expected { 5 } else { 1 })?;
        let word = |passes: bool| if passes { "answer" } else { "silence" };
        checks.add(&format!("ping {what}"), word(expected), word(seen), seen == expected);
    }
    Ok(())
}

fn transfer(hosts: &Hosts, checks: &mut Checks) -> Result<()> {
    step("a bulk TCP transfer from a to b, 3 seconds");
    let mut server = Program::in_netns(&hosts.b.netns, "iperf3", &["-s", "-1"]).spawn()?;
    wait_until("iperf3 server", Duration::from_secs(5), || {
        Ok(hosts.b.output("ss", &["-Hltn", "sport", "=", ":5201"])?.stdout.contains("5201"))
    })?;
    let output = hosts.a.output("iperf3", &["-c", "10.0.0.2", "-t", "3", "-f", "g"])?;
    let rate = output.stdout.lines().find(|l| l.contains("receiver")).and_then(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words
            .iter()
            .position(|w| w.ends_with("bits/sec"))
            .and_then(|i| words.get(i.checked_sub(1)?)?.parse::<f64>().ok())
    });
    if !output.ok() {
        server.kill()?;
    }
    server.wait()?;
    let seen = rate.map_or_else(|| output.stderr.trim().to_owned(), |r| format!("{r:.2} Gbit/s"));
    checks.add("TCP a -> b", "> 0.1 Gbit/s", &seen, rate.is_some_and(|r| r > 0.1));
    Ok(())
}

fn show(stage: &Stage, hosts: &Hosts, checks: &mut Checks) -> Result<()> {
    let shown = |title: &str, text: &str| {
        step(title);
        text.lines().for_each(|line| println!("    {line}"));
    };
    let macs = stage.appctl(&["fdb/show", "br0"])?;
    shown("appctl fdb/show br0: the MACs that were learned", &macs);
    let (mac_a, mac_b) = (hosts.a.mac()?, hosts.b.mac()?);
    let learned = macs.lines().any(|l| l.contains(&mac_a) && l.split_whitespace().nth(1) == Some("10"));
    checks.add("MAC of a is learned in VLAN 10", &mac_a, if learned { &mac_a } else { "absent" }, learned);

    let flows = stage.ofctl(&["dump-flows", "br0"])?;
    shown("ofctl dump-flows br0: the flow table with its counters", &flows);
    let packets =
        flows.split([',', ' ']).filter_map(|word| word.strip_prefix("n_packets=")?.parse::<u64>().ok()).sum::<u64>();
    checks.add("flows count packets", "> 100", &packets.to_string(), packets > 100);

    let port = stage.vsctl(&format!("get Interface {} ofport", hosts.a.interface))?;
    let flow =
        format!("in_port={},dl_src={mac_a},dl_dst={mac_b},icmp,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64", port.trim());
    let trace = stage.appctl(&["ofproto/trace", "br0", &flow])?;
    shown("appctl ofproto/trace br0: why a packet from a goes where it goes", &trace);
    let verdict = trace.lines().find(|l| l.starts_with("Datapath actions:")).unwrap_or("no verdict").to_owned();
    let output = verdict.strip_prefix("Datapath actions: ").is_some_and(|v| v.parse::<u32>().is_ok());
    checks.add("trace a -> b ends at one port", "Datapath actions: N", &verdict, output);
    Ok(())
}

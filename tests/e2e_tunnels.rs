//! Tunnels to Linux's own vxlan device: over a bridge of ours, and over the host's stack.

use std::time::Duration;

use anyhow::{Result, ensure};
use weft_tests::sandbox::story;
use weft_tests::stage::{Host, wait_until};
use weft_tests::{Program, Stage};

fn ip(args: &str) -> Result<()> {
    Program::new("ip", &args.split_whitespace().collect::<Vec<_>>()).run().map(drop)
}

fn ip_there(netns: &str, args: &str) -> Result<()> {
    Program::in_netns(netns, "ip", &args.split_whitespace().collect::<Vec<_>>()).run().map(drop)
}

/// Whether a ping from here gets an answer.
fn reaches(address: &str) -> Result<bool> {
    Ok(Program::new("ping", &["-c", "1", "-W", "1", address]).output()?.ok())
}

/// `br-int` with a tunnel to 10.1.1.2, where Linux has the other end: 192.168.9.1 here, 192.168.9.2 there.
fn join(stage: &Stage, far: &str) -> Result<()> {
    join_with(stage, far, ("10.1.1.1", "10.1.1.2"), "", "")
}

/// The same over other addresses, and with more said on both sides.
fn join_with(stage: &Stage, far: &str, (near, other): (&str, &str), options: &str, said: &str) -> Result<()> {
    stage.vsctl("add-br br-int")?;
    let set = format!("set Interface t0 type=vxlan options:remote_ip={other} options:key=7 {options}");
    stage.vsctl(&format!("add-port br-int t0 -- {set}"))?;
    ip("addr add 192.168.9.1/24 dev br-int")?;
    ip("link set br-int up mtu 1400")?;
    ip_there(far, &format!("link add vx0 type vxlan id 7 remote {near} local {other} dstport 4789 {said}"))?;
    ip_there(far, "addr add 192.168.9.2/24 dev vx0")?;
    ip_there(far, "link set vx0 up")
}

/// `br0` with a veth to `b`, and addresses of both versions of IP at both ends.
fn underlay(stage: &Stage) -> Result<Host> {
    stage.vsctl("add-br br0")?;
    let far = stage.veth_host("br0", "b", "10.1.1.2/24", "")?;
    Program::in_netns("b", "sysctl", &["-qw", "net.ipv6.conf.all.disable_ipv6=0"]).run()?;
    ip("addr add 10.1.1.1/24 dev br0")?;
    ip("link set br0 up")?;
    ip("-6 addr add fd00:1::1/64 dev br0 nodad")?;
    ip_there("b", "-6 addr add fd00:1::2/64 dev e-b nodad")?;
    wait_until("the kernel's new routes", Duration::from_secs(20), || {
        let routes = stage.appctl(&["ovs/route/show"])?;
        Ok(routes.contains("10.1.1.0/24 dev br0") && routes.contains("fd00:1::/64 dev br0"))
    })?;
    Ok(far)
}

#[test]
fn linux_is_understood_both_ways_over_ipv6() {
    story("linux_is_understood_both_ways_over_ipv6", || {
        let stage = Stage::for_test("tunv6")?;
        let _daemon = stage.start(&[])?;
        let far = underlay(&stage)?;
        join_with(&stage, &far.netns, ("fd00:1::1", "fd00:1::2"), "", "")?;
        wait_until("an answer through the tunnel", Duration::from_secs(20), || reaches("192.168.9.2"))?;
        ensure!(far.reaches("192.168.9.1", 5)?, "Linux to us");
        let neighbours = stage.appctl(&["tnl/neigh/show"])?;
        ensure!(neighbours.contains("fd00:1::2 "), "{neighbours}");
        Ok(())
    });
}

/// What Linux takes out of the tunnel goes over a bridge of its own and a cable to another bridge of ours; both of our bridges
/// have their hosts in VLAN 5.
#[test]
fn tags_inside_go_to_linux_and_come_from_it() {
    story("tags_inside_go_to_linux_and_come_from_it", || {
        let stage = Stage::for_test("tuntag")?;
        let _daemon = stage.start(&[])?;
        let far = underlay(&stage)?;
        join(&stage, &far.netns)?;
        ip(&format!("link add cable type veth peer name cable0 netns {}", far.netns))?;
        ip("link set cable up")?;
        for command in [
            "addr flush dev vx0",
            "link add lb type bridge",
            "link set vx0 master lb",
            "link set cable0 master lb",
            "link set cable0 up",
            "link set lb up",
        ] {
            ip_there(&far.netns, command)?;
        }
        ip("addr flush dev br-int")?;
        stage.vsctl("add-br br-far -- add-port br-far cable")?;
        let a = stage.tap_host("br-int", "ha", "192.168.9.1/24", "tag=5")?;
        let b = stage.tap_host("br-far", "hb", "192.168.9.2/24", "tag=5")?;
        for host in [&a, &b] {
            ip_there(&host.netns, &format!("link set {} mtu 1400", host.interface))?;
        }
        wait_until("an answer", Duration::from_secs(20), || a.reaches("192.168.9.2", 1))?;
        ensure!(b.reaches("192.168.9.1", 5)?, "from Linux");
        let flows = stage.appctl(&["dpctl/dump-flows"])?;
        let popped = flows.lines().find(|line| line.starts_with("tunnel(") && line.contains("vlan(vid=5"));
        ensure!(popped.is_some(), "{flows}");
        Ok(())
    });
}

#[test]
fn group_policy_goes_to_linux_and_comes_from_it() {
    story("group_policy_goes_to_linux_and_comes_from_it", || {
        let stage = Stage::for_test("tungbp")?;
        let _daemon = stage.start(&[])?;
        let far = underlay(&stage)?;
        join_with(&stage, &far.netns, ("10.1.1.1", "10.1.1.2"), "options:exts=gbp", "gbp")?;
        wait_until("an answer through the tunnel", Duration::from_secs(20), || reaches("192.168.9.2"))?;
        // Linux has the group in a packet's mark
        let flows = stage.run.join("flows");
        let text = "in_port=LOCAL,actions=set_field:0x4d->tun_gbp_id,output:t0\n\
                    in_port=t0,arp,actions=LOCAL\nin_port=t0,tun_gbp_id=0x1234,actions=LOCAL\n";
        std::fs::write(&flows, text)?;
        stage.ofctl(&["replace-flows", "br-int", &flows.display().to_string()])?;
        let ping =
            |mark: &str| far.output("ping", &["-n", "-c", "3", "-i", "0.2", "-W", "5", "-m", mark, "192.168.9.1"]);
        let answered = ping("4660")?; // 0x1234
        ensure!(answered.ok(), "{}", answered.stdout);
        let flows = stage.appctl(&["dpctl/dump-flows"])?;
        ensure!(flows.contains("vxlan(flags=0x8800004d,vni=0x7)"), "{flows}");
        ensure!(flows.contains("vxlan(gbp(id=4660"), "{flows}");
        Ok(())
    });
}

#[test]
fn a_bridge_carries_a_tunnel_to_linux_both_ways() {
    story("a_bridge_carries_a_tunnel_to_linux_both_ways", || {
        let stage = Stage::for_test("tunbr")?;
        let _daemon = stage.start(&[])?;
        stage.vsctl("add-br br0")?;
        let far = stage.veth_host("br0", "b", "10.1.1.2/24", "")?;
        ip("addr add 10.1.1.1/24 dev br0")?;
        ip("link set br0 up")?;
        wait_until("the kernel's new route", Duration::from_secs(20), || {
            Ok(stage.appctl(&["ovs/route/show"])?.contains("10.1.1.0/24 dev br0"))
        })?;
        join(&stage, &far.netns)?;
        wait_until("an answer through the tunnel", Duration::from_secs(20), || reaches("192.168.9.2"))?;
        ensure!(far.reaches("192.168.9.1", 5)?, "Linux to us");
        let flows = stage.appctl(&["dpctl/dump-flows"])?;
        ensure!(flows.contains("actions:tnl_pop(") && flows.contains("tnl_push(tnl_port("), "{flows}");
        let neighbours = stage.appctl(&["tnl/neigh/show"])?;
        ensure!(neighbours.contains("10.1.1.2 "), "{neighbours}");
        let status = stage.vsctl("get Interface t0 status:tunnel_egress_iface")?;
        ensure!(status == "br0\n", "{status}");
        Ok(())
    });
}

#[test]
fn the_hosts_stack_carries_a_tunnel_to_linux_both_ways() {
    story("the_hosts_stack_carries_a_tunnel_to_linux_both_ways", || {
        let stage = Stage::for_test("tunhost")?;
        let _daemon = stage.start(&[])?;
        let far = "weft-tunhost-far";
        ip(&format!("netns add {far}"))?;
        ip(&format!("link add near0 type veth peer name far0 netns {far}"))?;
        ip("addr add 10.1.1.1/24 dev near0")?;
        ip("link set near0 up")?;
        ip_there(far, "addr add 10.1.1.2/24 dev far0")?;
        ip_there(far, "link set far0 up")?;
        join(&stage, far)?;
        wait_until("an answer through the tunnel", Duration::from_secs(20), || reaches("192.168.9.2"))?;
        let back = Program::in_netns(far, "ping", &["-c", "1", "-W", "2", "192.168.9.1"]).output()?;
        ensure!(back.ok(), "Linux to us: {}", back.stdout);
        let flows = stage.appctl(&["dpctl/dump-flows"])?;
        ensure!(flows.contains("set(tunnel(tun_id=0x7,dst=10.1.1.2,"), "{flows}");
        Ok(())
    });
}

//! Tunnels to Linux's own vxlan device: over a bridge of ours, and over the host's stack.

use std::time::Duration;

use anyhow::{Result, ensure};
use weft_tests::sandbox::story;
use weft_tests::stage::wait_until;
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
    stage.vsctl("add-br br-int")?;
    stage.vsctl("add-port br-int t0 -- set Interface t0 type=vxlan options:remote_ip=10.1.1.2 options:key=7")?;
    ip("addr add 192.168.9.1/24 dev br-int")?;
    ip("link set br-int up mtu 1400")?;
    ip_there(far, "link add vx0 type vxlan id 7 remote 10.1.1.1 local 10.1.1.2 dstport 4789")?;
    ip_there(far, "addr add 192.168.9.2/24 dev vx0")?;
    ip_there(far, "link set vx0 up")
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

//! Real hosts talk through the switch, or do not.

use std::time::Duration;

use anyhow::ensure;
use weft_tests::sandbox::story;
use weft_tests::stage::wait_until;
use weft_tests::{Program, Stage};

#[test]
fn hosts_on_taps_veths_and_the_local_port_reach_each_other() {
    story("hosts_on_taps_veths_and_the_local_port_reach_each_other", || {
        let stage = Stage::for_test("reach")?;
        let _daemon = stage.start(&[])?;
        stage.vsctl("add-br br0")?;
        let a = stage.tap_host("br0", "a", "10.0.0.1/24", "")?;
        let b = stage.veth_host("br0", "b", "10.0.0.2/24", "")?;
        Program::new("ip", &["addr", "add", "10.0.0.9/24", "dev", "br0"]).run()?;
        Program::new("ip", &["link", "set", "br0", "up"]).run()?;
        ensure!(a.reaches("10.0.0.2", 5)?, "tap to veth");
        ensure!(b.reaches("10.0.0.1", 5)?, "veth to tap");
        ensure!(b.reaches("10.0.0.9", 5)?, "veth to the bridge's own port");
        ensure!(a.reaches("10.0.0.9", 5)?, "tap to the bridge's own port");
        let shown = stage.ours("dpctl", &["show"])?;
        ensure!(shown.contains("v-b"), "dpctl show lists the ports:\n{shown}");
        let megaflows = stage.ours("dpctl", &["dump-flows"])?;
        ensure!(megaflows.contains("eth_type(0x0800)"), "dpctl dump-flows:\n{megaflows}");
        let macs = stage.appctl(&["fdb/show", "br0"])?;
        ensure!(macs.contains(&a.mac()?) && macs.contains(&b.mac()?), "MACs are not learned:\n{macs}");
        Ok(())
    });
}

#[test]
fn vlans_keep_hosts_apart() {
    story("vlans_keep_hosts_apart", || {
        let stage = Stage::for_test("vlans")?;
        let _daemon = stage.start(&[])?;
        stage.vsctl("add-br br0")?;
        let a = stage.tap_host("br0", "a", "10.0.0.1/24", "tag=10")?;
        let _b = stage.veth_host("br0", "b", "10.0.0.2/24", "tag=10")?;
        let _c = stage.veth_host("br0", "c", "10.0.0.3/24", "tag=20")?;
        ensure!(a.reaches("10.0.0.2", 5)?, "the same VLAN");
        ensure!(!a.reaches("10.0.0.3", 1)?, "another VLAN");
        stage.vsctl("set Port v-c tag=10")?;
        ensure!(a.reaches("10.0.0.3", 5)?, "c moved into the VLAN");
        Ok(())
    });
}

#[test]
fn bulk_tcp_passes_with_intact_bytes() {
    story("bulk_tcp_passes_with_intact_bytes", || {
        let stage = Stage::for_test("bulk")?;
        let _daemon = stage.start(&[])?;
        stage.vsctl("add-br br0")?;
        let hosts = [
            stage.tap_host("br0", "a", "10.0.0.1/24", "")?,
            stage.veth_host("br0", "b", "10.0.0.2/24", "")?,
            stage.tap_host("br0", "c", "10.0.0.3/24", "tag=0")?,
        ];
        let (data, got) = (stage.run.join("data").display().to_string(), stage.run.join("got").display().to_string());
        Program::new("dd", &["if=/dev/urandom", &format!("of={data}"), "bs=1M", "count=24"]).run()?;
        let sum = |path: &str| Program::new("sha1sum", &[path]).run().map(|s| s[..40].to_owned());
        let expected = sum(&data)?;
        // tap to veth, veth to tap, tap to tap: each pair has other offloads
        for (from, to, address) in [(0, 1, "10.0.0.2"), (1, 0, "10.0.0.1"), (0, 2, "10.0.0.3")] {
            let listen = format!(
                "import socket,sys\ns=socket.create_server(('',5000))\nc,_=s.accept()\nf=open('{got}','wb')\nwhile d:=c.recv(65536): f.write(d)\nf.close()\nc.sendall(b'done')"
            );
            let mut receiver = Program::in_netns(&hosts[to].netns, "python3", &["-c", &listen]).spawn()?;
            wait_until("listener", Duration::from_secs(10), || {
                Ok(hosts[to].output("ss", &["-Hltn"])?.stdout.contains(":5000"))
            })?;
            let send = format!(
                "import socket\ns=socket.create_connection(('{address}',5000),10)\ns.settimeout(60)\ns.sendall(open('{data}','rb').read())\ns.shutdown(1)\nassert s.recv(4)==b'done'"
            );
            hosts[from].output("python3", &["-c", &send])?.check()?;
            receiver.wait()?;
            ensure!(sum(&got)? == expected, "bytes changed on the way {from} -> {to}");
        }
        Ok(())
    });
}

#[test]
fn rules_decide_and_their_changes_take_effect_at_once() {
    story("rules_decide_and_their_changes_take_effect_at_once", || {
        let stage = Stage::for_test("rules")?;
        let _daemon = stage.start(&[])?;
        stage.vsctl("add-br br0 -- set-fail-mode br0 secure")?;
        let a = stage.tap_host("br0", "a", "10.0.0.1/24", "")?;
        let _b = stage.veth_host("br0", "b", "10.0.0.2/24", "")?;
        ensure!(!a.reaches("10.0.0.2", 1)?, "secure mode without rules forwards nothing");
        let drops = stage.appctl(&["drop/show"])?;
        ensure!(drops.contains("table-miss"), "the drops have no reason:\n{drops}");
        stage.ofctl(&["add-flow", "br0", "priority=1,actions=NORMAL"])?;
        ensure!(a.reaches("10.0.0.2", 5)?, "the new rule forwards");
        stage.ofctl(&["-O", "OpenFlow13", "add-flow", "br0", "priority=10,icmp,actions=drop"])?;
        ensure!(!a.reaches("10.0.0.2", 1)?, "the cached flow must not outlive the change");
        let flows = stage.ofctl(&["dump-flows", "br0", "icmp"])?;
        ensure!(!flows.contains("n_packets=0,"), "the drop rule counted nothing:\n{flows}");
        stage.ofctl(&["--strict", "del-flows", "br0", "priority=10,icmp"])?;
        ensure!(a.reaches("10.0.0.2", 5)?, "and back");
        Ok(())
    });
}

#[test]
fn two_bridges_are_one_network_over_patch_ports() {
    story("two_bridges_are_one_network_over_patch_ports", || {
        let stage = Stage::for_test("patch")?;
        let _daemon = stage.start(&[])?;
        stage.vsctl("add-br br0 -- add-br br1")?;
        stage.vsctl(
            "add-port br0 patch0 -- set Interface patch0 type=patch options:peer=patch1 \
             -- add-port br1 patch1 -- set Interface patch1 type=patch options:peer=patch0",
        )?;
        let a = stage.tap_host("br0", "a", "10.0.0.1/24", "")?;
        let _b = stage.veth_host("br1", "b", "10.0.0.2/24", "")?;
        ensure!(a.reaches("10.0.0.2", 5)?);
        let ports = stage.ofctl(&["dump-ports", "br1", "patch1"])?;
        ensure!(!ports.contains("rx pkts=0,"), "the patch port counted nothing:\n{ports}");
        Ok(())
    });
}

#[test]
fn a_patch_is_plugged_elsewhere_and_counted() {
    story("a_patch_is_plugged_elsewhere_and_counted", || {
        let stage = Stage::for_test("replug")?;
        let _daemon = stage.start(&[])?;
        stage.vsctl("add-br br0 -- add-br br1 -- add-br br2")?;
        stage.vsctl(
            "add-port br0 patch0 -- set Interface patch0 type=patch options:peer=patch1 \
             -- add-port br1 patch1 -- set Interface patch1 type=patch options:peer=patch0 \
             -- add-port br2 patch2 -- set Interface patch2 type=patch options:peer=patch0",
        )?;
        let a = stage.tap_host("br0", "a", "10.0.0.1/24", "")?;
        let _c = stage.veth_host("br2", "c", "10.0.0.3/24", "")?;
        ensure!(!a.reaches("10.0.0.3", 1)?, "the patch leads to br1");
        let number = stage.vsctl("get Interface patch0 ofport")?;
        stage.vsctl("set Interface patch0 options:peer=patch2")?;
        ensure!(a.reaches("10.0.0.3", 5)?, "the patch leads to br2 now");
        ensure!(stage.vsctl("get Interface patch0 ofport")? == number, "its number stays");
        let errors = stage.vsctl("get Interface patch1 error -- get Interface patch2 error")?;
        ensure!(
            errors.contains("No usable peer 'patch0'") && errors.ends_with("[]\n"),
            "patch1 leads nowhere:\n{errors}"
        );
        stage.vsctl("set Interface patch0 options:peer=patch0")?;
        let error = stage.vsctl("get Interface patch0 error ofport")?;
        ensure!(error.contains("must not be self") && error.contains("-1"), "{error}");
        stage.vsctl(
            "set Interface patch0 options:peer=patch2 -- set Open_vSwitch . other_config:enable-statistics=true",
        )?;
        ensure!(a.reaches("10.0.0.3", 5)?, "and back");
        wait_until("statistics of a patch", Duration::from_secs(30), || {
            Ok(!stage.vsctl("--if-exists get Interface patch2 statistics:rx_packets")?.trim().is_empty())
        })?;
        wait_until("statistics of the machine", Duration::from_secs(30), || {
            let found = stage.vsctl("get Open_vSwitch . statistics")?;
            Ok(["cpu=", "load_average=", "memory=", "process_"].iter().all(|key| found.contains(key)))
        })?;
        // Looking at the daemons' pidfiles must not cost our own its lock.
        let again = stage.program("ovs-vswitchd", &["--pidfile", "--no-chdir", "-vconsole:off"]).output()?;
        ensure!(!again.ok() && again.stderr.contains("already running"), "a second daemon starts: {again:?}");
        stage.vsctl("remove Open_vSwitch . other_config enable-statistics")?;
        let found = stage.vsctl("get Open_vSwitch . statistics")?;
        ensure!(found == "{}\n", "nobody wants them any more:\n{found}");
        Ok(())
    });
}

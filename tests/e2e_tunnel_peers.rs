//! Tunnels to Open vSwitch with its userspace datapath (see [`weft_tests::peer`]).
//!
//! What one side says of a tunnelled packet (options, keys, ERSPAN's fields) the other must match to let it pass, so an
//! answered ping has carried it both ways. Group policy is for Linux to understand (`e2e_tunnels.rs`): Open vSwitch 3.1 takes no
//! such packets in user space.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use weft_tests::peer::{Peer, ip, two_sites};
use weft_tests::sandbox::story;
use weft_tests::stage::{Daemon, Host, wait_until};
use weft_tests::{Program, Stage};

const V4: (&str, &str) = ("172.31.0.1", "172.31.0.2");
const V6: (&str, &str) = ("fd00::1", "fd00::2");

#[test]
fn open_vswitch_is_understood_both_ways_in_vxlan_geneve_and_gre() {
    story("open_vswitch_is_understood_both_ways_in_vxlan_geneve_and_gre", || {
        let sites = Sites::new("ovspeer")?;
        let cases = [
            ("vxlan", V4, "options:key=7"),
            ("vxlan", V6, "options:key=7"),
            ("geneve", V4, "options:key=7"),
            ("geneve", V6, "options:key=7 options:csum=true"),
            ("gre", V4, "options:key=7"),
            ("gre", V4, "options:csum=true"),
            ("gre", V4, "options:seq=true"),
            // Open vSwitch's sums do not count its numbers
            ("gre", V4, "options:key=7 options:csum=true options:seq=true"),
            ("ip6gre", V6, "options:key=7"),
            ("ip6gre", V6, "options:csum=true options:seq=true"),
        ];
        for (kind, ends, options) in cases {
            sites.tunnel(kind, ends, options)?;
            let what = format!("{kind} {options} over {}", ends.0);
            sites.both_ways(&what)?;
            sites.tags(true)?;
            sites.both_ways(&format!("{what}, tagged inside"))?;
            sites.tags(false)?;
        }
        Ok(())
    });
}

/// What is said on the way there, and what must have been said: by us and by Open vSwitch.
struct Fields {
    we_set: &'static str,
    we_match: &'static str,
    they_set: &'static str,
    they_match: &'static str,
}

/// Nothing is said, but something must have been: what the options say.
const fn matching(what: &'static str) -> Fields {
    Fields { we_set: "", we_match: what, they_set: "", they_match: what }
}

#[test]
fn what_a_tunnel_header_says_reaches_open_vswitch_and_comes_back() {
    story("what_a_tunnel_header_says_reaches_open_vswitch_and_comes_back", || {
        let sites = Sites::new("ovsfields")?;
        let options = "{class=0xffff,type=0x1,len=4}->tun_metadata0,{class=0x102,type=0x80,len=8}->tun_metadata1";
        sites.stage.ofctl(&["add-tlv-map", "br0", options])?;
        sites.peer.ofctl(&["add-tlv-map", "br0", options])?;
        let tlv = || Fields {
            we_set: "set_field:0xa1b2c3d4->tun_metadata0,set_field:0x1122334455667788->tun_metadata1,",
            they_match: ",tun_metadata0=0xa1b2c3d4,tun_metadata1=0x1122334455667788",
            they_set: "set_field:0x99->tun_metadata1,",
            we_match: ",tun_metadata1=0x99",
        };
        let key = Fields {
            we_set: "set_field:0x112233->tun_id,",
            they_match: ",tun_id=0x112233,tun_src=172.31.0.1",
            they_set: "set_field:0x445566->tun_id,",
            we_match: ",tun_id=0x445566,tun_src=172.31.0.2",
        };
        let erspan = Fields {
            we_set: "set_field:2->tun_erspan_ver,set_field:1->tun_erspan_dir,set_field:0x2a->tun_erspan_hwid,",
            they_match: ",tun_erspan_ver=2,tun_erspan_dir=1,tun_erspan_hwid=0x2a",
            they_set: "set_field:1->tun_erspan_ver,set_field:0xabcde->tun_erspan_idx,",
            we_match: ",tun_erspan_ver=1,tun_erspan_idx=0xabcde",
        };
        let flowed = "options:key=3 options:erspan_ver=flow options:erspan_idx=flow options:erspan_dir=flow \
                      options:erspan_hwid=flow";
        let cases = [
            ("geneve", V4, "options:key=7", tlv()),
            ("geneve", V6, "options:key=7 options:csum=true", tlv()),
            ("geneve", V4, "options:key=flow", key),
            (
                "erspan",
                V4,
                "options:key=1 options:erspan_ver=1 options:erspan_idx=0x3",
                matching(",tun_id=1,tun_erspan_ver=1,tun_erspan_idx=3"),
            ),
            (
                "erspan",
                V4,
                "options:key=2 options:erspan_ver=2 options:erspan_dir=1 options:erspan_hwid=0x7",
                matching(",tun_id=2,tun_erspan_ver=2,tun_erspan_dir=1,tun_erspan_hwid=7"),
            ),
            ("erspan", V4, flowed, erspan),
            (
                "ip6erspan",
                V6,
                "options:key=5 options:erspan_ver=1 options:erspan_idx=0x5",
                matching(",tun_erspan_ver=1,tun_erspan_idx=5"),
            ),
            (
                "ip6erspan",
                V6,
                "options:key=6 options:erspan_ver=2 options:erspan_dir=0 options:erspan_hwid=0x3f",
                matching(",tun_erspan_ver=2,tun_erspan_hwid=0x3f"),
            ),
        ];
        for (kind, ends, options, fields) in cases {
            sites.tunnel(kind, ends, options)?;
            sites.wire(&fields, "", "", "")?;
            sites.both_ways(&format!("{kind} {options} over {}", ends.0))?;
        }
        Ok(())
    });
}

#[test]
fn open_vswitch_is_understood_both_ways_in_gtpu() {
    story("open_vswitch_is_understood_both_ways_in_gtpu", || {
        let sites = Sites::new("ovsgtp")?;
        // the tunnel carries no Ethernet: each side puts the address of its host on, and nobody can ask for it
        let (here, there) = (sites.a.mac()?, mac("far", "br0")?);
        ip(&format!("-n a neigh replace 10.9.0.2 lladdr {there} dev {}", sites.a.interface))?;
        ip(&format!("-n far neigh replace 10.9.0.1 lladdr {here} dev br0"))?;
        let (to_us, to_them) = (format!("set_field:{here}->eth_dst,"), format!("set_field:{there}->eth_dst,"));
        for ends in [V4, V6] {
            sites.tunnel("gtpu", ends, "options:key=0x1001")?;
            let fields = matching(",ip,tun_id=0x1001,tun_gtpu_msgtype=255");
            sites.wire(&fields, ",ip", &to_us, &to_them)?;
            sites.both_ways(&format!("gtpu over {}", ends.0))?;
        }
        Ok(())
    });
}

#[test]
fn tcp_goes_through_tunnels_to_open_vswitch() {
    story("tcp_goes_through_tunnels_to_open_vswitch", || {
        let sites = Sites::new("ovstcp")?;
        // segments are to fit into what the way between the switches takes, with any headers
        ip(&format!("-n a link set {} mtu 1400", sites.a.interface))?;
        ip("-n far link set br0 mtu 1400")?;
        for (kind, ends, options) in [
            ("vxlan", V4, "options:key=7"),
            ("geneve", V6, "options:key=7"),
            ("gre", V4, "options:key=7 options:csum=true"),
            ("erspan", V4, "options:key=7 options:erspan_ver=1 options:erspan_idx=1"),
        ] {
            sites.tunnel(kind, ends, options)?;
            ensure!(reaches(&sites.a, "10.9.0.2")?, "{kind}: no answer");
            for way in [&[][..], &["-R"]] {
                let mut server = Program::in_netns("far", "iperf3", &["-s", "-1", "-D", "-B", "10.9.0.2"]);
                server = server.env("TMPDIR", &sites.stage.run);
                server.detach()?;
                wait_until("iperf3's server", Duration::from_secs(20), || {
                    let listening = Program::in_netns("far", "ss", &["-Hltn", "sport", "=", ":5201"]).run()?;
                    Ok(!listening.is_empty())
                })?;
                let client = [&["-c", "10.9.0.2", "-n", "1M"], way].concat();
                let said = sites.a.output("iperf3", &client)?;
                ensure!(said.ok(), "{kind} {way:?}: {}{}", said.stdout, said.stderr);
            }
        }
        Ok(())
    });
}

/// A device's address.
fn mac(netns: &str, device: &str) -> Result<String> {
    let shown = ip(&format!("-n {netns} -o link show {device}"))?;
    let mut words = shown.split_whitespace().skip_while(|word| *word != "link/ether");
    words.nth(1).map(str::to_owned).context("a bridge's port has an address")
}

/// Both switches and their hosts.
struct Sites {
    peer: Peer,
    _daemon: Daemon,
    stage: Stage,
    a: Host,
    far: Host,
}

impl Sites {
    fn new(name: &str) -> Result<Sites> {
        let (stage, daemon, a, far) = two_sites(name)?;
        let peer = Peer::start(name)?;
        Ok(Sites { peer, _daemon: daemon, stage, a, far })
    }

    /// A tunnel of a kind between them instead of the last one.
    fn tunnel(&self, kind: &str, (near, other): (&str, &str), options: &str) -> Result<()> {
        let add = |remote: &str| {
            format!(
                "--if-exists del-port br0 tun -- add-port br0 tun -- set Interface tun type={kind} \
                 options:remote_ip={remote} {options}"
            )
        };
        self.stage.vsctl(&add(other))?;
        self.peer.vsctl(&add(near)).map(drop)
    }

    /// Packets go between the hosts and the tunnel only, and say what `fields` says.
    fn wire(&self, fields: &Fields, what: &str, to_us: &str, to_them: &str) -> Result<()> {
        let Fields { we_set, we_match, they_set, they_match } = fields;
        let ours = self.stage.run.join("flows");
        let flows = |host: &str, set: &str, matched: &str, to: &str| {
            format!("in_port={host}{what},actions={set}output:tun\nin_port=tun{matched},actions={to}output:{host}\n")
        };
        std::fs::write(&ours, flows(&self.a.interface, we_set, we_match, to_us))?;
        self.stage.ofctl(&["replace-flows", "br0", &ours.display().to_string()])?;
        std::fs::write(&ours, flows("LOCAL", they_set, they_match, to_them))?;
        self.peer.ofctl(&["replace-flows", "br0", &ours.display().to_string()]).map(drop)
    }

    /// Whether the hosts are in VLAN 5, whose tag travels inside.
    fn tags(&self, on: bool) -> Result<()> {
        let set = |port: &str| if on { format!("set Port {port} tag=5") } else { format!("clear Port {port} tag") };
        self.stage.vsctl(&set(&self.a.interface))?;
        self.peer.vsctl(&set("br0")).map(drop)
    }

    /// Pings from either side are answered.
    fn both_ways(&self, what: &str) -> Result<()> {
        let told = |from: &str| {
            let flows = self.stage.appctl(&["dpctl/dump-flows"]).unwrap_or_default();
            let drops = self.stage.appctl(&["drop/show"]).unwrap_or_default();
            let theirs = self.peer.appctl(&["dpctl/dump-flows"]).unwrap_or_default();
            format!(
                "{what}: {from}\n{drops}our flows:\n{flows}their flows:\n{theirs}{}",
                self.stage.log("ovs-vswitchd")
            )
        };
        // the first frame may be lost to the question who the next hop is
        ensure!(reaches(&self.a, "10.9.0.2")?, "{}", told("to Open vSwitch"));
        ensure!(reaches(&self.far, "10.9.0.1")?, "{}", told("from Open vSwitch"));
        Ok(())
    }
}

/// Whether an address answers one of several pings.
fn reaches(host: &Host, address: &str) -> Result<bool> {
    for _ in 0..10 {
        if host.reaches(address, 1)? {
            return Ok(true);
        }
    }
    Ok(false)
}

//! A real controller drives our switch: Faucet, over OpenFlow 1.3, in its own Python environment.
//!
//! `cargo xtask test` installs it (see xtask/src/faucet.rs) under `target/faucet`. Where it is missing and may be, the story
//! is skipped and says so.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use weft_tests::sandbox::{REQUIRED, story};
use weft_tests::stage::wait_until;
use weft_tests::{Host, Program, Stage};

/// Two hosts in one VLAN, one in another, all in one subnet.
const CONFIG: &str = "
vlans:
  office: {vid: 100}
  guest: {vid: 200}
dps:
  sw1:
    dp_id: 0x57eff001
    hardware: Open vSwitch
    interfaces:
      1: {native_vlan: office}
      2: {native_vlan: office}
      3: {native_vlan: guest}
";
const LIMIT: Duration = Duration::from_secs(40);

/// Where the controller was installed: beside the build.
fn faucet() -> Option<PathBuf> {
    let this = std::env::current_exe().ok()?;
    let installed = this.ancestors().nth(3)?.join("faucet/bin/faucet");
    installed.exists().then_some(installed)
}

/// A running Faucet; ended when dropped.
struct Controller(Child);

impl Controller {
    fn start(faucet: &Path, run: &Path) -> Result<Controller> {
        let config = run.join("faucet.yaml");
        std::fs::write(&config, CONFIG)?;
        let args = ["--ryu-ofp-listen-host=127.0.0.1", "--ryu-ofp-tcp-listen-port=6653"];
        let program = Program::new(faucet, &args)
            .env("FAUCET_CONFIG", &config)
            .env("FAUCET_LOG", run.join("faucet.log"))
            .env("FAUCET_EXCEPTION_LOG", run.join("faucet_exception.log"))
            .env("FAUCET_PROMETHEUS_ADDR", "127.0.0.1")
            .env("PYTHONDONTWRITEBYTECODE", "1");
        Ok(Controller(program.spawn()?))
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Scene {
    stage: Stage,
    hosts: Vec<Host>,
}

impl Scene {
    fn connected(&self) -> Result<bool> {
        Ok(self.stage.vsctl("get Controller br0 is_connected")?.trim() == "true")
    }

    fn reaches(&self, from: usize, to: usize) -> Result<bool> {
        self.hosts[from - 1].reaches(&format!("10.0.0.{to}"), 1)
    }

    fn wait(&self, what: &str, condition: impl FnMut() -> Result<bool>) -> Result<()> {
        wait_until(what, LIMIT, condition).with_context(|| {
            let flows = self.stage.ofctl(&["-O", "OpenFlow13", "dump-flows", "br0"]).unwrap_or_default();
            let faucet = std::fs::read_to_string(self.stage.run.join("faucet.log")).unwrap_or_default();
            let exceptions = std::fs::read_to_string(self.stage.run.join("faucet_exception.log")).unwrap_or_default();
            format!("{flows}\nfaucet: {faucet}\n{exceptions}\nswitch: {}", self.stage.log("ovs-vswitchd"))
        })
    }
}

#[test]
fn faucet_programs_the_switch_and_may_come_and_go() {
    const NAME: &str = "faucet_programs_the_switch_and_may_come_and_go";
    let Some(faucet) = faucet() else {
        assert!(std::env::var_os(REQUIRED).is_none(), "{NAME}: no Faucet in target/faucet, run `cargo xtask test`");
        println!("weft-skip {NAME}: no Faucet in target/faucet, which `cargo xtask test` installs");
        return;
    };
    story(NAME, || {
        let stage = Stage::for_test("faucet")?;
        let _daemon = stage.start(&[])?;
        stage.vsctl(
            "add-br br0 -- set Bridge br0 fail_mode=secure protocols=OpenFlow13 other_config:datapath-id=0000000057eff001 \
             -- set-controller br0 tcp:127.0.0.1:6653 \
             -- set Controller br0 max_backoff=1000 inactivity_probe=1000 connection_mode=out-of-band",
        )?;
        let host = |n: u32| {
            let (name, address) = (format!("h{n}"), format!("10.0.0.{n}/24"));
            stage.veth_host("br0", &name, &address, &format!("-- set Interface v-h{n} ofport_request={n}"))
        };
        let hosts = vec![host(1)?, host(2)?, host(3)?];
        let scene = Scene { stage, hosts };
        let stage = &scene.stage;

        // Nobody is there, and the bridge is secure: nothing passes.
        ensure!(!scene.reaches(1, 2)?, "a secure bridge without flows forwards");
        let controller = Controller::start(&faucet, &stage.run)?;
        scene.wait("connection", || scene.connected())?;
        ensure!(stage.vsctl("get Controller br0 role")?.contains("other"));
        ensure!(stage.vsctl("get Controller br0 status:state")?.contains("ACTIVE"));
        scene.wait("path within a VLAN", || scene.reaches(1, 2))?;
        ensure!(!scene.reaches(1, 3)?, "frames cross from one VLAN into another");
        let flows = stage.ofctl(&["-O", "OpenFlow13", "dump-flows", "br0"])?;
        ensure!(flows.contains("CONTROLLER") && flows.lines().count() > 10, "few flows:\n{flows}");

        // A port goes down and comes up: the controller hears of both.
        Program::in_netns("h2", "ip", &["link", "set", "e-h2", "down"]).run()?;
        scene.wait("end of the port", || Ok(faucet_says(stage, "Port 2 (2) down")))?;
        Program::in_netns("h2", "ip", &["link", "set", "e-h2", "up"]).run()?;
        scene.wait("path after the port came back", || scene.reaches(1, 2))?;

        // The controller dies: a secure bridge goes on with the flows that it has.
        drop(controller);
        scene.wait("end of the connection", || Ok(!scene.connected()?))?;
        ensure!(scene.reaches(1, 2)?, "flows went with their controller");
        ensure!(!scene.reaches(1, 3)?);

        // A standalone bridge forwards by itself, and to everybody, after three probe intervals.
        stage.vsctl("set Bridge br0 fail_mode=standalone")?;
        scene.wait("fail-open", || scene.reaches(1, 3))?;
        ensure!(stage.appctl(&["bridge/dump-flows", "br0"])?.contains("priority=15790320,actions=NORMAL"));

        // The controller comes back and takes charge.
        let _controller = Controller::start(&faucet, &stage.run)?;
        scene.wait("return of the controller", || scene.connected())?;
        scene.wait("its VLANs", || Ok(!scene.reaches(1, 3)? && scene.reaches(1, 2)?))?;
        ensure!(!stage.appctl(&["bridge/dump-flows", "br0"])?.contains("priority=15790320"));
        Ok(())
    });
}

fn faucet_says(stage: &Stage, text: &str) -> bool {
    std::fs::read_to_string(stage.run.join("faucet.log")).unwrap_or_default().contains(text)
}

#[test]
fn a_controller_reached_through_the_bridge_gives_its_local_port_an_address() {
    story("a_controller_reached_through_the_bridge_gives_its_local_port_an_address", || {
        let stage = Stage::for_test("local_address")?;
        let _daemon = stage.start(&[])?;
        let ip = |args: &str| Program::new("ip", &args.split_whitespace().collect::<Vec<_>>()).run();
        let becomes = |what: &str, address: &str, route: &str| {
            wait_until(what, LIMIT, || {
                let has = |text: String, word: &str| match word {
                    "" => text.trim().is_empty(),
                    word => text.contains(word),
                };
                Ok(has(ip("-4 addr show dev br0")?, address) && has(ip("route show default")?, route))
            })
        };
        stage.vsctl(
            "add-br br0 -- set-controller br0 tcp:10.1.2.1:6653 -- set Controller br0 max_backoff=1000 local_ip=10.1.2.3",
        )?;
        becomes("an address with the mask of its class", "inet 10.1.2.3/8 brd 10.255.255.255", "")?;
        stage.vsctl("set Controller br0 local_netmask=255.255.255.0 local_gateway=10.1.2.1")?;
        becomes(
            "a narrower network and its way out",
            "inet 10.1.2.3/24 brd 10.1.2.255",
            "default via 10.1.2.1 dev br0",
        )?;
        stage.vsctl("set Controller br0 local_ip=10.1.2.4")?;
        becomes("another address", "inet 10.1.2.4/24", "default via 10.1.2.1")?;
        ensure!(!ip("-4 addr show dev br0")?.contains("10.1.2.3/"), "the old address stays");
        ip("addr add 10.77.0.1/24 dev br0")?;
        stage.vsctl("set Controller br0 connection_mode=out-of-band")?;
        becomes("no address of ours", "inet 10.77.0.1/24", "")?;
        ensure!(!ip("-4 addr show dev br0")?.contains("10.1.2.4"), "ours stays");
        stage.vsctl("set Controller br0 connection_mode=in-band local_netmask=255.0.255.0 local_gateway=nowhere")?;
        becomes("what makes sense of it", "inet 10.1.2.4/8", "")?;
        stage.vsctl("del-controller br0")?;
        wait_until("the end of it", LIMIT, || Ok(!ip("-4 addr show dev br0")?.contains("10.1.2.4")))?;
        Ok(())
    });
}

//! OpenFlow over TLS, between our programs and Open vSwitch's, with certificates that ovs-pki made.

use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::time::Duration;
use weft_tests::sandbox::story;
use weft_tests::stage::wait_until;
use weft_tests::{Daemon, Program, Stage};

const OVS_OFCTL: &str = "/usr/bin/ovs-ofctl";
const OVS_VSCTL: &str = "/usr/bin/ovs-vsctl";

/// Two authorities, and what they signed: `sw` (a switch's), `ctl` (a controller's).
struct Pki(PathBuf);

impl Pki {
    fn make(stage: &Stage) -> Result<Pki> {
        let dir = stage.run.join("pki-work");
        std::fs::create_dir_all(&dir)?;
        let pki = Pki(dir);
        // One at a time: ovs-pki works in /tmp/ovs-pki.tmpPID, and processes of two stories have equal numbers.
        for words in [&["init"][..], &["req+sign", "sw", "switch"], &["req+sign", "ctl", "controller"]] {
            let script = format!(
                "cd {0} && flock $(command -v ovs-pki) ovs-pki --batch --dir={0}/pki --log={0}/log {1}",
                pki.0.display(),
                words.join(" ")
            );
            let log = || std::fs::read_to_string(pki.file("log")).unwrap_or_default();
            Program::new("sh", &["-c", &script]).run().map_err(|error| error.context(log()))?;
        }
        Ok(pki)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn ca(&self, which: &str) -> String {
        self.file(&format!("pki/{which}ca/cacert.pem"))
    }

    /// Options of who is `name` and trusts `ca`.
    fn options(&self, name: &str, ca: &str) -> Vec<String> {
        let (key, certificate) = (self.file(&format!("{name}-privkey.pem")), self.file(&format!("{name}-cert.pem")));
        vec![format!("--private-key={key}"), format!("--certificate={certificate}"), format!("--ca-cert={ca}")]
    }
}

fn show(stage: &Stage, ofctl: &str, options: &[String], port: u16) -> Result<weft_tests::Output> {
    let target = format!("ssl:127.0.0.1:{port}");
    let mut words: Vec<&str> = options.iter().map(String::as_str).collect();
    words.extend(["show", &target]);
    stage.program(ofctl, &words).output()
}

fn listens(port: u16) -> Result<()> {
    wait_until("listener", Duration::from_secs(10), || Ok(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()))
}

#[test]
fn our_switch_speaks_tls_with_both_makes_of_ofctl() {
    story("our_switch_speaks_tls_with_both_makes_of_ofctl", || {
        let stage = Stage::for_test("tls")?;
        let pki = Pki::make(&stage)?;
        let _daemon = stage.start(&["--enable-dummy=override"])?;
        let (key, certificate) = (pki.file("sw-privkey.pem"), pki.file("sw-cert.pem"));
        stage.vsctl(&format!("add-br br0 -- set-ssl {key} {certificate} {}", pki.ca("controller")))?;
        stage.vsctl("set-controller br0 pssl:16653:127.0.0.1")?;
        listens(16653)?;
        for ofctl in [OVS_OFCTL, "ofctl"] {
            let shown = show(&stage, ofctl, &pki.options("ctl", &pki.ca("switch")), 16653)?;
            ensure!(shown.ok() && shown.stdout.contains("OFPT_FEATURES_REPLY"), "{ofctl}: {shown:?}");
            // Who trusts another authority, or is certified by one, gets nothing.
            for (name, ca) in [("ctl", "controller"), ("sw", "switch")] {
                let shown = show(&stage, ofctl, &pki.options(name, &pki.ca(ca)), 16653)?;
                ensure!(!shown.ok() && shown.stdout.is_empty(), "{ofctl} as {name} trusting {ca}: {shown:?}");
            }
            let shown = show(&stage, ofctl, &[], 16653)?;
            ensure!(shown.stderr.contains("Protocol not available"), "{shown:?}");
        }
        let plain = stage.program(OVS_OFCTL, &["show", "tcp:127.0.0.1:16653"]).output()?;
        ensure!(!plain.ok() && plain.stdout.is_empty());
        ensure!(stage.log("ovs-vswitchd").contains("stream_ssl|WARN|SSL_accept"), "{}", stage.log("ovs-vswitchd"));
        Ok(())
    });
}

#[test]
fn our_ofctl_and_our_switch_speak_tls_with_a_real_switch() {
    story("our_ofctl_and_our_switch_speak_tls_with_a_real_switch", || {
        let stage = Stage::for_test("tls-real")?;
        let pki = Pki::make(&stage)?;
        let _real = real_switch(&stage)?;
        let (key, certificate) = (pki.file("sw-privkey.pem"), pki.file("sw-cert.pem"));
        let vsctl = |words: &str| stage.ours(OVS_VSCTL, &words.split_whitespace().collect::<Vec<_>>());
        vsctl(&format!("--timeout=20 add-br br0 -- set-ssl {key} {certificate} {}", pki.ca("controller")))?;
        vsctl("--timeout=20 set-controller br0 pssl:16654:127.0.0.1")?;
        listens(16654)?;
        let shown = show(&stage, "ofctl", &pki.options("ctl", &pki.ca("switch")), 16654)?;
        ensure!(shown.ok() && shown.stdout.contains("OFPT_FEATURES_REPLY"), "{shown:?}");
        for protocol in ["TLSv1.2", "TLSv1.3"] {
            let mut options = pki.options("ctl", &pki.ca("switch"));
            options.push(format!("--ssl-protocols={protocol}"));
            let shown = show(&stage, "ofctl", &options, 16654)?;
            // The real one of this version may speak only one of them.
            ensure!(shown.ok() || shown.stderr.contains("Protocol error"), "{protocol}: {shown:?}");
        }
        let shown = show(&stage, "ofctl", &pki.options("ctl", &pki.ca("controller")), 16654)?;
        ensure!(shown.stderr.contains("failed to connect to socket (Protocol error)"), "{shown:?}");
        Ok(())
    });
}

#[test]
fn a_switch_learns_its_controllers_authority() {
    story("a_switch_learns_its_controllers_authority", || {
        let stage = Stage::for_test("tls-boot")?;
        let pki = Pki::make(&stage)?;
        let _daemon = stage.start(&["--enable-dummy=override"])?;
        let (key, certificate) = (pki.file("sw-privkey.pem"), pki.file("sw-cert.pem"));
        let learned = pki.file("learned.pem");
        // The controller: another bridge of a real switch cannot be one, so openssl plays it and says HELLO.
        let hello = "printf '\\001\\000\\000\\010\\000\\000\\000\\001'; sleep 100";
        let serve = format!(
            "({hello}) | exec openssl s_server -quiet -accept 127.0.0.1:16655 -key {} -cert {} -CAfile {} -cert_chain {} -Verify 2",
            pki.file("ctl-privkey.pem"),
            pki.file("ctl-cert.pem"),
            pki.ca("switch"),
            pki.ca("controller"),
        );
        let mut server = Program::new("sh", &["-c", &serve]).spawn()?;
        stage.vsctl(&format!("add-br br0 -- --bootstrap set-ssl {key} {certificate} {learned}"))?;
        stage.vsctl("set-controller br0 ssl:127.0.0.1:16655 -- set Controller br0 max_backoff=1000")?;
        let same = || {
            let read = |file: &Path| std::fs::read_to_string(file).unwrap_or_default();
            let whole = read(Path::new(&pki.ca("controller")));
            let der = |text: &str| text.split("-----").nth(2).unwrap_or_default().replace('\n', "");
            Ok(!read(Path::new(&learned)).is_empty() && der(&whole) == der(&read(Path::new(&learned))))
        };
        wait_until("authority", Duration::from_secs(20), same)
            .map_err(|error| error.context(stage.log("ovs-vswitchd")))?;
        ensure!(stage.log("ovs-vswitchd").contains("successfully bootstrapped CA cert to"));
        let _ = server.kill();
        let _ = server.wait();
        Ok(())
    });
}

/// Debian's own database server and switch, with dummy devices.
fn real_switch(stage: &Stage) -> Result<[Daemon; 2]> {
    let run = |name: &str| stage.run.join(name).display().to_string();
    let conf = run("real.db");
    stage.ours("/usr/bin/ovsdb-tool", &["create", &conf, "/usr/share/openvswitch/vswitch.ovsschema"])?;
    let remote = format!("--remote=punix:{}", run("db.sock"));
    let common = ["--detach", "--no-chdir", "--pidfile", "--log-file", "-vconsole:off"];
    let mut server: Vec<&str> = common.to_vec();
    server.extend([remote.as_str(), &conf]);
    stage.program("/usr/sbin/ovsdb-server", &server).detach()?;
    let database = stage.daemon("ovsdb-server");
    stage.ours(OVS_VSCTL, &["--no-wait", "init"])?;
    let mut switch: Vec<&str> = common.to_vec();
    switch.extend(["--enable-dummy=override", "--disable-system"]);
    stage.program("/usr/lib/openvswitch-switch/ovs-vswitchd", &switch).detach()?;
    Ok([stage.daemon("ovs-vswitchd"), database])
}

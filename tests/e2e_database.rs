//! What the database promised is kept: over a power cut, a torn file, a full disk; with databases of either make.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use weft_tests::sandbox::story;
use weft_tests::stage::wait_until;
use weft_tests::{Program, Stage};

#[test]
fn an_acknowledged_commit_survives_kill_9() {
    story("an_acknowledged_commit_survives_kill_9", || {
        let stage = Stage::for_test("kill9")?;
        for round in 0..5 {
            let daemon = stage.start(&["--enable-dummy=override"])?;
            for earlier in 0..round {
                stage.vsctl(&format!("br-exists br{earlier}"))?;
            }
            stage.vsctl(&format!("add-br br{round}"))?;
            daemon.kill()?;
        }
        Ok(())
    });
}

#[test]
fn a_torn_tail_opens_at_the_last_whole_record() {
    story("a_torn_tail_opens_at_the_last_whole_record", || {
        let stage = Stage::for_test("torn")?;
        let daemon = stage.start(&["--enable-dummy=override"])?;
        stage.vsctl("add-br whole")?;
        daemon.kill()?;
        let file = stage.run.join("conf.db");
        let mut db = std::fs::OpenOptions::new().append(true).open(&file)?;
        db.write_all(b"OVSDB JSON 500 0123456789012345678901234567890123456789\n{\"half\":")?;
        drop(db);
        let _daemon = stage.start(&["--enable-dummy=override"])?;
        stage.vsctl("br-exists whole")?;
        stage.vsctl("add-br after")?;
        let log = stage.log("ovs-vswitchd");
        ensure!(
            log.lines().any(|line| {
                line.contains("|ovsdb_server|ERR|I/O error: ") && line.contains("conf.db: ") && line.contains("offset")
            }),
            "nothing is said of the place:\n{log}"
        );
        // Open vSwitch's own tool agrees that the file is whole again
        let shown = stage.ours("/usr/bin/ovsdb-tool", &["show-log", file.to_str().context("text")?])?;
        ensure!(shown.contains("record 1"), "{shown}");
        Ok(())
    });
}

#[test]
fn a_full_disk_fails_the_transaction_not_the_daemon() {
    story("a_full_disk_fails_the_transaction_not_the_daemon", || {
        let stage = Stage::for_test("full")?;
        let db = stage.run.join("disk");
        std::fs::create_dir(&db)?;
        let disk = db.to_str().context("text")?;
        Program::new("mount", &["-t", "tmpfs", "-o", "size=256k", "weft", disk]).run()?;
        let file = db.join("conf.db");
        let file = file.to_str().context("text")?;
        stage.ours("dbtool", &["create", file, schema(&stage)?.as_str()])?;
        let socket = stage.run.join("db.sock");
        let remote = format!("--remote=punix:{}", socket.display());
        start_server(&stage, file, &remote)?;
        let fill = db.join("filler");
        std::fs::write(&fill, vec![0u8; 1 << 20]).err().context("the disk of 256 kB took 1 MB")?;
        let big = "x".repeat(20_000);
        let refused = stage
            .program(
                "vsctl",
                &["--no-wait", "--timeout=10", "set", "Open_vSwitch", ".", &format!("external_ids:big={big}")],
            )
            .output()?;
        ensure!(!refused.ok(), "a commit onto a full disk was acknowledged");
        std::fs::remove_file(&fill)?;
        stage.vsctl("--no-wait set Open_vSwitch . external_ids:small=1")?;
        ensure!(stage.vsctl("get Open_vSwitch . external_ids:small")?.trim() == "\"1\"");
        Ok(())
    });
}

#[test]
fn daemons_and_databases_of_either_make_work_together() {
    story("daemons_and_databases_of_either_make_work_together", || {
        for (round, (server, tool)) in
            [("/usr/sbin/ovsdb-server", "/usr/bin/ovsdb-tool"), ("ovsdb-server", "ovsdb-tool")].into_iter().enumerate()
        {
            let stage = Stage::for_test(&format!("either{round}"))?;
            let file = stage.run.join("conf.db");
            let file = file.to_str().context("text")?;
            stage.ours(tool, &["create", file, "/usr/share/openvswitch/vswitch.ovsschema"])?;
            let remote = format!("--remote=punix:{}", stage.run.join("db.sock").display());
            stage
                .ours(server, &[file, &remote, "--detach", "--no-chdir", "--pidfile", "--log-file", "-vconsole:off"])?;
            stage.vsctl("--no-wait init")?;
            stage
                .ours(
                    "ovs-vswitchd",
                    &["--detach", "--no-chdir", "--pidfile", "--log-file", "-vconsole:off", "--enable-dummy=override"],
                )
                .with_context(|| stage.log("ovs-vswitchd"))?;
            stage.ours("/usr/bin/ovs-vsctl", &["--timeout=20", "add-br", "br0"])?;
            let shown = stage.ours("/usr/bin/ovs-appctl", &["dpif/show"])?;
            ensure!(shown.contains("br0"), "{shown}");
            let dumped = stage.ours("/usr/bin/ovsdb-client", &["dump", "Bridge"])?;
            ensure!(dumped.contains("br0"), "{dumped}");
            for pidfile in ["ovs-vswitchd.pid", "ovsdb-server.pid"] {
                let pid = std::fs::read_to_string(stage.run.join(pidfile))?;
                Program::new("kill", &[pid.trim()]).run()?;
            }
        }
        Ok(())
    });
}

/// Our database server on a file; it ends with the sandbox.
fn start_server(stage: &Stage, file: &str, remote: &str) -> Result<()> {
    stage
        .ours("ovsdb-server", &[file, remote, "--detach", "--no-chdir", "--pidfile", "--log-file", "-vconsole:off"])?;
    wait_until("database socket", Duration::from_secs(10), || Ok(stage.run.join("db.sock").exists()))
}

/// A copy of our schema's file in the run directory.
fn schema(stage: &Stage) -> Result<String> {
    let authored = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../db/ovsdb/schema/open_vswitch.json");
    let copy = stage.run.join("schema.json");
    std::fs::copy(&authored, &copy).with_context(|| format!("our schema is not at {}", authored.display()))?;
    Ok(copy.display().to_string())
}

//! An operator's day: a desired state is planned, applied, confirmed or not; a mistake is found in the history and undone.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use weft_tests::Stage;
use weft_tests::sandbox::story;
use weft_tests::stage::wait_until;

const FILE: &str = r#"
[bridges.br0]
fail_mode = "secure"
[bridges.br0.other_config]
mac-aging-time = 60
[bridges.br0.ports.p1]
tag = 10
interface.type = "dummy"
[bridges.br0.ports.p2.interface]
type = "dummy"
"#;

fn write(stage: &Stage, name: &str, text: &str) -> Result<String> {
    let path = stage.run.join(name);
    std::fs::write(&path, text)?;
    Ok(path.to_str().context("text")?.to_owned())
}

/// The newest commit's name.
fn newest(stage: &Stage) -> Result<String> {
    let json: serde_json::Value = serde_json::from_str(&stage.vsctl("history --limit 1 --json")?)?;
    json["commits"][0]["id"].as_str().map(str::to_owned).with_context(|| format!("no commit in {json}"))
}

#[test]
fn a_desired_state_is_planned_and_applied() {
    story("a_desired_state_is_planned_and_applied", || {
        let stage = Stage::for_test("desired")?;
        let _daemon = stage.start(&["--enable-dummy=override"])?;
        let file = write(&stage, "want.toml", FILE)?;
        let planned = stage.program("vsctl", &["plan", &file]).output()?;
        ensure!(planned.status == Some(2), "{planned:?}");
        ensure!(planned.stdout.contains("+ port p1 of bridge br0: tag: 10, type: dummy"), "{}", planned.stdout);
        ensure!(stage.vsctl("list-br")?.is_empty(), "planning changes nothing");
        let applied = stage.vsctl(&format!("apply {file}"))?;
        ensure!(applied == planned.stdout, "{applied}");
        ensure!(stage.vsctl("list-ports br0")? == "p1\np2\n");
        ensure!(stage.vsctl("get Interface p1 ofport")?.trim() != "-1");
        let again = stage.program("vsctl", &["plan", &file]).output()?;
        ensure!(again.status == Some(0) && again.stdout == "nothing to change\n", "{again:?}");
        // Flows that would go are counted.
        stage.ofctl(&["add-flow", "br0", "priority=7,actions=drop"])?;
        let other = write(
            &stage,
            "other.json",
            r#"{"bridges": {"br0": {"fail_mode": [], "ports": {"p1": {"tag": 20}, "p2": false}}}}"#,
        )?;
        let json = stage.program("vsctl", &["plan", &other, "--json"]).output()?;
        let json: serde_json::Value = serde_json::from_str(&json.stdout)?;
        let kinds: Vec<&str> =
            json["changes"].as_array().into_iter().flatten().filter_map(|change| change["kind"].as_str()).collect();
        ensure!(kinds == ["change-bridge", "lose-flows", "change-port", "remove-port"], "{json}");
        ensure!(json["changes"][1]["flows"] == 1 && json["interrupts"] == true, "{json}");
        let wrong = write(&stage, "wrong.toml", "[bridges.br0.ports.p1]\ntagg = 3\n")?;
        let wrong = stage.program("vsctl", &["plan", &wrong]).output()?;
        ensure!(wrong.status == Some(1) && wrong.stderr.contains("bridges.br0.ports.p1.tagg"), "{wrong:?}");
        Ok(())
    });
}

#[test]
fn what_is_not_confirmed_is_rolled_back() {
    story("what_is_not_confirmed_is_rolled_back", || {
        let stage = Stage::for_test("confirm")?;
        let daemon = stage.start(&["--enable-dummy=override"])?;
        let file = write(&stage, "want.toml", FILE)?;
        let gone =
            |stage: &Stage| wait_until("rollback", Duration::from_secs(30), || Ok(stage.vsctl("list-br")?.is_empty()));
        // vsctl has ended by then: the deadline is the server's.
        let said = stage.vsctl(&format!("apply {file} --confirm 1s"))?;
        ensure!(said.contains("rolled back in 1 s unless it is confirmed"), "{said}");
        gone(&stage)?;
        ensure!(stage.vsctl("history")?.contains("(not confirmed within 1 s)"), "{}", stage.vsctl("history")?);
        // Confirmed: it stays.
        stage.vsctl(&format!("--confirm=600s apply {file}"))?;
        ensure!(stage.vsctl("history")?.contains("is rolled back in"), "the wait is shown");
        let second = stage.program("vsctl", &["apply", &file, "--confirm", "5s", "--", "add-br", "br1"]).output()?;
        ensure!(second.stderr.contains("still waits for its confirmation"), "{second:?}");
        stage.vsctl("confirm")?;
        let nothing = stage.program("vsctl", &["confirm"]).output()?;
        ensure!(nothing.status == Some(1) && nothing.stderr.contains("no change waits"), "{nothing:?}");
        ensure!(stage.vsctl("list-br")? == "br0\n");
        stage.vsctl("del-br br0")?;
        // The server dies and comes back: it goes on waiting.
        stage.vsctl(&format!("apply {file} --confirm 2s"))?;
        daemon.kill()?;
        let daemon = stage.start(&["--enable-dummy=override"])?;
        gone(&stage)?;
        stage.vsctl(&format!("apply {file} --confirm 600s"))?;
        drop(daemon);
        let _daemon = stage.start(&["--enable-dummy=override"])?;
        ensure!(stage.vsctl("list-br")? == "br0\n", "a restart rolls nothing back before its time");
        stage.vsctl("rollback")?;
        ensure!(stage.vsctl("list-br")?.is_empty());
        Ok(())
    });
}

#[test]
fn a_commit_is_found_and_undone() {
    story("a_commit_is_found_and_undone", || {
        let stage = Stage::for_test("revert")?;
        let daemon = stage.start(&["--enable-dummy=override"])?;
        stage.vsctl("add-br br0 -- set Bridge br0 fail_mode=secure")?;
        stage.vsctl("add-port br0 p1 tag=5")?;
        let p1 = newest(&stage)?;
        stage.vsctl("add-port br0 p2 -- comment by-hand")?;
        stage.vsctl("del-port br0 p1")?;
        let deleted = newest(&stage)?;
        let listed = stage.vsctl("history")?;
        ensure!(listed.contains("del-port br0 p1") && listed.contains("- Port p1"), "{listed}");
        ensure!(stage.vsctl(&format!("history --show {deleted}"))?.contains("tag: 5"), "values are shown");
        let refused = stage.program("vsctl", &["revert", &p1]).output()?;
        ensure!(refused.status == Some(1) && refused.stderr.contains("is gone already"), "{refused:?}");
        ensure!(refused.stderr.contains(&format!("(by commit {deleted})")), "{refused:?}");
        // The port comes back as it was, and the switch takes it.
        stage.appctl(&["ovsdb-server/compact"])?;
        stage.vsctl(&format!("revert {deleted} --comment oops"))?;
        ensure!(stage.vsctl("get Port p1 tag")?.trim() == "5");
        wait_until("port", Duration::from_secs(10), || Ok(stage.vsctl("get Interface p1 ofport")?.trim() != "[]"))?;
        let history = stage.vsctl("history")?;
        ensure!(history.contains("oops") && history.contains("by-hand"), "{history}");
        drop(daemon);
        // The file is an ordinary one: Open vSwitch's own tool and server read it.
        let file = stage.run.join("conf.db");
        let file = file.to_str().context("text")?;
        let log = stage.ours("/usr/bin/ovsdb-tool", &["show-log", file])?;
        ensure!(log.contains("oops") && log.contains(&format!("revert {deleted}")), "{log}");
        let ours = stage.ours("dbtool", &["show-log", file])?;
        ensure!(ours.lines().count() == log.lines().count(), "{ours}\n{log}");
        let query = r#"["Open_vSwitch",{"op":"select","table":"Port","where":[["name","==","p1"]],"columns":["tag"]}]"#;
        ensure!(stage.ours("/usr/bin/ovsdb-tool", &["query", file, query])?.contains("\"tag\":5"));
        let _daemon = stage.start(&["--enable-dummy=override"])?;
        ensure!(stage.vsctl("history")? == history, "the history outlives restart and compaction");
        Ok(())
    });
}

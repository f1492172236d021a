//! Open vSwitch's own Python bindings (Debian package python3-openvswitch) work against our server: their replica, which
//! uses monitor_cond_since, conditions and locks.

use anyhow::{Context, ensure};
use weft_tests::sandbox::story;
use weft_tests::{Program, Stage};

/// Debian's interpreter, whatever else is on the path: the package is for it.
const PYTHON: &str = "/usr/bin/python3";

#[test]
fn the_python_idl_replicates_and_commits() {
    let there = Program::new(PYTHON, &["-c", "import ovs.db.idl"]).output().is_ok_and(|output| output.ok());
    if !there {
        let required = std::env::var_os(weft_tests::sandbox::REQUIRED).is_some();
        assert!(!required, "the Python IDL is missing: apt-get install python3-openvswitch");
        println!("weft-skip the_python_idl_replicates_and_commits: needs python3-openvswitch");
        return;
    }
    story("the_python_idl_replicates_and_commits", || {
        let stage = Stage::for_test("python")?;
        let text = |path: std::path::PathBuf| path.to_str().map(str::to_owned).context("text");
        let file = text(stage.run.join("conf.db"))?;
        let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/../db/ovsdb/schema/open_vswitch.json");
        stage.ours("dbtool", &["create", &file, schema])?;
        let socket = text(stage.run.join("db.sock"))?;
        let remote = format!("--remote=punix:{socket}");
        let (other, other_schema) = (text(stage.run.join("p.db"))?, text(stage.run.join("p.ovsschema"))?);
        std::fs::write(&other_schema, SCHEMA)?;
        stage.ours("dbtool", &["create", &other, &other_schema])?;
        let args = ["--detach", "--no-chdir", "--pidfile", "--log-file", "-vconsole:off", &remote, &file, &other];
        stage.program("ovsdb-server", &args).output()?.check()?;
        let _server = stage.daemon("ovsdb-server");
        stage.ours("ovs-vsctl", &["--no-wait", "init"])?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/idl.py");
        let said = stage.program(PYTHON, &[script, &format!("unix:{socket}"), schema]).run()?;
        let ok: Vec<&str> = said.lines().filter(|line| line.starts_with("ok ")).collect();
        ensure!(ok.len() == 13, "{said}");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/replicas.py");
        let said = stage.program(PYTHON, &[script, &format!("unix:{socket}"), &other_schema]).run()?;
        ensure!(said.lines().any(|line| line == "ok replicas"), "{said}");
        Ok(())
    });
}

/// One that has an index, a map and strong references.
const SCHEMA: &str = r#"{"name": "P", "version": "1.0.0", "tables": {
    "T": {"isRoot": true, "columns": {
        "n": {"type": "integer"},
        "m": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
        "c": {"type": {"key": {"type": "uuid", "refTable": "C"}, "min": 0, "max": "unlimited"}}
    }, "indexes": [["n"]]},
    "C": {"columns": {"s": {"type": {"key": "string", "min": 0, "max": "unlimited"}}}}
}}"#;

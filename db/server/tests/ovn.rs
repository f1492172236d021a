//! OVN's own tools and its northd against our server with OVN's schemas: what they build must be what they then see.
//! The programs are those of Debian's ovn-common and ovn-central, in `PATH` or below `OVN_ROOT`, a folder that the packages
//! were unpacked in. Skipped, and said so, where there are none.

mod running;

use running::Running;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use weft_ovsdb::DatabaseSchema;
use weft_server::database::Database;
use weft_server::storage::FileStorage;

/// Where OVN is.
struct Ovn {
    root: PathBuf,
    socket: String,
    dir: PathBuf,
}

impl Ovn {
    fn find() -> Option<PathBuf> {
        let root = std::env::var_os("OVN_ROOT").map_or_else(|| PathBuf::from("/"), PathBuf::from);
        if root.join("usr/bin/ovn-nbctl").exists() && root.join("usr/share/ovn/ovn-nb.ovsschema").exists() {
            return Some(root);
        }
        let what = "OVN, which `cargo xtask test` unpacks and names in OVN_ROOT,";
        assert!(std::env::var_os("WEFT_E2E_REQUIRED").is_none(), "{what} is not in {}", root.display());
        eprintln!("SKIPPED: no OVN in {}", root.display());
        None
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.root.join("usr/bin").join(program));
        for name in ["OVN_RUNDIR", "OVS_RUNDIR", "OVN_LOGDIR", "OVN_DBDIR"] {
            command.env(name, &self.dir);
        }
        command.env("OVN_NB_DB", &self.socket).env("OVN_SB_DB", &self.socket).stdin(Stdio::null());
        command
    }

    fn run(&self, program: &str, words: &str) -> String {
        let words: Vec<&str> = words.split_whitespace().collect();
        let out = self.command(program).arg("--timeout=60").args(&words).output().unwrap();
        let (text, errors) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "{program} {words:?}: {text}{errors}");
        text.into_owned()
    }
}

fn create(root: &Path, schema: &str, file: &Path) {
    let text = std::fs::read_to_string(root.join("usr/share/ovn").join(schema)).unwrap();
    let schema = DatabaseSchema::from_text(&text).unwrap();
    drop(FileStorage::create(file, &Database::initial_log(&schema)).unwrap());
}

#[test]
fn a_network_is_built_compiled_and_taken_down() {
    let Some(root) = Ovn::find() else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    create(&root, "ovn-nb.ovsschema", &path("nb.db"));
    create(&root, "ovn-sb.ovsschema", &path("sb.db"));
    let Some(server) = Running::start(&[&path("nb.db"), &path("sb.db")], &path("sock")) else { return };
    let ovn = Ovn { root, socket: format!("unix:{}", path("sock").display()), dir: dir.path().to_owned() };
    ovn.run("ovn-nbctl", "ls-add sw0 -- lsp-add sw0 p0 -- lsp-set-addresses p0 00:00:00:00:00:01");
    ovn.run("ovn-nbctl", "lr-add lr0 -- lrp-add lr0 lrp0 00:00:00:00:ff:01 10.0.0.254/24");
    ovn.run("ovn-nbctl", "lsp-add sw0 up -- lsp-set-type up router -- lsp-set-addresses up router");
    ovn.run("ovn-nbctl", "lsp-set-options up router-port=lrp0");
    ovn.run("ovn-nbctl", "acl-add sw0 to-lport 1000 ip4 allow");
    let shown = ovn.run("ovn-nbctl", "show");
    for word in ["(sw0)", "port p0", "(lr0)", "router-port: lrp0", "10.0.0.254/24"] {
        assert!(shown.contains(word), "{word} is missing in\n{shown}");
    }
    let northd = ovn
        .command("ovn-northd")
        .args([format!("--ovnnb-db={}", ovn.socket), format!("--ovnsb-db={}", ovn.socket)])
        .args(["-vconsole:off", &format!("--unixctl={}", path("ctl").display())])
        .spawn();
    let _northd = Running::of(northd.unwrap());
    ovn.run("ovn-nbctl", "--wait=sb sync");
    let many = ovn.run("ovn-sbctl", "lflow-list").lines().count();
    assert!(many > 100, "northd has made {many} lines of logical flows");
    ovn.run("ovn-sbctl", "chassis-add ch1 geneve 127.0.0.1");
    ovn.run("ovn-sbctl", "lsp-bind p0 ch1");
    assert!(ovn.run("ovn-sbctl", "show").contains("Port_Binding p0"));
    ovn.run("ovn-nbctl", "--wait=sb ls-del sw0");
    assert!(ovn.run("ovn-sbctl", "lflow-list").lines().count() < many);
    assert!(!ovn.run("ovn-nbctl", "show").contains("sw0"));
    drop(server);
}

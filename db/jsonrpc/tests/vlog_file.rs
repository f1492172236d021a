//! The log as a daemon has it: installed for the whole process, writing a file.
//!
//! One test alone in its program, since `tracing` keeps one view of what anybody wants to hear: another thread
//! that changes the levels of a log of its own would make it forget this one.

use weft_jsonrpc::vlog::Vlog;

#[test]
fn events_reach_the_file_by_module_and_level() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.log");
    let log = Vlog::new("ovs-test", &["bridge", "ofproto"]);
    log.install();
    log.set_console(false);
    log.set("PATTERN:file:%c|%p|%m").unwrap();
    log.set("ofproto:file:warn").unwrap();
    log.open_file(Some(&path)).unwrap();
    tracing::info!(target: "bridge", port = 3, "added {}", "p0");
    tracing::debug!(target: "bridge", "not shown");
    tracing::info!(target: "ofproto", "not shown");
    tracing::error!(target: "ofproto", emer = true, "dying");
    tracing::info!(target: "weft::somewhere::bridge", "by last segment");
    tracing::warn!(target: "h2::codec", "not shown");
    log.close();
    tracing::info!(target: "bridge", "not shown");
    log.reopen().unwrap();
    let expected = format!(
        "vlog|INFO|opened log file {0}\nbridge|INFO|added p0 port=3\nofproto|EMER|dying\nbridge|INFO|by last segment\nvlog|INFO|opened log file {0}\n",
        path.display()
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
}

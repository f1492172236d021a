//! The example program is compiled by the machine's C compiler, linked with the library, and run against a server.

use std::path::{Path, PathBuf};
use std::process::Command;
use weft_server::database::Database;
use weft_server::serve::{OvsdbServer, OvsdbServerConfig};

/// Where cargo has put the library: beside this test program, or one folder above.
fn library() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let found = this.ancestors().skip(1).take(2).find(|folder| folder.join("libweftdb.so").exists());
    found.expect("cargo builds the cdylib for its tests").to_owned()
}

fn compile(source: &Path, out: &Path, lib: &Path) {
    let room = Path::new(env!("CARGO_MANIFEST_DIR"));
    let done = Command::new("cc")
        .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(out)
        .arg(source)
        .arg("-I")
        .arg(room.join("include"))
        .arg("-L")
        .arg(lib)
        .arg("-lweftdb")
        .output()
        .expect("cc (package gcc) runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn the_example_program_runs() {
    let dir = tempfile::tempdir().unwrap();
    let (program, socket) = (dir.path().join("ports"), dir.path().join("db.sock"));
    let lib = library();
    compile(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ports.c"), &program, &lib);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(async {
        let (db, _) = Database::in_memory(&weft_ovsdb::open_vswitch::schema());
        let config = OvsdbServerConfig { remotes: vec![format!("punix:{}", socket.display())], ..Default::default() };
        let server = OvsdbServer::start_with(vec![db], config).unwrap();
        let root = r#"[{"op":"insert","table":"Open_vSwitch","row":{}}]"#.to_owned();
        let call = weft_server::serve::Call::Transact { database: "Open_vSwitch".into(), operations: root };
        server.handle().call(call).await.unwrap();
        server
    });
    let done = Command::new(&program)
        .arg(format!("unix:{}", socket.display()))
        .env("LD_LIBRARY_PATH", &lib)
        .output()
        .expect("the program was just compiled");
    let (said, errors) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{said}{errors}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "port c0 has tag 7");
    assert!(lines[1].contains("No table named Nonsense"), "{said}");
    assert_eq!(lines[2], "rows: []");
    let changes: Vec<&&str> = lines[3..].iter().filter(|line| line.starts_with("changes: {")).collect();
    assert!(changes.len() == 2 && changes[0].contains("\"tag\":7") && changes[1].contains("\"new\":null"), "{said}");
    // An address that is none is told by the first call, and nulls do no harm.
    let wrong = Command::new(&program).arg("nonsense").env("LD_LIBRARY_PATH", &lib).output().unwrap();
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("connect: "), "{wrong:?}");
    runtime.block_on(server.stop());
}

/// The header declares what the library has, and nothing else.
#[test]
fn header_and_library_agree() {
    let read = |name: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let names = |text: &str, after: &str| {
        let mut names: Vec<String> = text
            .split(after)
            .skip(1)
            .filter_map(|rest| rest.split('(').next())
            .map(|name| format!("weftdb_{name}"))
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
            .collect();
        names.sort();
        names.dedup();
        names
    };
    let header = read("include/weftdb.h");
    let code: String = header.lines().filter(|line| line.contains(" *weftdb_") || line.contains(" weftdb_")).fold(
        String::new(),
        |all, line| {
            if line.starts_with(" *") || line.starts_with("/*") { all } else { all + line + "\n" }
        },
    );
    let ours = read("src/ffi.rs");
    assert_eq!(names(&code, "weftdb_"), names(&ours, "extern \"C\" fn weftdb_"));
}

//! The house holds: a room imports from lower floors alone, and `unsafe` stays in the cellar.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Floor of each room; see ARCHITECTURE.md.
const FLOORS: &[(&str, u32)] = &[
    ("weft-base", 0),
    ("weft-packet", 1),
    ("weft-jsonrpc", 1),
    ("weft-netdev", 2),
    ("weft-flow", 2),
    ("weft-ovsdb", 2),
    ("weft-engine", 3),
    ("weft-link", 2),
    ("weft-openflow", 3),
    ("weft-server", 3),
    ("weft-intent", 3),
    ("weft-capi", 3),
    ("weft-grpc", 4),
    ("weft-pipeline", 4),
    ("weft-vswitchd", 5),
    ("weft-cli", 5),
    ("weft-tests", 6),
    ("weft-benches", 6),
    ("weft-xtask", 7),
];

/// What a room must not know although it lies on a lower floor (rule 7: the tools speak to the daemon from outside).
const FORBIDDEN: &[(&str, &str)] =
    &[("weft-cli", "weft-pipeline"), ("weft-cli", "weft-engine"), ("weft-cli", "weft-netdev")];

#[test]
fn every_import_points_down() {
    let floors: BTreeMap<&str, u32> = FLOORS.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in metadata()["packages"].as_array().expect("packages is a list") {
        let name = package["name"].as_str().expect("a package has a name");
        let Some(floor) = floors.get(name) else {
            wrong.push(format!("{name} stands on no floor: add it to tests/house.rs and ARCHITECTURE.md"));
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("dependencies is a list") {
            let import = dependency["name"].as_str().expect("a dependency has a name");
            // a room's tests may look at anything below the room's own floor or beside it, but a bench or test
            // crate is what looks at everything
            if let Some(below) = floors.get(import).filter(|_| dependency["kind"].is_null())
                && below >= floor
            {
                wrong.push(format!("{name} [{floor}] imports {import} [{below}]"));
            }
            if FORBIDDEN.contains(&(name, import)) {
                wrong.push(format!("{name} must not import {import}"));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that break the house:\n{}", wrong.join("\n"));
}

#[test]
fn unsafe_stays_in_the_cellar() {
    let root = root();
    let cellar = root.join("datapath/netdev/src/sys");
    // C has no other way in.
    let border = root.join("db/capi/src/ffi.rs");
    let mut wrong = Vec::new();
    for file in sources(&root) {
        let text = std::fs::read_to_string(&file).expect("a source file is readable text");
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let opens = ["unsafe {", "unsafe fn", "unsafe impl"].iter().any(|word| code.contains(word));
            if opens && !file.starts_with(&cellar) && file != border && !file.ends_with("tests/house.rs") {
                wrong.push(format!("{}:{}: {}", file.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "unsafe outside datapath/netdev/src/sys and db/capi/src/ffi.rs:\n{}", wrong.join("\n"));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the house").to_owned()
}

fn metadata() -> serde_json::Value {
    let done = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(done.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).expect("cargo metadata prints JSON")
}

fn sources(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the house is readable") {
            let path = entry.expect("an entry is readable").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(".rs") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 20, "the house has more than {} source files", found.len());
    found
}

//! Prints the ports of a switch and follows what happens to them:
//! `cargo run -p weft-ovsdb --example ports [REMOTE] [--once]`.

use std::collections::BTreeMap;
use weft_ovsdb::replica::{Change, ClientError, Database, Select};

weft_ovsdb::rows! {
    /// A port of some bridge.
    struct Port of "Port" {
        /// Its name.
        name: String,
        /// Its VLAN.
        tag: Option<i64>,
        /// What its owner noted about it.
        notes: BTreeMap<String, String> = "external_ids",
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ClientError> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let once = args.iter().any(|arg| arg == "--once");
    let remote = args.iter().find(|arg| !arg.starts_with("--")).map_or("unix:db.sock", String::as_str);
    let mut database = Database::open(remote, "Open_vSwitch", Select::default().typed::<Port>())?;
    loop {
        let changes = database.next().await?;
        let Some(replica) = database.replica() else { continue };
        for change in changes.typed::<Port>(replica) {
            match change {
                Change::Added(_, port) => println!("+ {} {}", port.name, vlan(&port)),
                Change::Removed(_, port) => println!("- {}", port.name),
                Change::Changed { old, new, .. } => println!("~ {} {} -> {}", new.name, vlan(&old), vlan(&new)),
            }
        }
        if once {
            return Ok(());
        }
    }
}

fn vlan(port: &Port) -> String {
    let noted = if port.notes.is_empty() { "" } else { " (noted)" };
    port.tag.map_or_else(|| format!("all VLANs{noted}"), |tag| format!("VLAN {tag}{noted}"))
}

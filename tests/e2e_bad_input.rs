//! Bad input gets a clear error and costs nothing else.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Result, ensure};
use weft_tests::Stage;
use weft_tests::sandbox::story;

fn exchange(stage: &Stage, socket: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut stream = UnixStream::connect(stage.run.join(socket))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(bytes)?;
    let mut answer = vec![0; 65536];
    let n = stream.read(&mut answer).unwrap_or(0);
    answer.truncate(n);
    Ok(answer)
}

#[test]
fn malformed_messages_cost_their_own_connection_alone() {
    story("malformed_messages_cost_their_own_connection_alone", || {
        let stage = Stage::for_test("malformed")?;
        let daemon = stage.start(&["--enable-dummy=override"])?;
        stage.vsctl("add-br br0")?;
        let pid = daemon.pid()?;
        let unix =
            |text: &str| exchange(&stage, "db.sock", text.as_bytes()).map(|a| String::from_utf8_lossy(&a).into_owned());
        // a method that is not there, a database that is not there, an operation with a wrong column
        ensure!(unix(r#"{"method":"nonsense","params":[],"id":1}"#)?.contains("unknown method"));
        ensure!(unix(r#"{"method":"transact","params":["nowhere"],"id":2}"#)?.contains("unknown database"));
        let wrong = unix(
            r#"{"method":"transact","params":["Open_vSwitch",{"op":"insert","table":"Bridge","row":{"nane":"x"}}],"id":3}"#,
        )?;
        ensure!(wrong.contains("nane") && wrong.contains("Bridge"), "the error names the place: {wrong}");
        // no JSON at all, JSON too deep, half a message
        for bytes in [&b"\0\xff\xfe"[..], &[b'['; 100_000], br#"{"method":"#] {
            exchange(&stage, "db.sock", bytes).ok();
        }
        // OpenFlow: a wrong version, a length below the header, a flow_mod that ends inside its match
        for bytes in [
            &[0x63, 0, 0, 8, 0, 0, 0, 1][..],
            &[4, 0, 0, 8, 0, 0, 0, 1, 4, 14, 0, 3, 0, 0, 0, 2],
            &[4, 0, 0, 8, 0, 0, 0, 1, 4, 14, 0, 56, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ] {
            exchange(&stage, "br0.mgmt", bytes).ok();
        }
        exchange(&stage, &format!("ovs-vswitchd.{pid}.ctl"), b"{]").ok();
        ensure!(daemon.pid()? == pid && stage.vsctl("list-br")? == "br0\n", "the daemon suffered");
        stage.ofctl(&["show", "br0"])?;
        stage.appctl(&["version"])?;
        Ok(())
    });
}

#[test]
fn an_openflow_error_names_what_was_wrong() {
    story("an_openflow_error_names_what_was_wrong", || {
        let stage = Stage::for_test("oferror")?;
        let _daemon = stage.start(&["--enable-dummy=override"])?;
        stage.vsctl("add-br br0")?;
        // hello 1.3, then a flow_mod with an action type that nobody has
        let mut bytes = vec![4, 0, 0, 8, 0, 0, 0, 1];
        let mut flow_mod = vec![4, 14, 0, 72, 0, 0, 0, 7];
        flow_mod.extend([0; 24]); // cookie, mask, table, command, timeouts, priority
        flow_mod.extend([0xff; 4]); // buffer_id: none
        flow_mod.extend([0xff; 8]); // out_port, out_group: any
        flow_mod.extend([0; 4]); // flags
        flow_mod.extend([0, 1, 0, 4, 0, 0, 0, 0]); // match: OXM, empty
        flow_mod.extend([0, 4, 0, 16, 0, 0, 0, 0, 0x12, 0x34, 0, 8, 0, 0, 0, 0]); // apply: action 0x1234
        flow_mod[3] = flow_mod.len() as u8;
        bytes.extend(&flow_mod);
        let mut stream = UnixStream::connect(stage.run.join("br0.mgmt"))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(&bytes)?;
        let mut got = Vec::new();
        let mut buffer = [0; 4096];
        while !got.windows(2).any(|w: &[u8]| w == [4, 1]) {
            let n = stream.read(&mut buffer)?;
            ensure!(n > 0, "the connection closed without an error message: {got:?}");
            got.extend_from_slice(&buffer[..n]);
        }
        let at = got.windows(2).position(|w| w == [4, 1]).unwrap_or_default();
        ensure!(
            got[at + 4..at + 12] == [0, 0, 0, 7, 0, 2, 0, 0],
            "OFPET_BAD_ACTION / OFPBAC_BAD_TYPE: {:?}",
            &got[at..]
        );
        Ok(())
    });
}

#[test]
fn wrong_arguments_are_named() {
    story("wrong_arguments_are_named", || {
        let stage = Stage::for_test("arguments")?;
        let _daemon = stage.start(&["--enable-dummy=override"])?;
        stage.vsctl("add-br br0")?;
        let cases: [(&str, &[&str], &str); 5] = [
            ("ofctl", &["add-flow", "br0", "nw_foo=1,actions=drop"], "nw_foo"),
            ("ofctl", &["add-flow", "br0", "actions=fly"], "fly"),
            ("vsctl", &["set", "Bridge", "br0", "nonsense=1"], "nonsense"),
            ("vsctl", &["set", "Bridge", "br0", "fail_mode=open"], "open"),
            ("vsctl", &["add-port", "br9", "p0"], "br9"),
        ];
        for (program, args, named) in cases {
            let output = stage.program(program, args).output()?;
            ensure!(output.status == Some(1) && output.stderr.contains(named), "{program} {args:?}: {output:?}");
        }
        Ok(())
    });
}

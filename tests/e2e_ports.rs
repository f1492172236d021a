//! Ports that come, go, are renamed and deleted under the switch's feet.

use std::time::Duration;

use anyhow::{Result, ensure};
use weft_tests::sandbox::story;
use weft_tests::stage::wait_until;
use weft_tests::{Program, Stage};

fn ip(args: &str) -> Result<String> {
    Program::new("ip", &args.split_whitespace().collect::<Vec<_>>()).run()
}

fn column(stage: &Stage, interface: &str, column: &str) -> Result<String> {
    Ok(stage.vsctl(&format!("get Interface {interface} {column}"))?.trim().to_owned())
}

fn becomes(stage: &Stage, interface: &str, name: &str, expected: &str) -> Result<()> {
    wait_until(&format!("{interface}.{name} = {expected}"), Duration::from_secs(10), || {
        Ok(column(stage, interface, name)? == expected)
    })
}

#[test]
fn a_device_that_comes_and_goes_is_followed() {
    story("a_device_that_comes_and_goes_is_followed", || {
        let stage = Stage::for_test("comes")?;
        let _daemon = stage.start(&[])?;
        stage.vsctl("add-br br0 -- add-port br0 late0")?;
        ensure!(column(&stage, "late0", "ofport")? == "-1");
        ip("link add late0 type veth peer name late1")?;
        wait_until("an ofport for late0", Duration::from_secs(10), || {
            Ok(column(&stage, "late0", "ofport")?.parse::<i64>().is_ok_and(|n| n > 0))
        })?;
        becomes(&stage, "late0", "error", "[]")?;
        becomes(&stage, "late0", "admin_state", "up")?;
        ip("link set late1 up")?;
        becomes(&stage, "late0", "link_state", "up")?;
        ip("link set late0 mtu 1400")?;
        becomes(&stage, "late0", "mtu", "1400")?;
        ip("link set late0 address 02:00:00:00:be:ef")?;
        becomes(&stage, "late0", "mac_in_use", "\"02:00:00:00:be:ef\"")?;
        ip("link del late0")?;
        becomes(&stage, "late0", "ofport", "-1")?;
        ensure!(column(&stage, "late0", "error")?.contains("No such device"));
        Ok(())
    });
}

#[test]
fn what_the_database_asks_of_a_device_is_done() {
    story("what_the_database_asks_of_a_device_is_done", || {
        let stage = Stage::for_test("asks")?;
        let _daemon = stage.start(&[])?;
        stage.vsctl("add-br br0 -- add-port br0 int0 -- set Interface int0 type=internal mtu_request=1300 mac=\"02:11:22:33:44:55\"")?;
        let shown = ip("link show int0")?;
        ensure!(shown.contains("mtu 1300") && shown.contains("02:11:22:33:44:55"), "{shown}");
        becomes(&stage, "int0", "mtu", "1300")?;
        ensure!(column(&stage, "int0", "ifindex")?.parse::<u32>().is_ok_and(|n| n > 0));
        wait_until("statistics", Duration::from_secs(15), || {
            Ok(column(&stage, "int0", "statistics")?.contains("rx_packets"))
        })?;
        stage.vsctl("del-port int0")?;
        wait_until("the device's end", Duration::from_secs(10), || {
            Ok(!Program::new("ip", &["link", "show", "int0"]).output()?.ok())
        })?;
        Ok(())
    });
}

#[test]
fn replay_ports_read_and_write_pcap_files() {
    story("replay_ports_read_and_write_pcap_files", || {
        let stage = Stage::for_test("replay")?;
        // two frames in a classic pcap file, little endian, microseconds
        let frame: Vec<u8> = [[2u8, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1]]
            .concat()
            .into_iter()
            .chain([0x88, 0xb5])
            .chain([7; 46])
            .collect();
        let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0];
        for _ in 0..2 {
            file.extend([0; 8]);
            file.extend((frame.len() as u32).to_le_bytes());
            file.extend((frame.len() as u32).to_le_bytes());
            file.extend(&frame);
        }
        let (input, output) = (stage.run.join("in.pcap"), stage.run.join("out.pcap"));
        std::fs::write(&input, file)?;
        let _daemon = stage.start(&[])?;
        stage.vsctl("add-br br0 -- set-fail-mode br0 secure")?;
        stage.vsctl(&format!(
            "add-port br0 snk -- set Interface snk type=pcap options:tx_pcap={} ofport_request=2",
            output.display()
        ))?;
        stage.ofctl(&["add-flow", "br0", "in_port=1,actions=output:2"])?;
        stage.vsctl(&format!(
            "add-port br0 src -- set Interface src type=pcap options:rx_pcap={} ofport_request=1",
            input.display()
        ))?;
        wait_until("two frames", Duration::from_secs(10), || {
            Ok(stage.ofctl(&["dump-ports", "br0", "snk"])?.contains("tx pkts=2,"))
        })?;
        let output = output.display().to_string();
        let read = Program::new("tshark", &["-r", &output, "-T", "fields", "-e", "eth.src", "-e", "eth.type"]).run()?;
        ensure!(read == "02:00:00:00:00:01\t0x88b5\n".repeat(2), "tshark reads:\n{read}");
        Ok(())
    });
}

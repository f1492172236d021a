//! What we put around packets, read by tshark: every encapsulation over both versions of IP, whole and cut from a large frame.

use std::process::Command;

use weft_packet::builder::Builder;
use weft_packet::pcap::Writer;
use weft_packet::tunnel::{CSUM, DF, Dialect, ETHERNET, Encap, Ends, KEY, Kind, Push, Tunnel, encap, of_ethertype};
use weft_packet::{ChecksumState, Frame, Gso, GsoKind, Mac, Pool, segment};

/// An encapsulation with the protocols that tshark is to find.
#[derive(Clone)]
struct Case {
    dialect: Dialect,
    tunnel: Tunnel,
    options: Vec<u8>,
    inner: u32,
    protocols: &'static str,
}

const IPV4: u32 = of_ethertype(0x0800);
const MPLS: u32 = of_ethertype(0x8847);
const OVER_V6: Ends = Ends::V6 { src: [0xfd; 16], dst: [0xfc; 16] };

fn case(kind: Kind, inner: u32, protocols: &'static str) -> Case {
    let ends = match kind {
        Kind::Ip6Gre | Kind::Ip6Erspan | Kind::Srv6 => OVER_V6,
        _ => Ends::V4 { src: [10, 0, 0, 1], dst: [10, 0, 0, 2] },
    };
    let tunnel = Tunnel { ends, id: 42, flags: KEY | DF, ttl: 64, ..Tunnel::default() };
    Case { dialect: Dialect::of(kind), tunnel, options: Vec::new(), inner, protocols }
}

fn cases() -> Vec<Case> {
    let mut all = vec![
        case(Kind::Vxlan, ETHERNET, "udp:vxlan:eth:ethertype:ip:tcp"),
        case(Kind::Geneve, ETHERNET, "udp:geneve:eth:ethertype:ip:tcp"),
        case(Kind::Gre, ETHERNET, "gre:eth:ethertype:ip:tcp"),
        case(Kind::Gre, IPV4, "gre:ip:tcp"),
        case(Kind::Ip6Gre, ETHERNET, "gre:eth:ethertype:ip:tcp"),
        case(Kind::Gtpu, IPV4, "udp:gtp:ip:tcp"),
        case(Kind::Srv6, IPV4, "ipv6.routing:ip:tcp"),
        case(Kind::Lisp, IPV4, "udp:lisp-data:ip:tcp"),
        case(Kind::Stt, ETHERNET, "stt:eth:ethertype:ip:tcp"),
        case(Kind::BareUdp, MPLS, "udp:mpls:ip:tcp"),
        case(Kind::Vxlan, ETHERNET, "udp:vxlan:eth:ethertype:ip:tcp"),
        case(Kind::Vxlan, IPV4, "udp:ip:tcp"),
        case(Kind::Geneve, ETHERNET, "udp:geneve:eth:ethertype:ip:tcp"),
        case(Kind::Erspan, ETHERNET, "gre:erspan:eth:ethertype:ip:tcp"),
        case(Kind::Erspan, ETHERNET, "gre:erspan:eth:ethertype:ip:tcp"),
        case(Kind::Ip6Erspan, ETHERNET, "gre:erspan:eth:ethertype:ip:tcp"),
    ];
    all[9].dialect.ethertype = 0x8847;
    (all[10].dialect.gbp, all[10].tunnel.gbp_id, all[10].tunnel.gbp_flags) = (true, 77, 0x08);
    (all[11].dialect.gpe, all[11].tunnel.tp_dst) = (true, 4790);
    all[12].options = vec![0xff, 0xff, 0x80, 1, 0, 0, 0, 10, 1, 2, 1, 2, 1, 2, 3, 4, 5, 6, 7, 8];
    (all[13].tunnel.erspan_ver, all[13].tunnel.erspan_idx) = (1, 3);
    (all[14].tunnel.erspan_ver, all[14].tunnel.erspan_dir, all[14].tunnel.erspan_hwid) = (2, 1, 4);
    (all[15].tunnel.erspan_ver, all[15].tunnel.erspan_idx) = (1, 3);
    // the same over IPv6, or with a sum
    let others = all.clone().into_iter().filter_map(|mut case| match case.dialect.kind {
        Kind::Vxlan | Kind::Geneve | Kind::Gtpu | Kind::BareUdp => {
            case.tunnel.ends = OVER_V6;
            Some(case)
        }
        Kind::Gre => {
            case.tunnel.flags |= CSUM;
            Some(case)
        }
        _ => None,
    });
    let others: Vec<Case> = others.collect();
    all.extend(others);
    all
}

/// TCP that is still to be cut into three; behind labels, where nobody cuts here, a short packet.
fn packet(inner: u32) -> Frame {
    let tcp = |len: usize| {
        let builder = Builder::ethernet(Mac([2; 6]), Mac([4; 6])).ipv4([192, 0, 2, 1], [192, 0, 2, 2]);
        builder.tcp(1000, 2000, 0x10).payload(&vec![0x5a; len]).build()
    };
    if inner == MPLS {
        return Frame::copy_of(&[&[0, 0, 0x51, 64][..], &tcp(100)[14..]].concat());
    }
    let mut frame = Frame::copy_of(&tcp(2500));
    let addresses = &frame.bytes()[26..34];
    let seed = weft_packet::checksum::Sum::of(addresses).with16(6).with16((frame.len() - 34) as u16).folded();
    frame.bytes_mut()[50..52].copy_from_slice(&seed.to_be_bytes());
    frame.checksum = ChecksumState::Partial { start: 34, offset: 16 };
    frame.gso = Some(Gso { kind: GsoKind::TcpV4, size: 1000, header_len: 54, ecn: false });
    if inner != ETHERNET {
        frame.remove(0, 14);
    }
    frame
}

#[test]
fn every_encapsulation_is_decoded_without_a_malformed_mark() {
    let folder = std::env::temp_dir().join(format!("weft-tunnels-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a writable temp dir");
    let path = folder.join("tunnels.pcap");
    let mut writer = Writer::create(&path).expect("a writable temp dir");
    let (mut pool, mut expected) = (Pool::new(4), Vec::new());
    for case in cases() {
        let Case { dialect, tunnel, options, inner, protocols } = &case;
        let (dialect, inner) = (*dialect, *inner);
        let (dst, src) = (Mac([6; 6]), Mac([8; 6]));
        let header = encap(&Encap { dialect, dst, src, tunnel, options, inner, seq: true, label: 0, segments: &[] });
        let push = Push::new(dialect.kind, &header.expect("each case is right")).expect("what was made is a header");
        let mut frame = packet(inner);
        if dialect.kind == Kind::Stt {
            // one that goes in one piece
            let whole = frame.duplicate();
            segment::finish(whole, &mut pool, |cut| frame = cut).expect("it is TCP");
        }
        push.apply(&mut frame, inner == ETHERNET, 40000, 1);
        segment::finish(frame, &mut pool, |cut| {
            writer.write_at(std::time::Duration::ZERO, cut.bytes()).expect("room for a small file");
            expected.push((dialect.kind, *protocols));
        })
        .expect("what is inside is TCP");
    }
    drop(writer);
    let fields =
        ["frame.protocols", "_ws.malformed", "_ws.expert.message", "ip.checksum.status", "udp.checksum.status"];
    let mut tshark = Command::new("tshark");
    tshark.args(["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]);
    // STT is told from TCP by its port, which IP looks at only if it is asked to
    tshark.args(["-o", "ip.try_heuristic_first:TRUE"]);
    tshark.args(["-d", "udp.port==4790,vxlan_gpe", "-n", "-T", "fields", "-r"]).arg(&path);
    for field in fields {
        tshark.args(["-e", field]);
    }
    let output = tshark.args(["-e", "tcp.checksum.status"]).output();
    let _ = std::fs::remove_dir_all(&folder);
    let Ok(output) = output else {
        assert!(std::env::var_os("WEFT_E2E_REQUIRED").is_none(), "tshark is not installed");
        println!("weft-skip every_encapsulation_is_decoded_without_a_malformed_mark: tshark is not installed");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said.lines().count(), expected.len(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for (line, (kind, protocols)) in said.lines().zip(&expected) {
        let columns: Vec<&str> = line.split('\t').collect();
        assert!(columns[0].contains(protocols), "{kind:?}: {line}");
        assert!(columns[1].is_empty() && !line.contains("Malformed"), "{kind:?}: {line}");
        // 0: bad, 1: good, 2: unverified, 3: not present
        for column in &columns[3..] {
            assert!(!column.split(',').any(|status| status == "0"), "{kind:?}: a checksum is wrong: {line}");
        }
    }
}

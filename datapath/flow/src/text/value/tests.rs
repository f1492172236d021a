use super::*;
use proptest::prelude::*;

fn read(field: FieldId, text: &str) -> Result<(u128, u128), String> {
    parse_value(field, text, &PortNames::new())
}

#[test]
fn texts_and_values() {
    let cases = [
        (FieldId::Reg0, "5/0xf", "0x5/0xf"),
        (FieldId::Reg0, "0x", "0"),
        (FieldId::IpSrc, "10.0.0.0/255.0.255.0", "10.0.0.0/255.0.255.0"),
        (FieldId::IpSrc, "01.02.03.04", "1.2.3.4"),
        (FieldId::IpSrc, "1.2.3.4/8", "1.0.0.0/8"),
        (FieldId::Ipv6Dst, "1::/ffff:0:ffff::", "1::/ffff:0:ffff::"),
        (FieldId::Ipv6Dst, "::ffff:1.2.3.4", "::ffff:1.2.3.4"),
        (FieldId::Ipv6Dst, "::1.2.3.4", "::1.2.3.4"),
        (FieldId::Ipv6Dst, "::1", "::1"),
        (FieldId::EthDst, "1:0:0:0:0:0/01:00:00:00:00:00", "01:00:00:00:00:00/01:00:00:00:00:00"),
        (FieldId::TcpFlags, "+syn-ack", "+syn-ack"),
        (FieldId::TcpFlags, "0x2/0x12", "+syn-ack"),
        (FieldId::TcpFlags, "0xfff", "fin|syn|rst|psh|ack|urg|ece|cwr|ns|[200]|[400]|[800]"),
        (FieldId::TcpFlags, "+[200]", "+[200]"),
        (FieldId::IpFrag, "not_later", "not_later"),
        (FieldId::PacketType, "(1,0x800)", "(1,0x800)"),
        (FieldId::InPortOxm, "local", "LOCAL"),
        (FieldId::InPortOxm, "65533", "CONTROLLER"),
        (FieldId::InPortOxm, "65280", "65280"),
        (FieldId::TunGbpId, "5/7", "5/0x7"),
    ];
    for (field, text, printed) in cases {
        let (value, mask) = read(field, text).unwrap();
        assert_eq!(format_value(field, value, mask, &PortNames::new()), printed, "{text}");
    }
}

#[test]
fn errors_are_those_that_users_know() {
    let cases = [
        (FieldId::Reg0, "a", "a: bad syntax for reg0 value"),
        (FieldId::Reg0, "5/", "5/: bad syntax for reg0 mask"),
        (FieldId::Reg0, "0x123456789", "0x123456789: value too large for 4-byte field reg0"),
        (FieldId::Reg0, "-1", "-1: value too large for 4-byte field reg0"),
        (FieldId::NwProto, "6/7", "6/7: invalid mask for field nw_proto"),
        (FieldId::IpSrc, "1.2.3", "1.2.3: invalid IP address"),
        (FieldId::IpSrc, "1.2.3.4/33", "1.2.3.4/33: IPv4 network prefix bits not between 0 and 32, inclusive"),
        (FieldId::Ipv6Dst, "1:::", "1:::: invalid IPv6 address"),
        (FieldId::Ipv6Dst, "1::/129", "1::/129: IPv6 network prefix bits not between 0 and 128, inclusive"),
        (FieldId::EthSrc, "00:11", "00:11: invalid Ethernet address"),
        (FieldId::InPort, "foo", "foo: invalid or unknown port for in_port"),
        (FieldId::TcpFlags, "+syn+syn", "syn: Each TCP flag can be specified only once"),
        (FieldId::TcpFlags, "syn|foo", "syn|foo: unknown TCP flag(s)"),
        (FieldId::TcpFlags, "+", ": unknown TCP flag(s)"),
        (FieldId::CtState, "+foo", "foo: unknown ct_state flag(s)"),
        (FieldId::TunFlags, "2", "2: unknown tunnel flag(s)"),
        (FieldId::PacketType, "0", "0: bad syntax for packet type missing '('"),
        (FieldId::PacketType, "(70000,0)", "70000,0): bad syntax for packet type ns"),
    ];
    for (field, text, error) in cases {
        assert_eq!(read(field, text).unwrap_err(), error);
    }
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(nth in 0..FieldId::ALL.len(), value: u128, mask: u128) {
        let field = FieldId::ALL[nth];
        let f = field.field();
        let mask = match (f.masking, f.form) {
            (Masking::None, _) => f.all_ones(),
            (_, FieldForm::TunnelFlags) => 1,
            (_, FieldForm::CtState) => mask & 0xff,
            (_, FieldForm::Frag) => 3,
            _ => mask & f.all_ones(),
        };
        let value = match f.form {
            FieldForm::OfPort16 | FieldForm::OfPort32 => value & 0xff,
            FieldForm::Frag => [0, 1, 3][(value % 3) as usize],
            _ => value & mask,
        };
        prop_assume!(mask != 0);
        let text = format_value(field, value, mask, &PortNames::new());
        prop_assert_eq!(read(field, &text), Ok((value, mask)), "{}", text);
    }

    #[test]
    fn no_text_makes_it_panic(nth in 0..FieldId::ALL.len(), text in "[-+0-9a-fx:./|()\\[\\],synack*é]{0,20}") {
        let _ = read(FieldId::ALL[nth], &text);
    }
}

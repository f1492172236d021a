//! Who snoops: greeted as anybody, then told what controllers and switch say to each other, and asked nothing.

mod support;

use support::Switch;
use support::peer::Peer;
use weft_openflow::codec::{Dialect, decode};
use weft_openflow::{Message, Version};
use weft_pipeline::{ConnectionKind, ConnectionSettings, FailMode};

/// The messages that are queued for a connection.
fn heard(switch: &Switch, id: weft_pipeline::ConnectionId) -> Vec<Message> {
    let bytes = switch.pipeline.output(id);
    let mut framer = weft_openflow::codec::Framer::new();
    framer.push(&bytes);
    let mut all = Vec::new();
    while let Ok(Some(bytes)) = framer.next_message() {
        let version = Version::from_wire(bytes[0]).unwrap();
        all.push(decode(bytes, &Dialect::new(version)).unwrap().message);
    }
    all
}

#[test]
fn a_snoop_is_greeted_and_hears_both_sides_from_its_own_hello_on() {
    let switch = Switch::new(FailMode::Secure, 1);
    let controller = Peer::new(&switch, Version::V13);
    let settings = ConnectionSettings::new(ConnectionKind::Snoop, "unix#1");
    let snoop = switch.pipeline.connect("br0", settings, switch.now).unwrap();
    assert!(matches!(&heard(&switch, snoop)[..], [Message::Hello { .. }]));
    controller.ask(Message::FeaturesRequest);
    assert_eq!(heard(&switch, snoop), [], "what was said before it was greeted is not for it");
    switch.pipeline.input(snoop, &[1, 0, 0, 8, 0, 0, 0, 1], switch.now);
    assert_eq!(heard(&switch, snoop), []);
    controller.ask(Message::BarrierRequest);
    assert_eq!(heard(&switch, snoop), [Message::BarrierRequest, Message::BarrierReply], "in the version of those two");
    // what it says itself counts for nothing, and other services are not its affair
    switch.pipeline.input(snoop, &[1, 5, 0, 8, 0, 0, 0, 9], switch.now);
    Peer::of_kind(&switch, Version::V10, ConnectionKind::Service).ask(Message::FeaturesRequest);
    assert_eq!(heard(&switch, snoop), []);
    assert!(switch.pipeline.connection_status(snoop).is_some_and(|status| !status.closing));
}

#[test]
fn a_snoop_without_a_common_version_is_sent_away() {
    let switch = Switch::new(FailMode::Secure, 1);
    let settings = ConnectionSettings::new(ConnectionKind::Snoop, "unix#1");
    let snoop = switch.pipeline.connect("br0", settings, switch.now).unwrap();
    switch.pipeline.input(snoop, &[4, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 8, 0, 0, 2, 0], switch.now);
    assert!(matches!(&heard(&switch, snoop)[..], [Message::Hello { .. }, Message::Error(_)]));
    assert!(switch.pipeline.connection_status(snoop).is_some_and(|status| status.closing));
}

//! A controller without a socket: says messages to the pipeline and reads what comes back.

use weft_openflow::codec::{Dialect, Framer, decode, encode};
use weft_openflow::packet::PacketInFormat;
use weft_openflow::text::{FlowCommand, Names, parse_flow};
use weft_openflow::{ErrorCode, FlowModCommand, Message, Version, Xid};
use weft_pipeline::{ConnectionId, ConnectionKind, ConnectionSettings};

use super::Switch;

/// A connected controller of one version.
pub struct Peer<'a> {
    pub switch: &'a Switch,
    pub id: ConnectionId,
    pub dialect: Dialect,
}

impl<'a> Peer<'a> {
    /// Connects; the HELLOs are exchanged.
    pub fn new(switch: &'a Switch, version: Version) -> Peer<'a> {
        Peer::of_kind(switch, version, ConnectionKind::Controller)
    }

    pub fn of_kind(switch: &'a Switch, version: Version, kind: ConnectionKind) -> Peer<'a> {
        let settings = ConnectionSettings::new(kind, "test");
        let id = switch.pipeline.connect("br0", settings, switch.now).expect("br0 is there");
        let peer = Peer { switch, id, dialect: Dialect::new(version) };
        peer.ask(Message::Hello { versions: version.bit() });
        peer
    }

    /// Say one message and return what has come since the last.
    pub fn ask(&self, message: Message) -> Vec<Message> {
        self.say(&encode(&message, Xid(7), &self.dialect).expect("the version can say it"))
    }

    /// As [`Peer::ask`], of bytes.
    pub fn say(&self, bytes: &[u8]) -> Vec<Message> {
        self.switch.pipeline.input(self.id, bytes, self.switch.now);
        self.heard()
    }

    /// What has come since the last time.
    pub fn heard(&self) -> Vec<Message> {
        let (mut framer, mut all) = (Framer::new(), Vec::new());
        loop {
            let bytes = self.switch.pipeline.output(self.id);
            if bytes.is_empty() {
                return all;
            }
            framer.push(&bytes);
            while let Some(bytes) = framer.next_message().expect("messages") {
                all.push(decode(bytes, &self.dialect).expect("we understand ourselves").message);
            }
            self.switch.pipeline.run(self.switch.now);
        }
    }

    /// The error that a message gets, if any; nothing else may come.
    pub fn error(&self, message: Message) -> Option<ErrorCode> {
        match &self.ask(message)[..] {
            [] => None,
            [Message::Error(error)] => Some(error.code),
            other => panic!("{other:?}"),
        }
    }

    /// From now on packet-ins come in this form.
    pub fn packet_ins(&mut self, format: PacketInFormat) {
        assert_eq!(self.error(Message::SetPacketInFormat(format)), None);
    }
}

/// A flow mod from its text.
pub fn flow_mod(command: FlowModCommand, text: &str) -> Message {
    Message::FlowMod(parse_flow(text, FlowCommand::Mod(command), &Names::none()).expect(text))
}

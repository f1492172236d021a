use weft_flow::action::{SetFields, SetHeader};
use weft_packet::DpPort;

use super::*;

#[test]
fn single_outputs_and_drops_carry_no_list() {
    assert!(matches!(Program::compile(&[DpAction::Output(DpPort(7))]), Program::Output(7)));
    assert!(matches!(Program::compile(&[]), Program::Drop(DropReason::FlowDrop)));
    assert!(matches!(Program::compile(&[DpAction::Drop(DropReason::Meter)]), Program::Drop(DropReason::Meter)));
    let unseen = SetFields { header: SetHeader::Ethernet, fields: Default::default() };
    let unseen = [DpAction::Set(unseen), DpAction::PopVlan];
    assert!(matches!(Program::compile(&unseen), Program::Drop(DropReason::FlowDrop)));
}

#[test]
fn trunc_binds_to_the_next_output_only() {
    let actions = [DpAction::Trunc(60), DpAction::PopVlan, DpAction::Output(DpPort(1)), DpAction::Output(DpPort(2))];
    let Program::Steps(steps) = Program::compile(&actions) else { panic!("two outputs") };
    assert!(matches!(
        &steps[..],
        [Step::Edit(_), Step::Output { port: 1, max_len: 60 }, Step::Output { port: 2, max_len: WHOLE }]
    ));
}

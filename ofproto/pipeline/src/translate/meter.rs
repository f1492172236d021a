//! Meters, and samples for exporters.

use weft_flow::DpAction;
use weft_flow::OfPort;
use weft_flow::action::{FlowSample, SampleDirection as Direction, Userspace};
use weft_openflow::action::{Sample, SampleDirection};
use weft_openflow::ids::MeterId;
use weft_packet::DpPort;

use super::Context;
use super::trace::NodeKind;

impl Context<'_, '_> {
    /// What comes after goes through a meter. One that is not there any more holds nothing up; its flows go with it.
    pub(super) fn meter(&mut self, id: MeterId) {
        if let Some(meter) = self.bridge.meters.get(id) {
            self.out.push(DpAction::Meter(meter.number));
        }
    }

    /// Hand over to userspace through a meter: the one that was asked for, else the virtual one, if it is there. A frame
    /// beyond the rate is kept from userspace only, so it is a copy that is metered.
    pub(super) fn hand_over(&mut self, what: Userspace, asked: Option<MeterId>, otherwise: MeterId) {
        let meters = &self.bridge.meters;
        let meter = asked.and_then(|id| meters.get(id)).or_else(|| meters.get(otherwise));
        let meter = meter.map(|meter| meter.number);
        self.out.push(through(meter, what));
    }

    /// Some frames go to the bridge's exporter, if it has one.
    pub(super) fn sample(&mut self, sample: &Sample) {
        if !self.bridge.settings.flow_sampling {
            return;
        }
        let output_port = match sample.sampling_port {
            OfPort::NONE => DpPort::NONE,
            number => match self.bridge.port(number).and_then(|port| port.dp()) {
                Some(dp) => dp,
                None => {
                    let text = || format!("can't use unknown port {} in flow sample action", number.0);
                    self.note(NodeKind::Error, text);
                    return;
                }
            },
        };
        self.commit();
        let to = DpAction::Userspace(Userspace::FlowSample(FlowSample {
            probability: sample.probability,
            collector_set_id: sample.collector_set_id,
            obs_domain_id: sample.obs_domain_id,
            obs_point_id: sample.obs_point_id,
            output_port,
            direction: match sample.direction {
                SampleDirection::Default => None,
                SampleDirection::Ingress => Some(Direction::Ingress),
                SampleDirection::Egress => Some(Direction::Egress),
            },
        }));
        let probability = u32::from(sample.probability) << 16 | u32::from(sample.probability);
        self.out.push(match probability {
            u32::MAX => to,
            probability => DpAction::Sample { probability, actions: vec![to] },
        });
    }
}

/// To userspace, through a meter of the datapath.
pub(super) fn through(meter: Option<u32>, what: Userspace) -> DpAction {
    let what = DpAction::Userspace(what);
    match meter {
        None => what,
        Some(meter) => DpAction::Sample { probability: u32::MAX, actions: vec![DpAction::Meter(meter), what] },
    }
}

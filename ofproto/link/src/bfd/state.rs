//! States, diagnostics and the state machine (RFC 5880 §4.1, §6.2, §6.8.6).

/// bfd.SessionState.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
#[allow(missing_docs, reason = "the RFC's own words")]
pub enum State {
    AdminDown = 0,
    #[default]
    Down = 1,
    Init = 2,
    Up = 3,
}

impl State {
    pub(super) const fn from_wire(two_bits: u8) -> State {
        match two_bits & 3 {
            0 => State::AdminDown,
            1 => State::Down,
            2 => State::Init,
            _ => State::Up,
        }
    }

    /// As the database and `bfd/show` say it.
    pub const fn text(self) -> &'static str {
        match self {
            State::AdminDown => "admin_down",
            State::Down => "down",
            State::Init => "init",
            State::Up => "up",
        }
    }
}

/// bfd.LocalDiag: why the session was last not up, as on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Diagnostic(pub u8);

#[allow(missing_docs, reason = "the RFC's own words")]
impl Diagnostic {
    pub const NONE: Diagnostic = Diagnostic(0);
    pub const DETECTION_TIME_EXPIRED: Diagnostic = Diagnostic(1);
    pub const NEIGHBOUR_SIGNALED_DOWN: Diagnostic = Diagnostic(3);
    pub const CONCATENATED_PATH_DOWN: Diagnostic = Diagnostic(6);
    pub const ADMINISTRATIVELY_DOWN: Diagnostic = Diagnostic(7);
    pub const REVERSE_CONCATENATED_PATH_DOWN: Diagnostic = Diagnostic(8);

    pub(super) const fn from_wire(five_bits: u8) -> Diagnostic {
        Diagnostic(five_bits)
    }

    /// RFC 5880 §4.1's words for it.
    pub const fn text(self) -> &'static str {
        match self.0 {
            0 => "No Diagnostic",
            1 => "Control Detection Time Expired",
            2 => "Echo Function Failed",
            3 => "Neighbor Signaled Session Down",
            4 => "Forwarding Plane Reset",
            5 => "Path Down",
            6 => "Concatenated Path Down",
            7 => "Administratively Down",
            8 => "Reverse Concatenated Path Down",
            _ => "Reserved",
        }
    }
}

/// What moves the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Event {
    /// A control packet came, and this is its sender's state.
    Heard(State),
    /// Nothing came for the detection time (§6.8.4).
    Expired,
}

/// The state after `event`, and why, where that is worth saying.
pub(super) const fn next(at: State, event: Event) -> (State, Option<Diagnostic>) {
    use State::{AdminDown, Down, Init, Up};
    match (at, event) {
        // §6.8.16: nothing but the administrator moves it
        (AdminDown, Event::Heard(AdminDown | Down | Init | Up) | Event::Expired) => (AdminDown, None),
        (Down, Event::Heard(Down)) => (Init, None),
        (Down, Event::Heard(Init)) => (Up, None),
        (Down, Event::Heard(AdminDown | Up) | Event::Expired) => (Down, None),
        (Init, Event::Heard(Init | Up)) => (Up, None),
        (Init, Event::Heard(Down)) => (Init, None),
        (Init | Up, Event::Heard(AdminDown)) | (Up, Event::Heard(Down)) => {
            (Down, Some(Diagnostic::NEIGHBOUR_SIGNALED_DOWN))
        }
        (Up, Event::Heard(Init | Up)) => (Up, None),
        (Init | Up, Event::Expired) => (Down, Some(Diagnostic::DETECTION_TIME_EXPIRED)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use State::{AdminDown, Down, Init, Up};

    /// RFC 5880 §6.2's figure and §6.8.6's rules, row by row.
    #[test]
    fn every_pair_of_states_goes_where_the_rfc_says() {
        let down = Some(Diagnostic::NEIGHBOUR_SIGNALED_DOWN);
        let rows = [
            (Down, [(Down, None), (Init, None), (Up, None), (Down, None)]),
            (Init, [(Down, down), (Init, None), (Up, None), (Up, None)]),
            (Up, [(Down, down), (Down, down), (Up, None), (Up, None)]),
            (AdminDown, [(AdminDown, None); 4]),
        ];
        for (at, row) in rows {
            for (heard, want) in [AdminDown, Down, Init, Up].into_iter().zip(row) {
                assert_eq!(next(at, Event::Heard(heard)), want, "{at:?} hears {heard:?}");
            }
        }
        let expired = Some(Diagnostic::DETECTION_TIME_EXPIRED);
        assert_eq!(next(Up, Event::Expired), (Down, expired));
        assert_eq!(next(Init, Event::Expired), (Down, expired));
        assert_eq!(next(Down, Event::Expired), (Down, None));
        assert_eq!(next(AdminDown, Event::Expired), (AdminDown, None));
    }
}

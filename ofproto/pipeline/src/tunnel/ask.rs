//! Asking who has an address: the first packet for an unknown next hop asks, and the control thread asks again until somebody
//! answers or it has asked often enough; the next packet after that begins anew.
//!
//! Invariants: a value that is told the time; whatever traffic wants, one address is asked for once a second at most, and no
//! more than [`MAX`] at a time.

use std::time::Duration;

use weft_base::Time;

use crate::translate::Question;

/// How many questions can be open.
const MAX: usize = 256;
/// How often one is asked.
const TRIES: u32 = 10;
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Open {
    question: Question,
    asked: u32,
    next: Time,
}

/// Questions that wait to be asked, or for an answer.
#[derive(Default, Debug)]
pub struct Asking(Vec<Open>);

impl Asking {
    /// A packet wants to know. Whether it is to be asked now.
    pub fn want(&mut self, question: Question, now: Time) -> bool {
        if self.0.iter().any(|open| open.question == question) || self.0.len() >= MAX {
            return false;
        }
        self.0.push(Open { question, asked: 0, next: now });
        true
    }

    /// What is to be asked now. Whom nobody answered for long enough is given up, and said so.
    pub fn due(&mut self, now: Time) -> (Vec<Question>, bool) {
        let before = self.0.len();
        self.0.retain(|open| open.asked < TRIES || open.next > now);
        let given_up = self.0.len() != before;
        let mut due = Vec::new();
        for open in self.0.iter_mut().filter(|open| open.next <= now) {
            open.asked += 1;
            open.next = now + INTERVAL;
            due.push(open.question.clone());
        }
        (due, given_up)
    }

    /// When something is due.
    pub fn next_deadline(&self) -> Option<Time> {
        self.0.iter().map(|open| open.next).min()
    }

    /// Answered questions are not asked again.
    pub fn answered(&mut self, is_known: impl Fn(&Question) -> bool) {
        self.0.retain(|open| !is_known(&open.question));
    }

    /// Nobody asks any more.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::BridgeId;

    fn question(n: u8) -> Question {
        Question { bridge: BridgeId(1), whom: [1, 1, 1, n].into(), frame: vec![n] }
    }

    #[test]
    fn one_address_is_asked_for_once_a_second_and_not_forever() {
        let mut asking = Asking::default();
        let mut now = Time::ZERO + Duration::from_secs(1);
        assert!(asking.want(question(1), now));
        assert!(!asking.want(question(1), now));
        for _ in 0..TRIES {
            assert_eq!(asking.due(now), (vec![question(1)], false));
            assert_eq!(asking.due(now), (vec![], false));
            now = asking.next_deadline().unwrap();
        }
        assert_eq!(asking.due(now), (vec![], true));
        assert_eq!(asking.next_deadline(), None);
    }

    #[test]
    fn an_answer_ends_it() {
        let mut asking = Asking::default();
        asking.want(question(1), Time::ZERO);
        asking.want(question(2), Time::ZERO);
        asking.answered(|open| open.frame == [1]);
        assert_eq!(asking.due(Time::ZERO).0, [question(2)]);
    }

    #[test]
    fn a_flood_of_addresses_asks_for_some() {
        let mut asking = Asking::default();
        for n in 0..MAX * 2 {
            let question = Question { frame: n.to_be_bytes().to_vec(), ..question(0) };
            assert_eq!(asking.want(question, Time::ZERO), n < MAX);
        }
    }
}

//! One call from its INVITE to its end, without sockets: what the called number does.
//!
//! Before the answer this knows how a number rings, speaks or refuses; after it, a business has a
//! [`Line`]. The task of the call owns the [`Visit`].

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    line::{self, Line, PAUSE_BEFORE_WORDS},
    menu::{Behaviour, Business},
};

/// How long a number without a menu rings before it answers.
const PLAIN_RING: Duration = Duration::from_secs(1);
/// From the answer to the end of a call to a number that hangs up at once.
const BRIEF: Duration = Duration::from_millis(500);
/// How long a number rings that nobody answers. An unanswered call ends in the network after
/// about this time (ITU-T Q.118, 2 to 4 minutes in national practice).
const NO_ANSWER: Duration = Duration::from_secs(120);
/// How long a silent line stays open.
const SILENT_LIMIT: Duration = Duration::from_secs(120);

/// What the carrier does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Says that it rings: 180.
    Ring,
    /// Opens the media before the answer: 183 with a session description.
    EarlyMedia,
    /// Answers: 200.
    Answer,
    /// Refuses with this status.
    Refuse(u16),
    /// What the caller hears, and the end of an answered call.
    Line(line::Action),
}

/// A call to a number.
#[derive(Debug)]
pub struct Visit {
    stage: Stage,
    actions: VecDeque<Action>,
}

#[derive(Debug)]
enum Stage {
    /// Rings until then.
    Ringing(Instant, Callee),
    /// Has opened the media, and will speak then.
    Opening(Instant, Arc<Business>),
    /// Speaks until then without having answered.
    Early(Instant, Arc<Business>),
    /// Answered by a menu.
    Menu(Box<Line>),
    /// Answered and silent until then.
    Silent(Instant),
    Over,
}

/// Who will answer.
#[derive(Debug)]
enum Callee {
    Business(Arc<Business>),
    Silence,
    Brief,
    Nobody,
}

impl Visit {
    /// A call that arrives at `now` at a number that behaves so; `None` is a number that nobody
    /// has described.
    pub fn new(now: Instant, behaviour: Option<&Behaviour>) -> Self {
        let mut visit = Self { stage: Stage::Over, actions: VecDeque::new() };
        let (ring, callee) = match behaviour {
            Some(Behaviour::Business(business)) => {
                (business.ring, Callee::Business(business.clone()))
            }
            Some(Behaviour::Silent) => (PLAIN_RING, Callee::Silence),
            Some(Behaviour::HangsUp) => (PLAIN_RING, Callee::Brief),
            Some(Behaviour::NoAnswer) => (NO_ANSWER, Callee::Nobody),
            Some(Behaviour::Busy) => return visit.refused(486),
            Some(Behaviour::Unavailable) => return visit.refused(503),
            Some(Behaviour::Unknown) | None => return visit.refused(404),
        };
        visit.actions.push_back(Action::Ring);
        visit.stage = Stage::Ringing(now + ring, callee);
        visit
    }

    fn refused(mut self, status: u16) -> Self {
        self.actions.push_back(Action::Refuse(status));
        self
    }

    /// The id of the menu that the call is in, if it is in one.
    pub fn at(&self) -> Option<&str> {
        match &self.stage {
            Stage::Menu(line) => Some(line.at()),
            Stage::Ringing(..)
            | Stage::Opening(..)
            | Stage::Early(..)
            | Stage::Silent(_)
            | Stage::Over => None,
        }
    }

    /// What the caller has to do with, once a business has answered.
    pub fn stage(&self) -> Option<line::Stage> {
        match &self.stage {
            Stage::Menu(line) => Some(line.stage()),
            Stage::Silent(_) => Some(line::Stage::After),
            Stage::Ringing(..) | Stage::Opening(..) | Stage::Early(..) | Stage::Over => None,
        }
    }

    /// Takes a key; before the answer it is lost.
    pub fn handle_digit(&mut self, now: Instant, digit: char) {
        if let Stage::Menu(line) = &mut self.stage {
            line.handle_digit(now, digit);
        }
        self.listen();
    }

    /// Must be called when the time of [`Visit::poll_timeout`] has come; harmless before.
    pub fn handle_timeout(&mut self, now: Instant) {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Ringing(until, callee) if until <= now => self.ring_is_over(until, callee),
            Stage::Opening(until, business) if until <= now => self.speak(until, business),
            Stage::Early(until, business) if until <= now => self.answer(until, business),
            Stage::Silent(until) if until <= now => {
                self.actions.push_back(Action::Line(line::Action::HangUp));
            }
            Stage::Menu(mut line) => {
                line.handle_timeout(now);
                self.stage = Stage::Menu(line);
            }
            stage @ (Stage::Ringing(..)
            | Stage::Opening(..)
            | Stage::Early(..)
            | Stage::Silent(_)
            | Stage::Over) => {
                self.stage = stage;
            }
        }
        self.listen();
    }

    /// When [`Visit::handle_timeout`] must be called next; `None` when nothing will happen.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Ringing(until, _)
            | Stage::Opening(until, _)
            | Stage::Early(until, _)
            | Stage::Silent(until) => Some(*until),
            Stage::Menu(line) => line.poll_timeout(),
            Stage::Over => None,
        }
    }

    /// What to do next; to be called until it gives nothing.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn ring_is_over(&mut self, now: Instant, callee: Callee) {
        match callee {
            Callee::Business(business) if business.early.is_some() => {
                self.actions.push_back(Action::EarlyMedia);
                self.stage = Stage::Opening(now + PAUSE_BEFORE_WORDS, business);
            }
            Callee::Business(business) => self.answer(now, business),
            Callee::Silence => self.silent(now + SILENT_LIMIT),
            Callee::Brief => self.silent(now + BRIEF),
            // 480: the called party did not answer (RFC 3398 §7.2.4.1, cause 19).
            Callee::Nobody => self.actions.push_back(Action::Refuse(480)),
        }
    }

    fn speak(&mut self, now: Instant, business: Arc<Business>) {
        let Some(early) = &business.early else { return self.answer(now, business) };
        let play = line::Action::Play { sound: early.samples.clone(), repeat: false };
        self.actions.push_back(Action::Line(play));
        self.stage = Stage::Early(now + early.duration(), business);
    }

    fn silent(&mut self, until: Instant) {
        self.actions.push_back(Action::Answer);
        self.stage = Stage::Silent(until);
    }

    fn answer(&mut self, now: Instant, business: Arc<Business>) {
        self.actions.push_back(Action::Answer);
        self.stage = Stage::Menu(Box::new(Line::new(now, business)));
    }

    fn listen(&mut self) {
        if let Stage::Menu(line) = &mut self.stage {
            self.actions.extend(std::iter::from_fn(|| line.poll_action()).map(Action::Line));
        }
    }
}

/// The number that a Request-URI's user part dials, as E.164 with `+`. The tech prefix of those
/// who are known by their address (`12345678*12025550100`) is left out, and so is what follows a
/// semicolon (parameters of a telephone number, RFC 3966).
pub fn dialled(user: &str) -> String {
    let number = user.split_once(';').map_or(user, |(number, _)| number);
    let number = number.rsplit(['*', '#']).next().unwrap_or(number);
    format!("+{}", number.strip_prefix('+').unwrap_or(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::menu::Menus;

    /// What a call to this number does within so many seconds, with the times in milliseconds.
    fn visit(number: &str, seconds: u64) -> Vec<(u128, String)> {
        let menus = Menus::samples().unwrap();
        let start = phoneai_clock::Clock::real().now();
        let mut visit = Visit::new(start, menus.line(number));
        let mut done = Vec::new();
        let mut now = start;
        loop {
            while let Some(action) = visit.poll_action() {
                let name = match action {
                    Action::Line(line::Action::Play { .. }) => "play".to_owned(),
                    Action::Line(other) => format!("{other:?}"),
                    other => format!("{other:?}"),
                };
                done.push(((now - start).as_millis(), name));
            }
            match visit.poll_timeout() {
                Some(due) if due <= start + Duration::from_secs(seconds) => now = due,
                Some(_) | None => return done,
            }
            visit.handle_timeout(now);
        }
    }

    fn expected(steps: &[(u128, &str)]) -> Vec<(u128, String)> {
        steps.iter().map(|(at, name)| (*at, (*name).to_owned())).collect()
    }

    #[test]
    fn a_business_rings_and_answers_with_its_menu() {
        let steps = [(0, "Ring"), (1_200, "Answer"), (1_700, "play")];
        assert_eq!(visit("+12025550101", 5), expected(&steps));
    }

    #[test]
    fn early_media_is_said_to_its_end_before_the_answer() {
        let done = visit("+12025550105", 8);
        let names: Vec<&str> = done.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["Ring", "EarlyMedia", "play", "Answer", "play"]);
        let early = Menus::samples().unwrap();
        let early = early.businesses().find_map(|b| b.early.clone()).unwrap();
        assert_eq!(done[3].0, 400 + 500 + early.duration().as_millis());
    }

    #[test]
    fn plain_numbers_do_what_they_are_there_for() {
        for (number, steps) in [
            ("+12025550190", &[(0, "Refuse(486)")][..]),
            ("+12025550191", &[(0, "Refuse(503)")]),
            ("+12025550192", &[(0, "Ring"), (120_000, "Refuse(480)")]),
            ("+12025550193", &[(0, "Ring"), (1_000, "Answer"), (121_000, "HangUp")]),
            ("+12025550194", &[(0, "Refuse(404)")]),
            ("+12025550195", &[(0, "Ring"), (1_000, "Answer"), (1_500, "HangUp")]),
            ("+12025550199", &[(0, "Refuse(404)")]),
        ] {
            assert_eq!(visit(number, 3_600), expected(steps), "{number}");
        }
    }

    #[test]
    fn a_number_is_found_with_or_without_plus_and_prefix() {
        for user in [
            "+12025550101",
            "12025550101",
            "12345678*12025550101",
            "12345678#+12025550101",
            "+12025550101;phone-context=example",
        ] {
            assert_eq!(dialled(user), "+12025550101", "{user}");
        }
    }
}

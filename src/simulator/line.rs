//! One answered call to a business, without sockets: keys and time in, sounds out.
//!
//! ```text
//!  Answered ──▶ Prompt ─────────▶ Listening ──────────▶ Prompt (of the next menu)
//!                 │    it is said   │  │  key of an option
//!                 │                 │  └─────▶ Invalid ──▶ Prompt (the same again)
//!                 │ it ends         │ nothing   wrong key
//!                 ▼ the call        ▼ pressed
//!               Ending            Prompt (the same, another) or Goodbye
//!                 └──────▶ Over ◀──────────────────────────────┘
//! ```
//!
//! A key pressed while a prompt is said ends the prompt if the menu has `barge_in`, and is lost
//! otherwise. The task of the call owns the [`Line`] and drops it when the call is over.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    menu::{Business, Ending, Listen, Menu, MenuNo, Target, Then, duration_of},
    sound,
};

/// From the opening of the media to the first word: a caller may not be ready to listen sooner.
pub(super) const PAUSE_BEFORE_WORDS: Duration = Duration::from_millis(500);
/// How long a line waits for another key when those pressed so far may be the beginning of more.
const INTER_DIGIT: Duration = Duration::from_secs(3);
/// Wrong keys in a row, and wrong numbers, after which the caller is sent away.
const MAX_WRONG: u32 = 3;
/// Most keys of a number that the caller is asked for.
const MAX_INPUT: usize = 32;
/// From the last word of an announcement to the end of the call.
const PAUSE_BEFORE_HANG_UP: Duration = Duration::from_secs(1);
/// How long a line rings, plays music or stays silent at its end before it hangs up.
const ENDING_LIMIT: Duration = Duration::from_secs(60);
/// How long it rings before a person answers: one ring and its pause.
const RINGS_AT_PERSON: Duration = Duration::from_secs(6);
/// How long a person who has said hello waits for somebody to speak.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an answering machine records.
const RECORDING_LIMIT: Duration = Duration::from_secs(30);

/// What the caller hears next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// This sound, from its beginning, in the place of what is heard now.
    Play {
        /// Samples at 8 kHz.
        sound: Arc<[i16]>,
        /// True if it begins again whenever it ends.
        repeat: bool,
    },
    /// Nothing any more, until the next `Play`.
    Stop,
    /// The line ends the call.
    HangUp,
}

/// What a caller has to do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A menu, or the words of one of its prompts.
    Menu,
    /// What follows the last prompt of a way: ringing, music, a beep and the recording after it.
    After,
    /// A person, who waits for an answer.
    Person,
    /// Nobody: the line has hung up.
    Over,
}

/// An answered call.
#[derive(Debug)]
pub struct Line {
    business: Arc<Business>,
    at: MenuNo,
    state: State,
    /// Keys pressed since the menu was entered that have not chosen anything yet.
    pressed: String,
    /// How often the present prompt was said to the end without a key.
    unheeded: u32,
    /// Wrong keys in a row.
    wrong: u32,
    actions: VecDeque<Action>,
}

/// What the line does, and until when.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Has answered and not said anything.
    Answered(Instant),
    /// Says the prompt of the menu.
    Prompt(Instant),
    /// Waits for a key, or for more keys.
    Listening(Instant),
    /// Says that the key is not valid.
    Invalid(Instant),
    /// Says goodbye.
    Goodbye(Instant),
    /// Rings at a person.
    Ringing(Instant),
    /// A person has answered, who says hello and waits for an answer.
    Person(Instant),
    /// The menu is over, its last sound goes on.
    Ending(Instant),
    /// Has hung up.
    Over,
}

impl Line {
    /// A call that is answered at `now`.
    pub fn new(now: Instant, business: Arc<Business>) -> Self {
        let at = business.first;
        Self {
            business,
            at,
            state: State::Answered(now + PAUSE_BEFORE_WORDS),
            pressed: String::new(),
            unheeded: 0,
            wrong: 0,
            actions: VecDeque::new(),
        }
    }

    /// What the caller has to do with now.
    pub fn stage(&self) -> Stage {
        match self.state {
            State::Answered(_)
            | State::Prompt(_)
            | State::Listening(_)
            | State::Invalid(_)
            | State::Goodbye(_) => Stage::Menu,
            State::Ringing(_) | State::Ending(_) => Stage::After,
            State::Person(_) => Stage::Person,
            State::Over => Stage::Over,
        }
    }

    /// The id of the menu that the call is in.
    pub fn at(&self) -> &str {
        self.business.menu(self.at).map_or("", |menu| menu.prompt.id.as_str())
    }

    /// Takes a key, `0` to `9`, `*` or `#`; others are ignored.
    pub fn handle_digit(&mut self, now: Instant, digit: char) {
        if !(digit.is_ascii_digit() || matches!(digit, '*' | '#')) {
            return;
        }
        let business = self.business.clone();
        let Some(Menu { then: Then::Listen(listen), .. }) = business.menu(self.at) else { return };
        match self.state {
            State::Answered(_) | State::Prompt(_) | State::Invalid(_) if !listen.barge_in => return,
            State::Answered(_) | State::Prompt(_) | State::Invalid(_) => {
                self.actions.push_back(Action::Stop);
            }
            State::Listening(_) => {}
            State::Goodbye(_)
            | State::Ringing(_)
            | State::Person(_)
            | State::Ending(_)
            | State::Over => return,
        }
        self.pressed.push(digit);
        self.state = State::Listening(now + INTER_DIGIT);
        self.choose(now, listen, false);
    }

    /// Must be called when the time of [`Line::poll_timeout`] has come; harmless before.
    pub fn handle_timeout(&mut self, now: Instant) {
        // Each state that ends leads to one that ends later, but `now` may be later still.
        while let Some(due) = self.poll_timeout().filter(|due| *due <= now) {
            self.expire(due);
        }
    }

    /// When [`Line::handle_timeout`] must be called next; `None` once the line has hung up.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Answered(until)
            | State::Prompt(until)
            | State::Listening(until)
            | State::Invalid(until)
            | State::Goodbye(until)
            | State::Ringing(until)
            | State::Person(until)
            | State::Ending(until) => Some(until),
            State::Over => None,
        }
    }

    /// What the caller hears next; to be called until it gives nothing.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn expire(&mut self, now: Instant) {
        let business = self.business.clone();
        let Some(menu) = business.menu(self.at) else { return self.hang_up() };
        match (self.state, &menu.then) {
            (State::Prompt(_), Then::Listen(listen)) => {
                self.state = State::Listening(now + listen.wait);
            }
            (State::Prompt(_), Then::End(ending)) => self.end(now, *ending),
            (State::Listening(_), Then::Listen(listen)) if self.pressed.is_empty() => {
                self.nothing_pressed(now, listen);
            }
            (State::Listening(_), Then::Listen(listen)) => self.choose(now, listen, true),
            (State::Answered(_) | State::Invalid(_), _) => self.say(now),
            (State::Ringing(_), _) => self.say_hello(now),
            (State::Listening(_), Then::End(_))
            | (State::Goodbye(_) | State::Person(_) | State::Ending(_) | State::Over, _) => {
                self.hang_up()
            }
        }
    }

    /// Goes where the pressed keys lead. Unless they are `complete`, keys that may be the beginning
    /// of more wait for those.
    fn choose(&mut self, now: Instant, listen: &Listen, complete: bool) {
        let chosen = listen.options.iter().find(|option| option.keys.as_str() == self.pressed);
        let longer = listen.options.iter().any(|option| {
            option.keys.as_str().len() > self.pressed.len()
                && option.keys.as_str().starts_with(&self.pressed)
        });
        match (chosen, listen.input) {
            (_, _) if longer && !complete => {}
            (Some(option), _) => match option.to {
                Target::Menu(to) => self.enter(now, to),
                Target::InvalidEntry => self.refuse(now),
            },
            (None, Some(input)) => {
                let ended = self.pressed.ends_with('#') || self.pressed.len() >= MAX_INPUT;
                // We know no account: whatever number is entered is not found.
                if complete || ended || input.digits.is_some_and(|n| self.pressed.len() >= n) {
                    self.refuse(now);
                }
            }
            (None, None) => self.refuse(now),
        }
    }

    fn nothing_pressed(&mut self, now: Instant, listen: &Listen) {
        if self.unheeded < listen.repeats {
            self.unheeded += 1;
            self.say(now);
        } else if let Some(to) = listen.no_input {
            self.enter(now, to);
        } else {
            self.goodbye(now);
        }
    }

    fn enter(&mut self, now: Instant, to: MenuNo) {
        self.at = to;
        self.unheeded = 0;
        self.wrong = 0;
        self.say(now);
    }

    fn say(&mut self, now: Instant) {
        self.pressed.clear();
        let business = self.business.clone();
        let Some(menu) = business.menu(self.at) else { return self.hang_up() };
        self.state = State::Prompt(self.play(now, &menu.prompt.samples));
    }

    fn refuse(&mut self, now: Instant) {
        self.pressed.clear();
        self.wrong += 1;
        if self.wrong >= MAX_WRONG {
            return self.goodbye(now);
        }
        let sound = self.business.invalid.samples.clone();
        self.state = State::Invalid(self.play(now, &sound));
    }

    fn goodbye(&mut self, now: Instant) {
        let sound = self.business.goodbye.samples.clone();
        self.state = State::Goodbye(self.play(now, &sound));
    }

    fn end(&mut self, now: Instant, ending: Ending) {
        let (sound, repeat, lasts) = match ending {
            Ending::HangUp => (None, false, PAUSE_BEFORE_HANG_UP),
            Ending::Ringback => (Some(sound::ringback()), true, ENDING_LIMIT),
            Ending::Person => {
                self.actions.push_back(Action::Play { sound: sound::ringback(), repeat: true });
                self.state = State::Ringing(now + RINGS_AT_PERSON);
                return;
            }
            Ending::HoldMusic => (Some(sound::hold_music()), true, ENDING_LIMIT),
            Ending::Beep => (Some(sound::beep()), false, RECORDING_LIMIT),
            Ending::Silence => (None, false, ENDING_LIMIT),
        };
        self.actions.push_back(match sound {
            Some(sound) => Action::Play { sound, repeat },
            None => Action::Stop,
        });
        self.state = State::Ending(now + lasts);
    }

    fn say_hello(&mut self, now: Instant) {
        let business = self.business.clone();
        // The description was checked: where a person answers there is a hello.
        let Some(hello) = &business.hello else { return self.hang_up() };
        let said = self.play(now, &hello.samples);
        self.state = State::Person(said + PATIENCE);
    }

    fn hang_up(&mut self) {
        self.state = State::Over;
        self.actions.push_back(Action::HangUp);
    }

    /// Plays a recording and says when it ends.
    fn play(&mut self, now: Instant, sound: &Arc<[i16]>) -> Instant {
        self.actions.push_back(Action::Play { sound: sound.clone(), repeat: false });
        now + duration_of(sound)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::simulator::menu::Menus;

    static MENUS: LazyLock<Menus> = LazyLock::new(|| Menus::samples().unwrap());

    /// A call in virtual time, and a caller who notes what is heard.
    struct Call {
        line: Line,
        now: Instant,
        heard: Vec<String>,
        business: Arc<Business>,
    }

    impl Call {
        fn to(name: &str) -> Self {
            let business = MENUS.businesses().find(|b| b.name == name).unwrap().clone();
            let now = phoneai_clock::Clock::real().now();
            let line = Line::new(now, business.clone());
            let mut call = Self { line, now, heard: Vec::new(), business };
            call.wait(PAUSE_BEFORE_WORDS);
            call
        }

        fn listen(&mut self) {
            while let Some(action) = self.line.poll_action() {
                let name = match action {
                    Action::Stop => "(stop)".to_owned(),
                    Action::HangUp => "(hung up)".to_owned(),
                    Action::Play { sound, .. } => self.name_of(&sound),
                };
                self.heard.push(name);
            }
        }

        fn name_of(&self, sound: &Arc<[i16]>) -> String {
            let prompts = self.business.menus().iter().map(|menu| &menu.prompt);
            let prompts = prompts.chain([&self.business.invalid, &self.business.goodbye]);
            let named = prompts.map(|p| (p.samples.clone(), p.id.clone())).chain([
                (sound::ringback(), "(ringback)".to_owned()),
                (sound::hold_music(), "(music)".to_owned()),
                (sound::beep(), "(beep)".to_owned()),
            ]);
            named.into_iter().find(|(samples, _)| Arc::ptr_eq(samples, sound)).unwrap().1
        }

        fn press(&mut self, digit: char) {
            self.line.handle_digit(self.now, digit);
            self.listen();
        }

        fn wait(&mut self, time: Duration) {
            let end = self.now + time;
            while let Some(due) = self.line.poll_timeout().filter(|due| *due <= end) {
                self.now = due;
                self.line.handle_timeout(due);
                self.listen();
            }
            self.now = end;
        }

        /// Lets the prompt that began last be said to its end.
        fn hear_out(&mut self) {
            let menu = self.business.menu(self.business.menu_no(self.line.at()).unwrap()).unwrap();
            self.wait(menu.prompt.duration());
        }

        fn heard(&mut self) -> Vec<String> {
            std::mem::take(&mut self.heard)
        }
    }

    #[test]
    fn a_key_during_the_prompt_leads_on_where_barge_in_is_allowed() {
        let mut call = Call::to("Harbor Light Electric");
        call.wait(Duration::from_secs(2));
        call.press('1');
        assert_eq!(call.heard(), ["main", "(stop)", "billing"]);
        call.press('9');
        assert_eq!(call.heard(), ["(stop)", "main"]);
    }

    #[test]
    fn an_early_key_is_lost_where_barge_in_is_not_allowed() {
        let mut call = Call::to("Maple County Library");
        call.wait(Duration::from_secs(2));
        call.press('5');
        assert_eq!(call.heard(), ["main"]);
        call.hear_out();
        call.press('5');
        assert_eq!(call.heard(), ["branches"]);
    }

    #[test]
    fn a_wrong_key_is_answered_and_the_menu_said_again_until_the_third() {
        let mut call = Call::to("Pine Road Auto Repair");
        for _ in 0..2 {
            call.hear_out();
            call.press('8');
            assert_eq!(call.heard(), ["main", "invalid"]);
            call.wait(call.business.invalid.duration());
        }
        call.press('8');
        assert_eq!(call.heard(), ["main", "(stop)", "goodbye"]);
        call.wait(call.business.goodbye.duration());
        assert_eq!(call.heard(), ["(hung up)"]);
        assert_eq!(call.line.poll_timeout(), None);
    }

    #[test]
    fn an_option_that_no_longer_exists_is_answered_as_a_wrong_key() {
        let mut call = Call::to("Maple County Library");
        call.hear_out();
        call.press('5');
        call.hear_out();
        call.press('6');
        assert_eq!(call.heard(), ["main", "branches", "invalid"]);
        call.wait(call.business.invalid.duration());
        assert_eq!(call.heard(), ["branches"]);
    }

    #[test]
    fn nothing_pressed_at_the_hotel_leads_to_the_ringing_front_desk() {
        let mut call = Call::to("Oak Street Hotel");
        call.hear_out();
        call.wait(Duration::from_millis(8_999));
        assert_eq!(call.heard(), ["main"]);
        call.wait(Duration::from_millis(1));
        assert_eq!(call.heard(), ["desk"]);
        call.hear_out();
        assert_eq!(call.heard(), ["(ringback)"]);
        call.wait(ENDING_LIMIT);
        assert_eq!(call.heard(), ["(hung up)"]);
    }

    #[test]
    fn nothing_pressed_elsewhere_repeats_the_menu_and_ends_the_call() {
        let mut call = Call::to("Maple County Library");
        call.wait(Duration::from_secs(600));
        assert_eq!(call.heard(), ["main", "main", "main", "main", "goodbye", "(hung up)"]);
    }

    #[test]
    fn an_account_number_is_never_found() {
        let mut call = Call::to("Harbor Light Electric");
        call.press('1');
        call.press('1');
        call.hear_out();
        call.heard();
        for digit in "1234567".chars() {
            call.press(digit);
            call.wait(Duration::from_secs(1));
        }
        assert_eq!(call.heard(), [""; 0]);
        call.press('8');
        assert_eq!(call.heard(), ["invalid"]);
        call.wait(call.business.invalid.duration());
        call.hear_out();
        assert_eq!(call.heard(), ["balance"]);
        call.press('1');
        call.press('#');
        assert_eq!(call.heard(), ["invalid"]);
    }

    #[test]
    fn an_unfinished_number_is_taken_as_it_is_after_a_pause() {
        let mut call = Call::to("Pine Road Auto Repair");
        call.press('3');
        call.hear_out();
        call.heard();
        call.press('5');
        call.wait(INTER_DIGIT);
        assert_eq!(call.heard(), ["invalid"]);
    }

    #[test]
    fn a_voicemail_beeps_and_records_for_half_a_minute() {
        let mut call = Call::to("Cedar Grove Clinic");
        call.press('1');
        call.press('3');
        call.heard();
        call.hear_out();
        assert_eq!(call.heard(), ["(beep)"]);
        call.press('1');
        call.wait(RECORDING_LIMIT);
        assert_eq!(call.heard(), ["(hung up)"]);
    }

    #[test]
    fn an_announcement_hangs_up_a_second_after_its_last_word() {
        let mut call = Call::to("Cedar Grove Clinic");
        call.press('2');
        call.hear_out();
        call.wait(Duration::from_millis(999));
        assert_eq!(call.heard(), ["language", "(stop)", "spanish", "(stop)"]);
        call.wait(Duration::from_millis(1));
        assert_eq!(call.heard(), ["(hung up)"]);
    }

    proptest! {
        #[test]
        fn whatever_is_pressed_the_line_hangs_up_once_and_then_stays_silent(
            steps in proptest::collection::vec(("[0-9*#x]", 0u64..20_000), 0..60),
            which in 0usize..5,
        ) {
            let business = MENUS.businesses().nth(which).unwrap();
            let mut call = Call::to(&business.name);
            for (digit, pause_ms) in steps {
                call.wait(Duration::from_millis(pause_ms));
                call.press(digit.chars().next().unwrap());
            }
            call.wait(Duration::from_secs(3_600));
            let heard = call.heard();
            prop_assert_eq!(heard.iter().filter(|what| *what == "(hung up)").count(), 1);
            prop_assert_eq!(heard.last().map(String::as_str), Some("(hung up)"));
            call.press('1');
            prop_assert!(call.heard().is_empty());
        }
    }
}

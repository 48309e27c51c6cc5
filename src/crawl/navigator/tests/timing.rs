//! When something is concluded: soon where it is plain, late where the recogniser is.

use super::{
    line::{Call, Does, Line, Prompt, call, crawl},
    scenarios::{actions, behind_zero, edge, log, said, two_levels},
};
use crate::{
    crawl::{
        navigator::{Action, EndReason, Input, Limits, Navigator, Tone, hearing::Hearing},
        tree::{Edge, NodeNo, PromptKind, Tree},
    },
    speech::{CallMs, SpeechEvent, Transcript, Word},
};

fn heard_until(at: CallMs) -> Input {
    Input::Speech(SpeechEvent::HeardUntil(at))
}

/// When each key of a call was pressed.
fn presses(call: &Call) -> Vec<u32> {
    let lines = call.log.iter().filter(|l| l.contains("Press {"));
    lines.map(|l| l.split(':').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn a_recogniser_that_is_far_behind_makes_no_dead_ends_and_no_half_menus() {
    let prompts = two_levels();
    for latency_ms in [20_000, 40_000] {
        let (tree, calls) = crawl(&prompts, latency_ms, &Limits::default());
        for node in tree.nodes() {
            let known = prompts.iter().any(|p| p.text() == node.text());
            assert!(known, "{:?}\n{}", node.text(), log(&calls));
            let dead = node.edges.values().find(|e| matches!(e, Edge::Dead(_)));
            assert_eq!(dead, None, "{}", log(&calls));
        }
    }
}

#[test]
fn a_call_that_ends_before_its_words_are_recognised_counts_against_no_key() {
    let limits = Limits { max_call_ms: 40_000, ..Limits::default() };
    let prompts = two_levels();
    let first = call(Line::new(&prompts, 600), &Tree::default(), &limits);
    let second = call(Line::new(&prompts, 50_000), &first.tree, &limits);
    assert!(!second.changes.iter().any(|c| format!("{c:?}").contains("Tried")));
    assert_eq!(second.tree, first.tree, "{}", second.log.join("\n"));
}

#[test]
fn nothing_is_concluded_from_a_prompt_of_which_words_were_lost() {
    let mut navigator = behind_zero();
    navigator.handle(9100, Input::SpeechStarted { at: 9000 });
    navigator.handle(15_000, Input::SpeechEnded { at: 14_700 });
    let dropped = SpeechEvent::Dropped { from_ms: 10_000, to_ms: 12_000 };
    navigator.handle(15_100, Input::Speech(dropped));
    navigator.handle(15_200, said("Our office is closed.", 12_000));
    navigator.handle(15_200, heard_until(14_700));
    navigator.handle_timeout(30_000);
    let done = actions(&mut navigator);
    assert!(!done.iter().any(|a| matches!(a, Action::Store(_))), "{done:?}");
    assert_eq!(navigator.outcome().map(|o| o.reason), Some(EndReason::Unheard));
}

#[test]
fn a_known_key_is_pressed_when_its_option_was_heard_and_not_in_the_greeting_before_it() {
    let mut prompts = two_levels();
    prompts[0].parts[0].0 = "Welcome to Lakeside Boats on the harbor.".into();
    let (tree, calls) = crawl(&prompts, 600, &Limits::default());
    assert_eq!(tree.nodes().len(), 5, "{}", log(&calls));
    // The greeting takes until 2740, and option two is over at 6420; half a second later it is known.
    let way_to_two = calls.iter().find(|c| c.pressed == ["2"]).expect("a call to it");
    let pressed = presses(way_to_two)[0];
    assert!((5000..7500).contains(&pressed), "{pressed} {}", log(&calls));
}

#[test]
fn a_beginning_that_several_prompts_share_is_not_enough() {
    let greeting = "Welcome to Lakeside Boats on the harbor.";
    let mut prompts = two_levels();
    prompts[0].parts[0].0 = greeting.into();
    prompts[1].parts[0].0 = greeting.into();
    let (tree, calls) = crawl(&prompts, 600, &Limits::default());
    assert_eq!(tree.nodes().len(), 5, "{}", log(&calls));
    let way_to_two = calls.iter().find(|c| c.pressed == ["2"]).expect("a call to it");
    assert!(presses(way_to_two)[0] > 4000, "{}", log(&calls));
}

#[test]
fn a_link_is_known_before_its_prompt_is_over() {
    let prompts = [
        Prompt::menu(
            "Welcome to Lakeside Boats.",
            &[
                ("9", "the ferries to the islands", Does::Go(1)),
                ("2", "opening times", Does::Go(2)),
                ("3", "tickets for groups", Does::Go(2)),
            ],
        ),
        Prompt::menu("The ferries.", &[("1", "the main menu", Does::Go(0))]),
        Prompt::says("We are open from nine to five. Goodbye."),
    ];
    let (tree, calls) = crawl(&prompts, 600, &Limits::default());
    assert_eq!(edge(&tree, 1, "1"), Some(&Edge::Link(NodeNo(0))), "{}", log(&calls));
    // The call goes on with the next key as soon as the first option is heard again.
    assert_eq!(calls[0].pressed, ["9", "1", "2"], "{}", log(&calls));
    let times = presses(&calls[0]);
    assert!(times[2] - times[1] < 6000, "{times:?} {}", log(&calls));
}

#[test]
fn a_way_is_looked_at_in_the_first_pause_of_its_prompt() {
    let prompts = two_levels();
    let first = call(Line::new(&prompts, 600), &Tree::default(), &Limits::default());
    let mut navigator = Navigator::new(first.tree, Limits::default());
    navigator.handle(0, Input::Answered);
    navigator.handle(600, Input::SpeechStarted { at: 500 });
    navigator.handle(2100, Input::SpeechEnded { at: 1800 });
    assert!(actions(&mut navigator).contains(&Action::Flush));
    navigator.handle(2200, Input::SpeechStarted { at: 2100 });
    assert_eq!(navigator.poll_timeout(), Some(2100 + 6000), "and when there is no pause");
}

#[test]
fn a_chime_behind_a_key_is_no_voicemail_and_words_under_ringback_are_none() {
    let mut navigator = behind_zero();
    navigator.handle(9500, Input::Tone { tone: Tone::Beep, at: 9000 });
    assert_eq!(actions(&mut navigator), []);
    navigator.handle(9600, Input::SpeechStarted { at: 9500 });
    navigator.handle(12_400, Input::Tone { tone: Tone::Ringback, at: 12_000 });
    assert_eq!(actions(&mut navigator).last(), Some(&Action::HangUp(EndReason::Taken)));
    navigator.handle(13_000, said("Connecting you now. Beeping.", 11_100));
    navigator.handle(13_000, heard_until(CallMs::MAX));
    actions(&mut navigator);
    let node = navigator.tree().node(NodeNo(1)).unwrap();
    assert_eq!((node.text().as_str(), node.kind), ("Connecting you now.", PromptKind::Transfer));
}

#[test]
fn a_beep_in_the_middle_of_speech_is_no_voicemail_unless_the_words_announce_it() {
    for (words, left) in
        [("For boats, press", false), ("Please leave a message after the tone.", true)]
    {
        let mut navigator = behind_zero();
        navigator.handle(9100, Input::SpeechStarted { at: 9000 });
        navigator.handle(11_500, said(words, 9000));
        navigator.handle(12_000, Input::Tone { tone: Tone::Beep, at: 11_800 });
        navigator.handle_timeout(13_500);
        navigator.handle(14_000, Input::SpeechEnded { at: 13_700 });
        navigator.handle_timeout(15_100);
        let done = actions(&mut navigator);
        assert_eq!(done.contains(&Action::HangUp(EndReason::Taken)), left, "{words} {done:?}");
    }
}

#[test]
fn what_sounds_like_music_and_has_words_is_a_voice() {
    for (words, left) in [("Our groomer is here on Tuesday", false), ("", true)] {
        let mut navigator = behind_zero();
        navigator.handle(9100, Input::SpeechStarted { at: 9000 });
        navigator.handle(12_000, Input::Tone { tone: Tone::Music, at: 9000 });
        assert_eq!(actions(&mut navigator).last(), Some(&Action::Flush));
        navigator.handle(12_400, said(words, 10_000));
        navigator.handle(12_400, heard_until(11_900));
        let done = actions(&mut navigator);
        assert_eq!(done.contains(&Action::HangUp(EndReason::Taken)), left, "{words} {done:?}");
        navigator.handle_timeout(14_000);
        let done = actions(&mut navigator);
        assert!(!done.contains(&Action::HangUp(EndReason::Taken)), "{words} {done:?}");
    }
}

#[test]
fn the_announcement_behind_special_tones_is_heard_and_ends_its_branch() {
    let mut navigator = behind_zero();
    let tone = Tone::SpecialInformation;
    navigator.handle(9700, Input::Tone { tone, at: 8400 });
    navigator.handle(10_000, Input::SpeechStarted { at: 9900 });
    navigator.handle(13_000, Input::SpeechEnded { at: 12_600 });
    navigator.handle(13_100, said("This number is not in service.", 9900));
    navigator.handle(13_100, heard_until(12_700));
    assert_eq!(navigator.poll_timeout(), Some(12_600 + 1500));
    navigator.handle_timeout(14_100);
    let node = navigator.tree().node(NodeNo(1)).unwrap();
    assert_eq!(node.text(), "This number is not in service.");
    assert_eq!(node.kind, PromptKind::Announcement);
}

#[test]
fn who_pauses_at_the_beginning_of_a_call_is_a_person_only_by_the_words() {
    for (words, person) in [("Hello?", true), ("Thank you for calling.", false)] {
        let mut navigator = Navigator::new(Tree::default(), Limits::default());
        navigator.handle(0, Input::Answered);
        navigator.handle(600, Input::SpeechStarted { at: 500 });
        navigator.handle(1300, Input::SpeechEnded { at: 1000 });
        navigator.handle(1900, Input::Person { at: 1900 });
        assert_eq!(actions(&mut navigator).last(), Some(&Action::Flush));
        navigator.handle(2200, said(words, 500));
        let left = actions(&mut navigator).contains(&Action::HangUp(EndReason::Taken));
        assert_eq!(left, person, "{words}");
    }
}

#[test]
fn a_request_for_digits_is_left_soon_and_a_menu_is_not() {
    for (words, quiet) in [
        ("Please enter your account number.", 2500),
        ("Our crews are on their way. Goodbye.", 1500),
        ("For boats, press one.", 5000),
    ] {
        let mut navigator = behind_zero();
        navigator.handle(9100, Input::SpeechStarted { at: 9000 });
        navigator.handle(11_300, Input::SpeechEnded { at: 11_100 });
        navigator.handle(11_400, said(words, 9000));
        navigator.handle(11_400, heard_until(11_200));
        let over = navigator.poll_timeout().unwrap();
        assert_eq!(over, 11_100 + quiet, "{words}");
    }
}

/// What is kept of these words, each with its beginning and the end of the last, behind an early
/// key that ended at 10200.
fn behind_an_early_key(began: Option<CallMs>, words: &[(&str, CallMs)], end: CallMs) -> String {
    let limits = Limits::default();
    let mut before = Hearing::new(0, None, &limits);
    before.speech_started(100);
    let mut hearing = Hearing::new(10_000, Some(&before), &limits);
    hearing.keys_sent(10_200);
    if let Some(began) = began {
        hearing.speech_ended(10_250);
        hearing.speech_started(began);
    }
    // Contiguous, as a recogniser tells them: each ends where the next begins.
    let ends = words.iter().skip(1).map(|(_, start)| *start).chain([end]);
    let words = words.iter().zip(ends).map(|((text, start), end)| Word {
        text: (*text).to_owned(),
        start_ms: *start,
        end_ms: end,
        confidence: 0.9,
    });
    let words = words.collect();
    let heard = SpeechEvent::Final(Transcript { words, confidence: 0.9 });
    hearing.take(heard, &limits);
    hearing.so_far().iter().map(Transcript::text).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_first_words_of_a_prompt_that_follows_a_key_at_once_are_not_the_tail_of_the_one_before() {
    let words =
        [("one", 9900), ("You", 10_300), ("have", 10_600), ("selected", 10_750), ("sales", 11_200)];
    assert_eq!(behind_an_early_key(Some(10_400), &words, 11_600), "You have selected sales");
    // The one before goes on, because nobody has taken notice yet: its words are its tail.
    let words = [("press", 9900), ("one", 10_300), ("now", 10_600), ("Your", 11_000)];
    assert_eq!(behind_an_early_key(None, &words, 11_300), "Your");
}

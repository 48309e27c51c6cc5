use proptest::prelude::*;

use super::*;

/// One prompt of a table and what it should be understood as.
struct Case {
    line: usize,
    text: String,
    kind: String,
    asks: Option<String>,
    options: Vec<(String, String)>,
}

/// Reads `tests/data/prompts/*.tsv`: text, kind, and "key=label; key=label", separated by tabs.
fn table(name: &str) -> Vec<Case> {
    let path = format!("{}/tests/data/prompts/{name}.tsv", env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let rows = table.lines().enumerate().filter(|(_, l)| !l.is_empty() && !l.starts_with("//"));
    rows.map(|(i, row)| {
        let fields: Vec<&str> = row.split('\t').collect();
        let [text, kind, options] = fields[..] else {
            panic!("{path}:{}: {} fields instead of 3", i + 1, fields.len())
        };
        let options = options.split("; ").filter(|o| !o.is_empty()).map(|o| {
            let (key, label) = o.split_once('=').unwrap_or_else(|| panic!("{path}:{}", i + 1));
            (key.to_owned(), label.to_owned())
        });
        let (kind, asks) = kind.split_once(' ').map_or((kind, None), |(k, a)| (k, Some(a.into())));
        Case { line: i + 1, text: text.into(), kind: kind.into(), asks, options: options.collect() }
    })
    .collect()
}

/// The text with `|` as a pause of 700 ms between two stretches of speech.
fn transcripts(text: &str) -> Vec<Transcript> {
    let mut at = 0;
    text.split('|')
        .map(|part| {
            let mut transcript = transcript_of(part);
            for word in &mut transcript.words {
                word.start_ms += at;
                word.end_ms += at;
            }
            at = transcript.words.last().map_or(at, |w| w.end_ms) + 700;
            transcript
        })
        .collect()
}

fn content(label: &str) -> Vec<&str> {
    label
        .split(' ')
        .filter(|w| !matches!(*w, "" | "the" | "a" | "an" | "your" | "you" | "our" | "of" | "to"))
        .collect()
}

#[derive(Default)]
struct Score {
    expected: usize,
    found: usize,
    right: usize,
    labels: usize,
    kinds: usize,
    cases: usize,
    differences: String,
}

fn score(cases: &[Case]) -> Score {
    let mut score = Score::default();
    for case in cases {
        let got = understand(&transcripts(&case.text));
        let kind = serde_json::to_value(got.kind).unwrap();
        score.cases += 1;
        score.kinds += usize::from(kind == case.kind.as_str());
        score.expected += case.options.len();
        score.found += got.options.len();
        let asks = serde_json::to_value(got.asks).unwrap();
        let mut same = kind == case.kind.as_str();
        same &= case.asks.as_ref().is_none_or(|wanted| asks == wanted.as_str());
        for (key, label) in &case.options {
            let option = got.options.iter().find(|o| o.keys.as_str() == key);
            let label_right = option.is_some_and(|o| content(&o.label) == content(label));
            score.right += usize::from(option.is_some());
            score.labels += usize::from(label_right);
            same &= label_right;
        }
        if !same || got.options.len() != case.options.len() {
            let options: Vec<String> =
                got.options.iter().map(|o| format!("{}={}", o.keys, o.label)).collect();
            score.differences.push_str(&format!(
                "line {}: {}\n  expected {} {:?}\n  got      {} {:?}\n",
                case.line, case.text, case.kind, case.options, kind, options
            ));
        }
    }
    score
}

fn assert_thresholds(name: &str) {
    let score = score(&table(name));
    let of = |a: usize, b: usize| a as f64 / b.max(1) as f64;
    let (precision, recall) = (of(score.right, score.found), of(score.right, score.expected));
    let (labels, kinds) = (of(score.labels, score.expected), of(score.kinds, score.cases));
    println!("{}", score.differences);
    println!(
        "{name}: {} prompts, {} options: keys precision {precision:.3}, recall {recall:.3}; \
         labels {labels:.3}; kinds {kinds:.3}",
        score.cases, score.expected
    );
    assert!(precision >= 0.98, "precision {precision}");
    assert!(recall >= 0.98, "recall {recall}");
    assert!(labels >= 0.93, "labels {labels}");
    assert!(kinds >= 0.95, "kinds {kinds}");
}

#[test]
fn prompts_that_the_rules_were_written_on_are_understood() {
    for name in ["seen", "seen_too", "seen_more", "seen_hard", "seen_misheard"] {
        assert_thresholds(name);
    }
}

#[test]
fn prompts_that_the_rules_were_not_written_on_are_understood() {
    assert_thresholds("held_out");
    assert_thresholds("held_out_too");
}

#[test]
fn words_of_an_option_keep_their_times_and_spelling() {
    let heard = transcripts("east press one for Sales, | please press three to voice");
    let got = understand(&heard);
    let said: Vec<&str> = got.options.iter().map(|o| o.said.as_str()).collect();
    assert_eq!(said, ["east press one for Sales", "press three to voice"]);
    assert_eq!((got.options[0].start_ms, got.options[0].end_ms), (0, 1500));
    assert_eq!((got.options[1].start_ms, got.options[1].end_ms), (2500, 3700));
}

#[test]
fn a_pause_cuts_a_sentence_as_a_full_stop_does() {
    let got =
        understand(&transcripts("we close at | nine | for sales press | one | for parts | two"));
    let keys: Vec<&str> = got.options.iter().map(|o| o.keys.as_str()).collect();
    assert_eq!(keys, ["1", "2"]);
}

#[test]
fn options_that_are_read_again_are_merged_and_noticed() {
    let once = understand_text("For sales, press one. For parts, press two.");
    let twice = understand_text(
        "For sales, press one. For parts, press two. For sales, press one. For parts, press two.",
    );
    assert!(!once.said_twice && twice.said_twice);
    assert_eq!(once.options, twice.options);
}

#[test]
fn a_guessed_word_makes_an_option_less_certain() {
    let mut heard = transcripts("press one for sales press won for cats press to for dogs");
    let sure = understand(&heard).options[0].confidence;
    heard[0].words.iter_mut().for_each(|w| w.confidence = 0.5);
    let unsure = understand(&heard).options[0].confidence;
    assert!((sure - 1.0).abs() < 1e-6 && (unsure - 0.5).abs() < 1e-6);
    assert!(understand(&heard).options[1].confidence < unsure);
}

#[test]
fn what_is_said_beside_the_options_is_noticed() {
    let got = understand_text("For sales, press one, or stay on the line.");
    assert!(got.stay_on_line && !got.no_input && !got.goodbye);
    assert!(understand_text("If you know your party's extension, dial it now.").extension_any_time);
    assert!(understand_text("We did not receive a response. Goodbye.").no_input);
    assert!(understand_text("Thank you for calling. Goodbye.").goodbye);
}

#[test]
fn a_person_is_told_from_a_machine_that_speaks_like_one() {
    let kind = |text: &str| understand_text(text).kind;
    assert_eq!(kind("Hello?"), PromptKind::Person);
    assert_eq!(kind("Good morning, this is Ann, how can I help you?"), PromptKind::Person);
    assert_eq!(
        kind("Hi, I'm the automated assistant. How can I help you? You can say billing."),
        PromptKind::Input
    );
    assert_eq!(kind("Hi, this is Ann. Leave me a message."), PromptKind::Voicemail);
}

#[test]
fn what_a_prompt_asks_for_is_named_only_if_it_asks() {
    assert_eq!(understand_text("Please enter your date of birth.").asks, Some(Asked::Date));
    assert_eq!(understand_text("For your date of birth, press one.").asks, None);
}

#[test]
fn a_key_that_was_heard_badly_weighs_more_than_its_label() {
    let heard = transcripts("for the parts and service desk press one");
    let confidence = |word: usize| {
        let mut words = heard.clone();
        words[0].words[word].confidence = 0.0;
        understand(&words).options[0].confidence
    };
    assert!(confidence(7) < confidence(2));
}

#[test]
fn a_prompt_of_any_length_is_bounded() {
    let many: String = (0..5000).map(|i| format!("press {} for item {i}. ", i % 1000)).collect();
    assert_eq!(understand_text(&many).options.len(), MAX_OPTIONS);
}

fn any_word() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "press", "one", "2", "to", "for", "for", "or", "and", "the", "star", "pound", "#", "*",
            "sales,", "support.", "option", "para", "oprima", "dial", "911", "if", "you", "say",
            "marque", "oprima", "gato", "numero", "signo", "si", "no", "espere", "cuelgue", "uno",
            "o", "enter", "key", "now", "twenty", "oh", "hang", "up", "please", "1.", "not", "|",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,6}",
    ]
}

proptest! {
    #[test]
    fn no_words_make_it_panic(words in proptest::collection::vec(any_word(), 0..60)) {
        let heard = transcripts(&words.join(" "));
        let got = understand(&heard);
        let end = heard.iter().flat_map(|t| &t.words).map(|w| w.end_ms).max().unwrap_or(0);
        for (i, option) in got.options.iter().enumerate() {
            prop_assert!(option.start_ms < option.end_ms && option.end_ms <= end);
            prop_assert!((0.0..=1.0).contains(&option.confidence));
            prop_assert!(!option.said.is_empty());
            prop_assert!(got.options.iter().skip(i + 1).all(|o| o.keys != option.keys));
        }
    }

    #[test]
    fn words_without_numbers_offer_nothing(
        words in proptest::collection::vec("[a-z]{1,8}[,.]?", 0..60),
    ) {
        let no_number = |w: &&String| {
            let word = w.trim_end_matches([',', '.']);
            lexicon::number(word).is_none() && lexicon::tens(word).is_none()
        };
        let text: Vec<&str> = words.iter().filter(no_number).map(String::as_str).collect();
        prop_assert_eq!(understand_text(&text.join(" press ")).options, []);
    }

    #[test]
    fn every_order_and_verb_of_a_spanish_menu_means_the_same(
        after in any::<bool>(),
        stops in any::<bool>(),
        verb in proptest::sample::select(
            vec!["marque", "oprima el", "presione la tecla", "pulse", "digite"],
        ),
        labels in proptest::sample::subsequence(
            vec!["ventas", "pagos y facturas", "citas", "reservas", "servicio al cliente"],
            1..=5,
        ),
    ) {
        const WORDS: [&str; 5] = ["uno", "dos", "tres", "cuatro", "cinco"];
        let (comma, stop) = if stops { (",", ".") } else { ("", "") };
        let text: Vec<String> = labels
            .iter()
            .zip(WORDS)
            .map(|(label, key)| if after {
                format!("{verb} {key} para {label}{stop}")
            } else {
                format!("para {label}{comma} {verb} {key}{stop}")
            })
            .collect();
        let text = text.join(" ");
        let got: Vec<String> =
            understand_text(&text).options.into_iter().map(|o| o.label).collect();
        prop_assert_eq!(got, labels, "{}", text);
    }

    #[test]
    fn every_order_and_spelling_of_a_menu_means_the_same(
        after in any::<bool>(),
        figures in any::<bool>(),
        stops in any::<bool>(),
        verb in proptest::sample::select(vec!["press", "dial", "select", "please press", "push"]),
        labels in proptest::sample::subsequence(
            vec!["sales", "the parts desk", "tickets", "lost bags", "school groups", "billing"],
            1..=6,
        ),
    ) {
        const WORDS: [&str; 6] = ["one", "two", "three", "four", "five", "six"];
        let mut text = String::new();
        for (i, label) in labels.iter().enumerate() {
            let key = if figures { (i + 1).to_string() } else { WORDS[i].to_owned() };
            let (comma, stop) = if stops { (",", ".") } else { ("", "") };
            text += &if after {
                format!("{verb} {key} for {label}{stop} ")
            } else {
                format!("for {label}{comma} {verb} {key}{stop} ")
            };
        }
        let got: Vec<(String, String)> = understand_text(&text)
            .options
            .into_iter()
            .map(|o| (o.keys.to_string(), o.label))
            .collect();
        let expected: Vec<(String, String)> = labels
            .iter()
            .enumerate()
            .map(|(i, l)| ((i + 1).to_string(), l.trim_start_matches("the ").to_owned()))
            .collect();
        prop_assert_eq!(got, expected, "{}", text);
    }
}

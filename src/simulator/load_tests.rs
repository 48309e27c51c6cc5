use std::path::Path;

use super::*;
use crate::simulator::menu::Menus;

const GOOD: &str = r#"
name = "Test"
number = "+12025550150"
voice = "joe"
first = "main"
invalid = { say = "No." }
goodbye = { say = "Bye." }

[menu.main]
kind = "menu"
say = "For sales, press one. [2.5 s] Press zero."
options = [
    { keys = "1", label = "sales", to = "sales" },
    { keys = "0", label = "zero", to = "invalid entry" },
]

[menu.sales]
kind = "announcement"
say = "Sold out."
"#;

fn wav(channels: u16, sample_rate: u32, samples: usize) -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    let sample_format = hound::SampleFormat::Int;
    let spec = hound::WavSpec { channels, sample_rate, bits_per_sample: 16, sample_format };
    let mut writer = hound::WavWriter::new(&mut out, spec).unwrap();
    for _ in 0..samples * usize::from(channels) {
        writer.write_sample(7_i16).unwrap();
    }
    writer.finalize().unwrap();
    out.into_inner()
}

/// Loads these descriptions; every recording but those with "missing" in their name is there.
fn load(files: &[(&str, &str)]) -> Result<BTreeMap<String, Behaviour>, Mistakes> {
    let names = files.iter().map(|(name, _)| (*name).to_owned()).collect();
    lines(names, &|name| match files.iter().find(|(known, _)| *known == name) {
        Some((_, text)) => Ok(Cow::Owned(text.as_bytes().to_vec())),
        None if name.contains("missing") => Err("there is no such file".to_owned()),
        None if name.contains("stereo") => Ok(Cow::Owned(wav(2, 8_000, 80))),
        None if name.contains("wideband") => Ok(Cow::Owned(wav(1, 16_000, 80))),
        None if name.contains("empty") => Ok(Cow::Owned(wav(1, 8_000, 0))),
        None if name.contains("endless") => Ok(Cow::Owned(wav(1, 8_000, 121 * 8_000))),
        None if name.contains("broken") => Ok(Cow::Borrowed(b"RIFF")),
        None => Ok(Cow::Owned(wav(1, 8_000, 80))),
    })
}

/// The mistakes in the good description after a replacement, without its name.
fn mistakes(from: &str, to: &str) -> Vec<String> {
    assert!(GOOD.contains(from), "{from:?} is not in the description");
    let Err(found) = load(&[("t.toml", &GOOD.replacen(from, to, 1))]) else { return Vec::new() };
    found.0.iter().map(|m| m.to_string().replacen("t.toml: ", "", 1)).collect()
}

#[test]
fn a_good_description_is_read() {
    let lines = load(&[("t.toml", GOOD), ("make.py", "?")]).unwrap();
    let Some(Behaviour::Business(business)) = lines.get("+12025550150") else {
        panic!("{lines:?}")
    };
    let main = business.menu(business.first).unwrap();
    assert_eq!(main.prompt.text, "For sales, press one. Press zero.");
    let Then::Listen(listen) = &main.then else { panic!("{main:?}") };
    assert_eq!(listen.options[0].to, Target::Menu(business.menu_no("sales").unwrap()));
    assert_eq!(listen.options[1].to, Target::InvalidEntry);
    assert_eq!((listen.wait, listen.repeats, listen.barge_in), (DEFAULT_WAIT, 1, true));
}

#[test]
fn each_mistake_is_told_with_its_key() {
    for (from, to, expected) in [
        ("[menu.main]", "[menu.main]\nshout = true", "line 10: unknown field `shout`"),
        ("voice = \"joe\"", "", "line 1: missing field `voice`"),
        ("kind = \"menu\"", "kind = \"lunch\"", "line 10: unknown variant `lunch`"),
        ("kind = \"menu\"", "kind = \"invalid\"", "menu.main.kind: the answer to a wrong key"),
        ("first = \"main\"", "first = \"start\"", "first: there is no menu \"start\""),
        ("to = \"sales\"", "to = \"sails\"", "menu.main.options[0].to: there is no menu \"sails\""),
        ("keys = \"0\"", "keys = \"1\"", "menu.main.options[1].keys: 1 is offered twice"),
        ("keys = \"0\"", "keys = \"zero\"", "menu.main.options[1].keys: not keys of"),
        ("label = \"sales\"", "label = \" \"", "menu.main.options[0].label: the label is empty"),
        ("\nkind = \"menu\"", "\nkind = \"queue\"", "menu.main.options: this kind of prompt takes"),
        ("Sold out.", "", "menu.sales.say: nothing is said"),
        ("\"Sold out.\"", "\"Sold out.\"\ndigits = 3", "menu.sales.digits: this kind of prompt"),
        (
            "\"Sold out.\"",
            "\"Sold.\"\naudio = \"missing.wav\"",
            "menu.sales.audio: missing.wav: th",
        ),
        (
            "\"Sold out.\"",
            "\"Sold.\"\naudio = \"stereo.wav\"",
            "menu.sales.audio: stereo.wav: it has 2",
        ),
        (
            "\"Sold out.\"",
            "\"Sold.\"\naudio = \"wideband\"",
            "menu.sales.audio: wideband: it has 1 ch",
        ),
        (
            "\"Sold out.\"",
            "\"Sold.\"\naudio = \"empty.wav\"",
            "menu.sales.audio: empty.wav: it has no",
        ),
        (
            "\"Sold out.\"",
            "\"Sold.\"\naudio = \"endless\"",
            "menu.sales.audio: endless: it is longer",
        ),
        ("\"Sold out.\"", "\"Sold.\"\naudio = \"broken\"", "menu.sales.audio: broken: "),
        ("\n[menu.sales]", "wait_ms = -1\n[menu.sales]", "line 16: invalid value"),
        (
            "\n[menu.sales]",
            "no_input = \"x\"\n[menu.sales]",
            "menu.main.no_input: there is no menu",
        ),
        (
            "\n[menu.sales]",
            "then = \"beep\"\n[menu.sales]",
            "menu.main.then: this kind of prompt wa",
        ),
        ("\n[menu.sales]", "digits = 1\n[menu.sales]", "menu.main.digits: only kind = \"input\""),
        ("+12025550150", "12025550150", "number: \"12025550150\" is not a number like"),
        ("to = \"sales\"", "to = \"main\"", "menu.sales: no key and no waiting leads there"),
    ] {
        let found = mistakes(from, to);
        assert!(found.iter().any(|m| m.starts_with(expected)), "{to:?}: {found:#?}");
    }
}

#[test]
fn all_mistakes_of_all_files_are_told_at_once() {
    let bad = GOOD.replace("to = \"sales\"", "to = \"a\"").replace("keys = \"0\"", "keys = \"\"");
    let lines = r#"line = [{ number = "+12025550150", behaviour = "busy" }]"#;
    let found = load(&[("a.toml", &bad), ("b.toml", lines), ("c.toml", "x")]).unwrap_err();
    let files: Vec<&str> = found.0.iter().map(|m| m.file.as_str()).collect();
    assert_eq!(files, ["a.toml", "a.toml", "b.toml", "c.toml"]);
    assert!(found.to_string().contains("+12025550150 is described in a.toml already"), "{found}");
}

#[test]
fn a_directory_without_descriptions_is_a_mistake() {
    assert!(load(&[]).is_err());
    let dir = tempfile::tempdir().unwrap();
    assert!(Menus::read(dir.path()).is_err());
    assert!(Menus::read(&dir.path().join("none")).is_err());
}

#[test]
fn a_directory_is_read_like_the_menus_that_are_built_in() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_audio");
    let (read, built_in) = (Menus::read(&dir).unwrap(), Menus::samples().unwrap());
    let numbers = |menus: &Menus| menus.lines().map(|(n, _)| n.to_owned()).collect::<Vec<_>>();
    assert_eq!(numbers(&read), numbers(&built_in));
}

#[test]
fn the_sample_menus_have_what_was_asked_for() {
    let menus = Menus::samples().unwrap();
    let businesses: Vec<_> = menus.businesses().collect();
    assert!(businesses.len() >= 5);
    let prompts: usize = businesses.iter().map(|b| b.menus().len()).sum();
    assert!(prompts >= 40, "{prompts} prompts");
    let kinds: BTreeSet<String> = businesses
        .iter()
        .flat_map(|b| b.menus().iter().map(|menu| format!("{:?}", menu.kind)))
        .collect();
    for kind in ["Menu", "Language", "Input", "Transfer", "Queue", "Voicemail", "Announcement"] {
        assert!(kinds.contains(kind), "{kind}");
    }
    assert!(businesses.iter().any(|b| b.early.is_some()));
    for (number, _) in menus.lines() {
        // Numbers that nobody has: +1 202 555 0100 to 0199.
        assert!(number.starts_with("+120255501") && number.len() == 12, "{number}");
    }
}

#[test]
fn recordings_are_at_the_level_of_telephone_speech() {
    for business in Menus::samples().unwrap().businesses() {
        for menu in business.menus() {
            let samples = &menu.prompt.samples;
            let power: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum();
            let level = 10.0 * (power / samples.len() as f64 / 32_768_f64.powi(2)).log10();
            assert!((-27.0..-18.0).contains(&level), "{}: {level:.1} dBov", menu.prompt.id);
            assert!(menu.prompt.duration() > Duration::from_secs(1));
        }
    }
}

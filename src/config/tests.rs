use std::{collections::BTreeSet, path::Path};

use super::*;

fn env(pairs: &[(&str, &str)]) -> Env {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn check(text: &str) -> Checked {
    Config::check_text(Path::new("test.toml"), text, &Env::new())
}

/// The mistakes, each without the file's name.
fn complaints(text: &str) -> Vec<String> {
    let all = check(text).mistakes;
    all.iter().map(|m| m.to_string().replace("test.toml:", "")).collect()
}

fn only_complaint(text: &str) -> String {
    let all = complaints(text);
    assert_eq!(all.len(), 1, "{all:#?}");
    all.into_iter().next().unwrap()
}

#[test]
fn the_example_is_the_defaults_and_has_every_setting() {
    let checked = check(EXAMPLE);
    assert_eq!(checked.mistakes, []);
    assert_eq!(checked.config, Config::default());

    let written: toml::Table = EXAMPLE.parse().unwrap();
    let written: BTreeSet<(String, String)> = written
        .iter()
        .flat_map(|(s, t)| t.as_table().unwrap().keys().map(|k| (s.clone(), k.clone())))
        .collect();
    let known: BTreeSet<(String, String)> =
        checked.shown.iter().map(|s| (s.section.to_owned(), s.key.to_owned())).collect();
    assert_eq!(written, known);
}

#[test]
fn without_file_and_environment_the_defaults_hold() {
    let loaded = Config::load(None, &Env::new()).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert!(loaded.shown.iter().all(|s| s.origin == Origin::Default));
}

#[test]
fn every_comment_of_the_example_stands_above_a_setting() {
    let mut lines = EXAMPLE.lines().skip_while(|l| !l.starts_with('[')).peekable();
    while let Some(line) = lines.next() {
        if line.starts_with('#') {
            assert!(lines.peek().is_some_and(|next| !next.is_empty()), "{line}");
        }
    }
}

#[test]
fn an_unknown_key_is_an_error_with_line_column_and_the_nearest_name() {
    assert_eq!(
        only_complaint("[crawl]\n  silense_ms = 100\n"),
        "2:3: error: [crawl] has no setting `silense_ms`; did you mean `silence_ms`?"
    );
}

#[test]
fn an_unknown_section_is_an_error() {
    assert_eq!(
        only_complaint("[trunks]\naddress = \"a\"\n"),
        "1:2: error: there is no section [trunks]; did you mean `trunk`?"
    );
}

#[test]
fn a_setting_outside_of_its_section_is_an_error() {
    assert_eq!(
        only_complaint("silence_ms = 4000\n"),
        "1:1: error: `silence_ms` stands outside of any section; move it below [crawl]"
    );
    assert_eq!(
        only_complaint("crawl = 5\n"),
        "1:9: error: `crawl` is a section, not a setting; \
         write [crawl] on a line of its own and its settings below it"
    );
}

#[test]
fn a_value_of_the_wrong_type_is_an_error() {
    assert_eq!(
        only_complaint("[crawl]\nmax_depth = \"4\"\n"),
        "2:13: error: crawl.max_depth is text; write it without quotes"
    );
    assert_eq!(
        only_complaint("[crawl]\nmax_depth = 4.5\n"),
        "2:13: error: crawl.max_depth is a number; write a whole number from 0 to 4294967295"
    );
    assert_eq!(
        only_complaint("[store]\ndata_dir = 5\n"),
        "2:12: error: store.data_dir is a number, but must be text; put it in quotes"
    );
    assert_eq!(
        only_complaint("[recording]\nenabled = \"yes\"\n"),
        "2:11: error: recording.enabled is not true or false; write true or false"
    );
    assert!(only_complaint("[media]\nport_min = 99999\n").contains("from 0 to 65535"));
    assert!(only_complaint("[crawl]\nmax_depth = -1\n").contains("whole number"));
    assert!(only_complaint("[log]\nformat = [\"text\"]\n").contains("is a list"));
    assert!(only_complaint("[api]\nlisten = \"8080\"\n").contains("an IP address and a port"));
    assert!(only_complaint("[log]\nformat = \"xml\"\n").contains("one of \"text\" \"json\""));
    assert!(only_complaint("[speech]\nengine = \"parrot\"\n").contains("one of \"local\""));
}

#[test]
fn a_number_out_of_range_is_an_error_that_names_the_range() {
    assert_eq!(
        only_complaint("[crawl]\nsilence_ms = 20\n"),
        "2:14: error: crawl.silence_ms is 20, which is not from 500 to 60000; \
         write a number from 500 to 60000"
    );
}

#[test]
fn contradictory_values_are_errors() {
    for (text, part) in [
        ("[crawl]\nsilence_ms = 9000\nno_speech_ms = 9000", "2:14: error: crawl.silence_ms"),
        ("[crawl]\nmax_call_seconds = 30", "2:20: error: crawl.max_call_seconds"),
        (
            "[crawl]\nretry_first_seconds = 9\nretry_max_seconds = 8",
            "2:23: error: crawl.retry_first",
        ),
        ("[media]\nport_min = 3000\nport_max = 2000", "2:12: error: media.port_min is 3000"),
        ("[media]\nport_min = 3000\nport_max = 3005", "max_concurrent_calls is 4, but"),
        ("[media]\nbind = \"::1\"", "2:8: error: media.bind and sip.listen"),
        ("[sip]\nadvertise = \"0.0.0.0\"", "which no peer can send to"),
        ("[sip]\nadvertise = \"2001:db8::1\"", "different IP versions"),
        ("[trunk]\naddress = \"a\"\nregister = true", "trunk.username is empty"),
        ("[trunk]\naddress = \"a\"\nusername = \"u\"", "trunk.password is empty"),
        ("[trunk]\naddress = \"a\"\npassword = \"u\"", "trunk.username is empty"),
        ("[trunk]\ntech_prefix = \"1*\"", "trunk.address is empty"),
        ("[trunk]\naddress = \"a\"\ntech_prefix = \"1;x\"", "other characters than digits"),
        ("[trunk]\naddress = \"a\"\ncaller_id = \"anna\"", "is not a telephone number"),
        ("[trunk]\naddress = \"a b\"", "a host name or IP address"),
        ("[log]\nlevel = \"loud=very\"", "log.level is not understood"),
        ("[speech]\nmodel = \"huge\"", "is not a model that this build knows"),
        ("[store]\ndata_dir = \"\"", "store.data_dir is empty"),
        ("[policy]\nmax_day_cost = \"5\"", "but policy.cost_per_minute is 0"),
        ("[crawl]\nmax_scan_cost = \"5\"", "but policy.cost_per_minute is 0"),
        (
            "[policy]\ncost_per_minute = \"2\"\nmax_day_cost = \"1.5\"",
            "is 1.5, which pays for no minute",
        ),
        ("[policy]\nhours = \"21:00-08:00\"", "like \"08:00-21:00\", the earlier first"),
        ("[policy]\ndays = \"weekend\"", "days and ranges of days, like \"mon-fri\""),
        ("[policy]\ncountries = \"us\"", "\"us\" is none"),
        ("[policy]\ndeny = \"911\"", "\"911\" is neither"),
        ("[policy]\ncost_per_minute = 0.01", "put it in quotes"),
        ("[policy]\ncost_per_minute = \"1e3\"", "up to six digits behind the point"),
        ("[trunk]\naddress = \"a\"\ntech_prefix = \"911\"", "begins like a number that calls"),
    ] {
        let complaint = only_complaint(text);
        assert!(complaint.contains(part), "{text}\n{complaint}");
    }
}

#[test]
fn a_simulator_that_strangers_reach_is_a_warning() {
    let checked = check("[simulator]\nlisten = \"192.0.2.1:5070\"\n");
    let severities: Vec<Severity> = checked.mistakes.iter().map(|m| m.severity).collect();
    assert_eq!(severities, [Severity::Warning]);
    assert_eq!(checked.config.simulator.listen.port(), 5070);
}

#[test]
fn broken_toml_is_reported_with_its_line_and_the_rest_is_still_read() {
    let all = complaints("[crawl]\nmax_depth = \nsilence_ms = 1\n[nope]\n");
    assert!(all.iter().any(|m| m.starts_with("2:") && m.contains("not valid TOML")), "{all:#?}");
    assert!(all.iter().any(|m| m.starts_with("3:") && m.contains("silence_ms is 1")), "{all:#?}");
    assert!(all.iter().any(|m| m.starts_with("4:") && m.contains("[nope]")), "{all:#?}");
}

#[test]
fn a_key_written_twice_is_an_error() {
    let all = complaints("[crawl]\nmax_depth = 4\nmax_depth = 5\n");
    assert!(all.iter().any(|m| m.starts_with("3:")), "{all:#?}");
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_lines() {
    let text = "[api]\nlisten = \"nowhere\"\n[crawl]\nsilence_ms = 1\nmax_depth = \"8\"\n\
                colour = \"red\"\n[log]\nformat = \"xml\"\n[trunk]\naddress = \"sip.example.net\"\n\
                username = \"u\"\npassword = \"${file:/nonexistent/secret}\"\n";
    let all = complaints(text);
    let lines: Vec<&str> = all.iter().filter_map(|m| m.split(':').next()).collect();
    assert_eq!(lines, ["2", "4", "5", "6", "8", "11", "12"], "{all:#?}");
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
    let text = "[crawl]\nmax_depth = 5\nsilence_ms = 3000\n";
    let env = env(&[("PHONEAI_CRAWL_MAX_DEPTH", "6"), ("PHONEAI_RECORDING_ENABLED", "false")]);
    let checked = Config::check_text(Path::new("t.toml"), text, &env);
    assert_eq!(checked.mistakes, []);
    assert_eq!(checked.config.crawl.max_depth, 6);
    assert_eq!(checked.config.crawl.silence_ms, 3000);
    assert_eq!(checked.config.crawl.max_attempt, Crawl::default().max_attempt);
    assert!(!checked.config.recording.enabled);
    let of = |key: &str| checked.shown.iter().find(|s| s.key == key).unwrap().origin.clone();
    assert_eq!(of("max_depth"), Origin::Variable("PHONEAI_CRAWL_MAX_DEPTH".to_owned()));
    assert_eq!(of("silence_ms"), Origin::File);
    assert_eq!(of("max_attempt"), Origin::Default);
}

#[test]
fn a_wrong_variable_is_named_in_the_message() {
    let env = env(&[("PHONEAI_CRAWL_MAX_DEPTH", "deep"), ("PHONEAI_API_LISTEN", "here")]);
    let checked = Config::check_text(Path::new("t.toml"), "", &env);
    let all: Vec<String> = checked.mistakes.iter().map(Mistake::to_string).collect();
    assert_eq!(all.len(), 2, "{all:#?}");
    assert!(all[0].starts_with("environment variable PHONEAI_API_LISTEN: error: api.listen"));
    assert!(all[1].starts_with("environment variable PHONEAI_CRAWL_MAX_DEPTH: error:"));
}

#[test]
fn an_unknown_variable_of_a_section_is_a_warning_and_others_are_not_ours() {
    let env = env(&[("PHONEAI_TRUNK_PASWORD", "x"), ("PHONEAI_TOKEN", "y"), ("PHONEAI_API", "z")]);
    let checked = Config::load(None, &env).unwrap();
    let all: Vec<String> = checked.mistakes.iter().map(Mistake::to_string).collect();
    assert_eq!(
        all,
        ["environment variable PHONEAI_TRUNK_PASWORD: warning: it is the name of no setting and \
          is ignored; did you mean `PHONEAI_TRUNK_PASSWORD`?"]
    );
}

#[test]
fn secrets_come_from_files_variables_and_references() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("secret"), "from a file\n").unwrap();
    let path = dir.path().join("phoneai.toml");
    let password = |value: &str, env: &Env| {
        let text = format!(
            "[trunk]\naddress = \"sip.example.net\"\nusername = \"u\"\npassword = \"{value}\"\n"
        );
        std::fs::write(&path, text).unwrap();
        let trunk = Config::load(Some(&path), env).unwrap().config.trunk.unwrap();
        trunk.password.unwrap().expose().clone()
    };
    let set = |value: &str| env(&[("PHONEAI_TRUNK_PASSWORD", value), ("OTHER", "by reference")]);
    assert_eq!(password("plain", &Env::new()), "plain");
    assert_eq!(password("${file:secret}", &Env::new()), "from a file");
    assert_eq!(password("${env:OTHER}", &env(&[("OTHER", "by reference")])), "by reference");
    assert_eq!(password("plain", &set("from a variable")), "from a variable");
    assert_eq!(password("plain", &set("${file:secret}")), "from a file");
    assert_eq!(password("plain", &set("${env:OTHER}")), "by reference");
}

#[test]
fn a_number_can_come_from_a_reference() {
    let checked = Config::check_text(
        Path::new("t.toml"),
        "[crawl]\nmax_depth = \"${env:DEPTH}\"\n",
        &env(&[("DEPTH", "3")]),
    );
    assert_eq!(checked.mistakes, []);
    assert_eq!(checked.config.crawl.max_depth, 3);
}

#[test]
fn a_reference_that_cannot_be_read_says_what_to_do() {
    let trunk = "[trunk]\naddress = \"a\"\nusername = \"u\"\npassword = ";
    for (value, part) in [
        ("\"${env:NOT_SET}\"", "names the environment variable NOT_SET, which is not set"),
        ("\"${file:/nonexistent/x}\"", "/nonexistent/x, which failed: "),
        ("\"${file:/}\"", "make the file readable"),
        ("\"${vault:x}\"", "write ${file:PATH} or ${env:NAME}"),
    ] {
        let all = complaints(&format!("{trunk}{value}\n"));
        assert!(all.iter().any(|m| m.starts_with("4:12: error: trunk.password")), "{all:#?}");
        assert!(all.iter().any(|m| m.contains(part)), "{all:#?}");
    }
}

#[test]
fn no_output_shows_a_secret() {
    let text = "[trunk]\naddress = \"sip.example.net\"\nusername = \"u\"\npassword = \"canary-51\"\n\
                register = 3\n";
    let checked = check(text);
    let shown = format!("{checked:?}{:#?}{:?}", checked.config, checked.mistakes);
    assert!(!shown.contains("canary"), "{shown}");
    let wrong = complaints("[trunk]\npassword = [\"canary-51\"]\n").join("");
    assert!(!wrong.contains("canary"), "{wrong}");
}

#[test]
fn a_file_that_is_missing_or_no_text_is_one_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing.toml");
    let error = Config::load(Some(&missing), &Env::new()).unwrap_err().to_string();
    assert!(error.contains("missing.toml:1:1: error: cannot be read"), "{error}");
    let binary = dir.path().join("binary.toml");
    std::fs::write(&binary, b"[api]\n\xff\xfe").unwrap();
    let error = Config::load(Some(&binary), &Env::new()).unwrap_err().to_string();
    assert!(error.contains("not UTF-8 text from byte 6 on"), "{error}");
}

mod arbitrary {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(\\[(crawl|sip|x)\\]|[a-z_]{1,12} = |\"|'|[0-9]{1,20}|\\$\\{|\\}|é|\n| |.){0,40}") {
            let checked = check(&text);
            let lines = text.matches('\n').count() + 1;
            for mistake in &checked.mistakes {
                if let Place::File { line, .. } = &mistake.place {
                    prop_assert!((1..=lines).contains(line));
                }
            }
        }
    }
}

#[test]
fn a_list_of_numbers_may_stand_in_a_file_with_comments() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("deny.txt"), "# asked\n+12025550123\n+1202556* # all\n")
        .unwrap();
    let file = dir.path().join("phoneai.toml");
    let text = "[policy]\ndeny = \"${file:deny.txt}\"\n";
    let checked = Config::check_text(&file, text, &Env::new());
    assert_eq!(checked.mistakes, []);
    assert_eq!(checked.config.policy.deny.to_string(), "+12025550123, +1202556*");
}

//! The command line as a user meets it: the built program, its output and its exit codes.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    io::{Read, Write},
    path::Path,
    process::{Command, Output, Stdio},
};

/// The program, with nothing of our environment that it would read.
fn phoneai(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phoneai"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PHONEAI_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    phoneai(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

const COMMANDS: [&[&str]; 14] = [
    &["serve"],
    &["demo"],
    &["crawl"],
    &["call"],
    &["tree"],
    &["transcribe"],
    &["analyse"],
    &["options"],
    &["config", "check"],
    &["config", "show"],
    &["config", "example"],
    &["model", "fetch"],
    &["token", "create"],
    &["simulate"],
];

#[test]
fn every_command_explains_itself_with_examples() {
    for command in COMMANDS {
        let output = run(&[command, &["--help"]].concat());
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        assert!(text.contains("Examples:\n"), "{command:?}\n{text}");
        assert!(text.contains(&format!("phoneai {}", command.join(" "))), "{command:?}\n{text}");
    }
}

#[test]
fn the_help_names_every_command_and_the_exit_codes() {
    let text = stdout(&run(&["--help"]));
    for command in COMMANDS {
        assert!(text.contains(&format!("\n  {}", command[0])), "{command:?}\n{text}");
    }
    assert!(text.contains("Exit codes: 0 done, 1 failed, 2 wrong command line"), "{text}");
}

#[test]
fn a_wrong_command_line_is_exit_code_2_with_a_way_out() {
    for arguments in [&["serv"] as &[&str], &["tree"], &["tree", "1", "--format", "xml"], &[]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains("--help") || arguments.is_empty(), "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
    assert!(stderr(&run(&["serv"])).contains("'serve'"));
}

fn write(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Free ports, so that the outcome does not depend on what else runs.
const FREE: &str = "[api]\nlisten = \"127.0.0.1:0\"\n[sip]\nlisten = \"127.0.0.1:0\"\n";

#[test]
fn config_check_tells_all_mistakes_with_their_lines_and_exit_code_2() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!("{FREE}[crawl]\nsilense_ms = 1\nmax_depth = 99\n[log]\nformat = \"xml\"\n");
    let file = write(dir.path(), "wrong.toml", &text);
    let output = run(&["config", "check", "--config", &file]);
    assert_eq!(output.status.code(), Some(2));
    let lines: Vec<String> = stdout(&output).lines().map(|l| l.replace(&file, "F")).collect();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[0].starts_with("F:6:1: error: [crawl] has no setting `silense_ms`"));
    assert!(lines[0].ends_with("did you mean `silence_ms`?"));
    assert!(lines[1].starts_with("F:7:13: error: crawl.max_depth is 99"));
    assert!(lines[2].starts_with("F:9:10: error: log.format is not one of"));
    assert!(stderr(&output).contains("3 errors"));

    let served = run(&["serve", "--config", &file]);
    assert_eq!(served.status.code(), Some(2));
    assert_eq!(stderr(&served).lines().count(), 3, "serve tells the same: {}", stderr(&served));
}

#[test]
fn config_check_is_content_with_the_example_and_with_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "good.toml", FREE);
    let output = run(&["config", "check", "--config", &file]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).ends_with("good.toml: good\n"));

    let example = run(&["config", "example"]);
    let file = write(dir.path(), "example.toml", &stdout(&example));
    let by_variable = phoneai(&["config", "check"]).env("PHONEAI_CONFIG", &file).output().unwrap();
    assert_eq!(by_variable.status.code(), Some(0), "{}", stderr(&by_variable));
}

#[test]
fn config_check_warns_of_a_busy_port_and_goes_on() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let output = phoneai(&["config", "check"])
        .env("PHONEAI_API_LISTEN", &listen)
        .env("PHONEAI_SIP_LISTEN", "127.0.0.1:0")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains(&format!("warning: api.listen is {listen}")));
    assert!(stdout(&output).ends_with("good, 1 warning\n"));
}

#[test]
fn a_missing_configuration_file_is_exit_code_2() {
    let output = run(&["serve", "--config", "/nonexistent/phoneai.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("/nonexistent/phoneai.toml:1:1: error: cannot be read"));
}

#[test]
fn no_output_of_a_command_shows_the_trunk_password() {
    const CANARY: &str = "canary-4d1f";
    let dir = tempfile::tempdir().unwrap();
    let secret = write(dir.path(), "secret", CANARY);
    for value in [CANARY.to_owned(), format!("${{file:{secret}}}")] {
        let text = format!(
            "{FREE}[trunk]\naddress = \"192.0.2.1\"\nusername = \"u\"\npassword = \"{value}\"\n"
        );
        let good = write(dir.path(), "good.toml", &text);
        let bad = write(dir.path(), "bad.toml", &format!("{text}registre = {CANARY}\n"));
        for file in [&good, &bad] {
            for command in ["check", "show"] {
                let output = run(&["config", command, "--config", file]);
                let all = stdout(&output) + &stderr(&output);
                // What is no value of ours is shown by nobody either: a misplaced secret stays one.
                assert!(!all.contains(CANARY), "{command}: {all}");
            }
        }
        let shown = stdout(&run(&["config", "show", "--config", &good]));
        assert!(shown.contains("password = \"(hidden)\""), "{shown}");
    }
}

#[test]
fn config_show_names_the_origin_of_each_setting() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "phoneai.toml", "[crawl]\nmax_depth = 3\n");
    let output = phoneai(&["config", "show", "--config", &file])
        .env("PHONEAI_CRAWL_SILENCE_MS", "4000")
        .output()
        .unwrap();
    let text = stdout(&output);
    let line = |start: &str| text.lines().find(|l| l.starts_with(start)).unwrap().to_owned();
    assert!(line("max_depth = 3 ").ends_with("# file"));
    assert!(line("silence_ms = 4000 ").ends_with("# PHONEAI_CRAWL_SILENCE_MS"));
    assert!(line("max_attempt = 10 ").ends_with("# default"));
}

#[test]
fn a_reader_that_goes_away_causes_no_panic() {
    let mut child = phoneai(&["config", "example"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(said, "");
}

#[test]
fn without_a_token_or_a_service_the_message_says_what_to_do() {
    let output = run(&["tree", "+12025550123"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("phoneai token create NAME"));

    // A port that nobody has: bound once and given back.
    let addr = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let api = format!("http://{addr}");
    let output = run(&["tree", "+12025550123", "--api", &api, "--token", "canary-71"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&api) && stderr(&output).contains("phoneai serve"));
    assert!(!stderr(&output).contains("canary"));
}

#[test]
fn a_user_without_a_name_is_refused() {
    assert_eq!(run(&["token", "create", ""]).status.code(), Some(2));
    assert_eq!(run(&["token", "create", "a\u{7}"]).status.code(), Some(2));
}

/// Feeds text to a command and returns what it wrote.
fn fed(arguments: &[&str], text: &[u8]) -> Output {
    let mut child = phoneai(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn options_that_cannot_be_read_are_reported_and_exit_code_1() {
    let output = run(&["options", "/nonexistent/a.txt", "/nonexistent/b.txt"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("a.txt cannot be read"));
    assert!(stderr(&output).contains("2 of 2 files failed"));
    let endless = fed(&["options", "-"], &vec![b'a'; 1024 * 1024 + 1]);
    assert_eq!(endless.status.code(), Some(1));
    assert!(stderr(&endless).contains("more than 1048576 bytes"));
}

#[test]
fn options_understand_standard_input_and_files_as_json_lines() {
    let json = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let text = "For sales, press one. For support, press two.";
    let output = fed(&["options", "-"], text.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let answer = json(&stdout(&output));
    assert_eq!((&answer["file"], &answer["kind"]), (&"-".into(), &"menu".into()));
    let options: Vec<(&str, &str)> = answer["options"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| (o["keys"].as_str().unwrap(), o["label"].as_str().unwrap()))
        .collect();
    assert_eq!(options, [("1", "sales"), ("2", "support")]);

    let dir = tempfile::tempdir().unwrap();
    let first = write(dir.path(), "a.txt", text);
    let second = write(dir.path(), "b.txt", "Hello.\n\nFor parks, press three.\n");
    let output = run(&["options", &first, &second]);
    let files: Vec<String> =
        stdout(&output).lines().map(|l| json(l)["file"].as_str().unwrap().to_owned()).collect();
    assert_eq!(files, [first, second.clone()]);

    let output = run(&["options", "--lines", &second]);
    let lines: Vec<u64> =
        stdout(&output).lines().map(|l| json(l)["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [1, 3]);
}

#[test]
fn options_of_words_with_times_have_times_and_an_input_says_what_it_asks_for() {
    let json = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let words = r#"{"file":"a.wav","text":"press one for sales","words":[
        {"text":"press","start_ms":100,"end_ms":400,"confidence":0.9},
        {"text":"one","start_ms":400,"end_ms":700,"confidence":0.9},
        {"text":"for","start_ms":700,"end_ms":800,"confidence":0.9},
        {"text":"sales","start_ms":800,"end_ms":1300,"confidence":0.9}]}"#;
    let answer = json(&stdout(&fed(&["options"], words.as_bytes())));
    let option = &answer["options"][0];
    assert_eq!((&option["keys"], &option["label"]), (&"1".into(), &"sales".into()));
    assert_eq!((&option["start_ms"], &option["end_ms"]), (&100.into(), &1300.into()));

    let answer = json(&stdout(&fed(&["options"], b"Please enter your zip code.")));
    assert_eq!((&answer["kind"], &answer["asks"]), (&"input".into(), &"zip_code".into()));
}

#[test]
fn options_survive_bytes_that_are_no_text() {
    let output = fed(&["options"], b"press \xff\xfe\0 one \x1b[2J");
    assert_eq!(output.status.code(), Some(0));
    assert!(!stdout(&output).contains('\u{1b}'));
}

#[test]
fn a_token_is_printed_alone_on_standard_output() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let output = run(&["token", "create", "alice", "--data", data.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let token = stdout(&output);
    let token = token.strip_suffix('\n').unwrap();
    assert_eq!(token.len(), 40, "{token}");
    assert!(token.bytes().all(|b| b.is_ascii_hexdigit()));
    assert!(!stderr(&output).contains(token));
}

#[test]
fn a_tree_that_is_not_there_is_a_failure_that_makes_no_directory() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let missing = missing.to_str().unwrap();
    let output = run(&["tree", "+12025550123", "--data", missing]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("there is no data directory"));
    assert!(!Path::new(missing).exists());

    let data = dir.path().to_str().unwrap();
    run(&["token", "create", "alice", "--data", data]);
    let output = run(&["tree", "+12025550123", "--data", data]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("has no tree of +12025550123"));
}

fn recording(name: &str) -> String {
    format!("{}/tests/data/speech/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn analyse_writes_a_timeline_and_who_answered_as_json_lines() {
    let file = recording("menu.wav");
    let output = run(&["analyse", "--no-words", &file]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (summary, stretches) = lines.split_last().unwrap();
    let what: Vec<&str> = stretches.iter().map(|s| s["what"].as_str().unwrap()).collect();
    assert!(what.contains(&"speech"), "{text}");
    assert!(stretches.iter().all(|s| s["file"] == file.as_str() && s["text"].is_null()));
    let ends = stretches.iter().fold(0, |at, stretch| {
        assert_eq!(stretch["from_ms"], at, "{text}");
        stretch["to_ms"].as_u64().unwrap()
    });
    assert_eq!(summary["duration_ms"], ends);
    assert_eq!((&summary["answered_by"], &summary["evidence"]), (&"menu".into(), &"rhythm".into()));
}

#[test]
fn analyse_draws_a_picture_of_one_file_and_says_so_when_there_are_more() {
    let dir = tempfile::tempdir().unwrap();
    let picture = dir.path().join("plot.png");
    let (file, plot) = (recording("menu.wav"), picture.to_str().unwrap());
    let output = run(&["analyse", "--no-words", "--plot", plot, &file]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(std::fs::read(&picture).unwrap().starts_with(b"\x89PNG\r\n\x1a\n"));

    let both = run(&["analyse", "--no-words", "--plot", plot, &file, &file]);
    assert_eq!(both.status.code(), Some(2));
    assert!(stderr(&both).contains("name only one FILE.wav"));
    let nowhere = run(&["analyse", "--no-words", "--plot", "/nonexistent/a.png", &file]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(stderr(&nowhere).contains("/nonexistent/a.png"), "{}", stderr(&nowhere));
}

#[test]
fn analyse_goes_on_after_a_file_that_it_cannot_read() {
    let dir = tempfile::tempdir().unwrap();
    let rubbish = write(dir.path(), "rubbish.wav", "no recording");
    let file = recording("account.wav");
    let output = run(&["analyse", "--no-words", &rubbish, "/nonexistent/b.wav", &file]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("rubbish.wav: is no WAV file"), "{said}");
    assert!(said.contains("b.wav") && said.contains("2 of 3 files failed"), "{said}");
    assert!(stdout(&output).lines().all(|line| line.contains("account.wav")));
}

#[test]
fn analyse_goes_on_without_words_when_the_model_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().to_str().unwrap();
    let file = recording("account.wav");
    let output =
        phoneai(&["analyse", &file]).env("PHONEAI_SPEECH_MODEL_DIR", empty).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("phoneai model fetch"), "{}", stderr(&output));
    assert!(stdout(&output).lines().count() >= 2);
}

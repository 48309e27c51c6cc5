//! The generator of phone menus that `bench/crawl` crawls.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use phoneai::simulator::Menus;

/// The descriptions that the generator makes from a seed, by file.
fn generate(directory: &Path, seed: &str) -> Option<BTreeMap<String, String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/crawl/generate");
    let done = Command::new("python3")
        .args([script.as_os_str(), "--text-only".as_ref(), "--seed".as_ref(), seed.as_ref()])
        .arg(directory)
        .output();
    let Ok(done) = done else {
        assert!(std::env::var_os("PHONEAI_REQUIRE_PEERS").is_none(), "python3 is not installed");
        println!("skipped: python3 is not installed");
        return None;
    };
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let named = files.filter(|path| path.is_file());
    Some(named.map(|p| (p.file_name().unwrap().to_str().unwrap().to_owned(), read(&p))).collect())
}

#[test]
fn the_same_seed_generates_the_same_menus_and_another_seed_others() {
    let places = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let Some(first) = generate(places[0].path(), "1") else { return };
    assert_eq!(first.len(), 20);
    assert_eq!(Some(&first), generate(places[1].path(), "1").as_ref());
    assert_ne!(Some(first), generate(places[2].path(), "2"));
}

#[test]
fn generated_descriptions_load_once_they_have_recordings() {
    for seed in ["1", "2", "3"] {
        let place = tempfile::tempdir().unwrap();
        let Some(files) = generate(place.path(), seed) else { return };
        let mistakes = Menus::read(place.path()).expect_err("there are no recordings").0;
        // Nothing but the recordings is missing.
        for mistake in mistakes {
            assert!(mistake.key.ends_with(".audio"), "{mistake}\n{}", files[&mistake.file]);
        }
    }
}

//! `phoneai import`: what an operator sees who takes an older service over.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::{path::Path, process::Command};

use serde_json::json;

/// Standard output, standard error, and whether it went well.
fn import(dump: &Path, data: &Path) -> (String, String, bool) {
    let output = Command::new(env!("CARGO_BIN_EXE_phoneai"))
        .arg("import")
        .arg("--from-django")
        .arg(dump)
        .arg("--data")
        .arg(data)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.success())
}

#[test]
fn an_old_services_dump_is_taken_over_with_a_report() {
    let dir = tempfile::tempdir().unwrap();
    let (dump, data) = (dir.path().join("old.json"), dir.path().join("data"));
    let token = "0123456789abcdef0123456789abcdef01234567";
    let rows = json!([
        {"model": "auth.user", "pk": 1, "fields": {"username": "ann", "is_active": true}},
        {"model": "authtoken.token", "pk": token, "fields": {"user": 1}},
        {"model": "call.phonenumber", "pk": 7, "fields": {"number": "12025550100"}},
        {"model": "call.calllogs", "pk": 8, "fields": {"number": 9}},
        {"model": "sessions.session", "pk": "s", "fields": {}},
    ]);
    std::fs::write(&dump, rows.to_string()).unwrap();
    let (out, _, done) = import(&dump, &data);
    assert!(done, "{out}");
    for line in [
        "taken: 1 users",
        "taken: 1 tokens",
        "taken: 1 numbers",
        "ignored: 1 rows of sessions.session, which mean nothing here",
        "left out: calls 8: its number, 9, is not among the numbers",
    ] {
        assert!(out.contains(line), "{line} is not in:\n{out}");
    }
    assert!(!out.contains(token), "a token is no news");

    let (_, complaint, done) = import(&dump, &data);
    assert!(!done);
    assert!(complaint.contains("in use already"), "{complaint}");
}

#[test]
fn what_is_no_dump_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let dump = dir.path().join("old.json");
    for text in ["{", "{}"] {
        std::fs::write(&dump, text).unwrap();
        let (_, complaint, done) = import(&dump, &dir.path().join("data"));
        assert!(!done && complaint.contains("manage.py dumpdata"), "{complaint}");
    }
}

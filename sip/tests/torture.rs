//! Files that hold one datagram each, and what becomes of it: the cases of RFC 4475 in messages of
//! our own, and what peers in the field and attackers send.
//!
//! The tables beside the files were written by hand from the RFCs: `-` stands for "none", `?` for
//! "does not matter", as where a message is refused before it is read to the end.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use phoneai_sip::{
    message::{Message, Request},
    verdict::inspect,
};

fn directory(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "torture", name].iter().collect()
}

/// Compares each file with its row, and gives the number of rows.
fn compare(name: &str) -> usize {
    let directory = directory(name);
    let table = fs::read_to_string(directory.join("expected.tsv")).unwrap();
    let mut wrong = Vec::new();
    let mut listed = BTreeSet::new();
    for row in table.lines().skip(1) {
        let expected: Vec<&str> = row.split('\t').collect();
        let file = format!("{}.sip", expected[0]);
        let found = inspect(&fs::read(directory.join(&file)).unwrap());
        let or_none = |text: Option<String>| text.unwrap_or("-".to_owned());
        let reason = found.refusal.as_ref();
        let head = found.code.map(|c| c.to_string()).or(found.method.map(|m| m.to_string()));
        let fields = [
            if reason.is_some() { "reject" } else { "accept" }.to_owned(),
            or_none(reason.and_then(|r| r.status).map(|status| status.to_string())),
            or_none(head),
            or_none(found.cseq.map(|n| n.to_string())),
            or_none(found.from_tag.clone()),
            or_none(found.to_tag.clone()),
            found.via_count.to_string(),
            or_none(found.top_branch.clone()),
            found.body_len.to_string(),
        ];
        // What cannot be read as a whole has no first line to tell of.
        let unread = reason.is_some() && fields[2] == "-";
        let differs =
            fields.iter().zip(&expected[1..]).enumerate().any(|(at, (found, wanted))| {
                found != wanted && *wanted != "?" && !(at == 2 && unread)
            });
        if differs {
            let reason = reason.map_or("", |reason| reason.text.as_str());
            wrong.push(format!(
                "{}\n  wanted {:?}\n  found  {fields:?} {reason}",
                file,
                &expected[1..]
            ));
        }
        listed.insert(file);
    }
    let files: BTreeSet<String> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".sip"))
        .collect();
    assert_eq!(files, listed, "each file has a row, each row a file");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    listed.len()
}

#[test]
fn all_49_cases_of_rfc_4475_come_out_as_the_rfc_says() {
    assert_eq!(compare("rfc4475"), 49);
}

#[test]
fn quirks_of_the_field_come_out_as_wanted() {
    assert!(compare("quirks") >= 60);
}

/// P1: what is taken can be written again, and means the same.
#[test]
fn what_is_taken_is_the_same_after_writing_and_reading_it_again() {
    for name in ["rfc4475", "quirks"] {
        for entry in fs::read_dir(directory(name)).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let first = inspect(&bytes);
            let Ok(message) = Message::parse(&bytes) else { continue };
            if first.refusal.is_some() || !message.is_request() {
                continue;
            }
            let mut request =
                Request::new(message.method().unwrap(), first.request_uri.clone().unwrap());
            for header in message.headers() {
                request.headers_mut().push(header.name, header.value);
            }
            request.set_content(message.body());
            let second = inspect(&request.to_bytes());
            assert_eq!(first, second, "{}", path.display());
        }
    }
}

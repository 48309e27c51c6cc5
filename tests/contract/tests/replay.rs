//! The project's own cases, written from the contract.

#![allow(clippy::expect_used, reason = "this is a test")]

use std::path::Path;

use contract::{Options, replay};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_of_the_contract_is_answered_to_the_byte() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases.jsonl");
    let options = Options { cases, strict: true, ..Options::default() };
    let mut bad = Vec::new();
    let told = |name: &str, _: Option<u8>, differences: &[String]| {
        bad.extend(differences.iter().map(|difference| format!("{name}: {difference}")));
    };
    let sum = replay(&options, told).await.expect("the cases can be replayed");
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    assert!(sum.matched >= 150, "{sum:?}");
}

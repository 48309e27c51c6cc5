//! Whole crawls: the REST API is asked for a number, real SIP calls with real audio are made to the
//! simulated carrier, and the tree is compared with the truth.
//!
//! Most are heard by the tests' own ear, which knows the recordings and needs no time, so that
//! these calls can run faster than life on any machine. The local recogniser hears one here, and
//! the largest in `phoneai demo`.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::time::Duration;

use phoneai::{
    calls::live::What,
    simulator::{Menus, menu::Behaviour},
};
use phoneai_clock::Clock;
use support::{Rehearsal, Stage, ear};

/// So much faster than life are the calls.
const PACE: u32 = 2;

/// A crawl that takes longer in real time will never end.
const LIMIT: Duration = Duration::from_secs(500);

/// Who listens.
enum Hears {
    /// The ear that knows the recordings.
    Ear,
    /// The local recogniser.
    Whisper,
}

/// How what a crawl of `number` finds differs from the truth.
async fn crawl(number: &str, hears: Hears) -> Vec<String> {
    let menus = Menus::samples().expect("good samples");
    let Some(Behaviour::Business(business)) = menus.line(number) else {
        panic!("{number} is no business")
    };
    let data = tempfile::tempdir().expect("a directory");
    let engine = match hears {
        Hears::Ear => ear::engine(business),
        Hears::Whisper => support::engine(),
    };
    let stage = Stage::new(menus.clone(), engine);
    let rehearsal = Rehearsal::on(stage, data.path(), Clock::fast(PACE), |_| {}).await;
    let mut live = rehearsal.service.live().watch();
    rehearsal.service.ready().await;
    let path = format!("/api/makecall/?number={}", number.replace('+', "%2B"));
    let answer = rehearsal.api(&path).await;
    assert_eq!(answer["status"], "success", "{answer}");
    let end = async {
        loop {
            let event = live.recv().await.expect("an event");
            println!("{:>6} ms  {:?}", event.at_ms, event.what);
            if let What::ScanEnded { complete, reason } = event.what {
                return (complete, reason);
            }
        }
    };
    let (complete, reason) = tokio::time::timeout(LIMIT, end).await.expect("an end of the scan");
    let store = rehearsal.service.store();
    let id = store.number(number).await.expect("a database").expect("the number").id;
    let scan = store.newest_tree(id).await.expect("a database").expect("a tree");
    let tree = store.load_tree(scan.scan.id).await.expect("a tree");
    let mut wrong: Vec<String> =
        business.truth().differences(&tree).iter().map(ToString::to_string).collect();
    if !complete {
        wrong.push(format!("not complete: {reason}"));
    }
    let path = format!("/api/callmenu/?number={}", number.replace('+', "%2B"));
    let shown = rehearsal.api(&path).await;
    if shown["completed"] != true || shown["menu"]["audio_text"].as_str().is_none_or(str::is_empty)
    {
        wrong.push(format!("callmenu shows {shown}"));
    }
    rehearsal.end().await;
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_sample_menu_is_crawled_to_the_exact_tree() {
    assert_eq!(crawl("+12025550101", Hears::Ear).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_menu_behind_a_language_choice_is_crawled_to_the_exact_tree() {
    assert_eq!(crawl("+12025550102", Hears::Ear).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_menu_with_a_long_pause_inside_is_crawled_to_the_exact_tree() {
    assert_eq!(crawl("+12025550103", Hears::Ear).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_menu_that_ignores_early_keys_is_crawled_to_the_exact_tree() {
    assert_eq!(crawl("+12025550104", Hears::Ear).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_menu_announced_in_early_media_is_crawled_to_the_exact_tree() {
    assert_eq!(crawl("+12025550105", Hears::Ear).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_recogniser_hears_a_menu_to_the_exact_tree() {
    assert_eq!(crawl("+12025550105", Hears::Whisper).await, Vec::<String>::new());
}

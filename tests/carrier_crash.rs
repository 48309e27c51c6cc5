//! A service that is killed while it sends a message or buys a number: nothing is sent or bought
//! twice, and nothing is lost.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod carrier_support;

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use carrier_support::{Bench, OFFER, asked, services, sms, times};
use phoneai::{
    carrier::Purchase,
    http::AddressPolicy,
    simulator::services::{Mode, Services},
    store::{PurchaseState, SmsId, SmsState, Store},
};
use phoneai_clock::Clock;

/// Tells this test program that it is the one to be killed: where to write, whom to ask, and what.
const DIRECTORY: &str = "PHONEAI_TEST_CARRIER_DIRECTORY";
const CARRIER: &str = "PHONEAI_TEST_CARRIER_URL";
const ACT: &str = "PHONEAI_TEST_CARRIER_ACT";

/// Not a test of its own: the process that is killed.
#[tokio::test]
async fn child_that_works_until_it_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let url = std::env::var(CARRIER).unwrap();
    let bench = Bench::start(&directory, &url, AddressPolicy::Public, Clock::real()).await;
    match std::env::var(ACT).unwrap().as_str() {
        "send" => drop(bench.desk.queue_sms(&sms("12025550110")).await.unwrap()),
        _ => {
            let number = OFFER.to_owned();
            drop(bench.desk.buy(Purchase { number, extension: 7, asked_by: None }).await);
        }
    }
    std::future::pending::<()>().await;
}

fn start(directory: &Path, services: &Services, act: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_works_until_it_is_killed", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(CARRIER, services.url())
        .env(ACT, act)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// SIGKILL: it gets no chance to tidy up.
fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn a_message_that_was_only_accepted_is_sent_after_the_kill() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::real());
    let services = services(clock).await;
    let store = Store::open(dir.path(), clock).await.unwrap();
    let id = store.queue_sms(&sms("12025550110"), Duration::from_secs(3600)).await.unwrap();
    store.close().await;
    let bench = Bench::start(dir.path(), &services.url(), AddressPolicy::Public, clock).await;
    bench.until(id, SmsState::Sent).await;
    assert_eq!(services.messages().len(), 1);
    bench.shutdown().await;
}

#[tokio::test]
async fn a_message_is_sent_once_whether_or_not_the_carrier_had_it_at_the_kill() {
    for (mode, delay, had_it) in
        [(Mode::Hang, Duration::ZERO, 1), (Mode::Ok, Duration::from_secs(3600), 0)]
    {
        let dir = tempfile::tempdir().unwrap();
        let services = services(Clock::real()).await;
        services.set_mode(mode);
        services.set_delay(delay);
        let child = start(dir.path(), &services, "send");
        asked(&services, "POST /v2.1/messages").await;
        while services.messages().len() < had_it {
            tokio::task::yield_now().await;
        }
        kill(child);
        assert_eq!(services.messages().len(), had_it);

        services.set_mode(Mode::Ok);
        services.set_delay(Duration::ZERO);
        let fast = Clock::fast(100);
        let bench = Bench::start(dir.path(), &services.url(), AddressPolicy::Public, fast).await;
        let row = bench.until(SmsId(1), SmsState::Sent).await;
        assert_eq!(row.provider_id, Some(services.messages()[0].id.clone()));
        assert_eq!(services.messages().len(), 1, "had it before: {had_it}");
        bench.shutdown().await;
    }
}

#[tokio::test]
async fn a_purchase_is_repaired_at_whatever_step_it_was_killed() {
    for (mode, delay, until, sold) in [
        // Written down, and the carrier has not acted on it.
        (Mode::Ok, Duration::from_secs(3600), "POST /v2/numbers", false),
        // Sold, and the answer did not come.
        (Mode::Hang, Duration::ZERO, "POST /v2/numbers", true),
        // Sold and written down, and the route is not set.
        (Mode::HangRoute, Duration::ZERO, "PATCH /v2/numbers", true),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let services = services(Clock::real()).await;
        services.set_mode(mode);
        services.set_delay(delay);
        let child = start(dir.path(), &services, "buy");
        asked(&services, until).await;
        while services.owned().is_empty() && sold {
            tokio::task::yield_now().await;
        }
        kill(child);
        assert_eq!(services.owned().len(), usize::from(sold), "{mode:?}");

        services.set_mode(Mode::Ok);
        services.set_delay(Duration::ZERO);
        let clock = Clock::real();
        let bench = Bench::start(dir.path(), &services.url(), AddressPolicy::Public, clock).await;
        bench.desk.repair().await.unwrap();
        assert_eq!(times(&services, "POST /v2/numbers"), 1, "{mode:?}");
        let row = bench.store.purchase(phoneai::store::PurchaseId(1)).await.unwrap().unwrap();
        let (state, route) = match sold {
            true => (PurchaseState::Saved, Some("12345")),
            false => (PurchaseState::Refused, None),
        };
        assert_eq!((row.state, row.extension), (state, 7), "{mode:?}");
        assert_eq!(services.owned().get(OFFER).map(String::as_str), route, "{mode:?}");
        assert_eq!(bench.store.dids().await.unwrap().len(), usize::from(sold), "{mode:?}");
        bench.shutdown().await;
    }
}

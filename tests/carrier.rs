//! Messages, numbers and webhooks, against the simulated carrier in each of its moods.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod carrier_support;

use carrier_support::{Bench, OFFER, OURS, services, sms, times};
use phoneai::{
    carrier::{BuyError, Carrier as _, CarrierError, NumberSearch, Purchase},
    http::AddressPolicy,
    simulator::services::{KeptMessage, Mode},
    store::{NewSms, PurchaseId, PurchaseState, SmsState},
};
use phoneai_clock::Clock;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

fn purchase(number: &str) -> Purchase {
    Purchase { number: number.to_owned(), extension: 1, asked_by: None }
}

#[tokio::test]
async fn a_message_is_answered_as_the_carrier_answers_it() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::real());
    let services = services(clock).await;
    let bench = Bench::start(dir.path(), &services.url(), AddressPolicy::Public, clock).await;
    for (mode, state, has_id, taken) in [
        (Mode::Ok, SmsState::Sent, true, 1),
        (Mode::Odd, SmsState::Sent, false, 2),
        (Mode::None, SmsState::Sent, false, 3),
        (Mode::Raise, SmsState::Failed, false, 3),
    ] {
        services.set_mode(mode);
        let row = bench.desk.send_sms(&sms("12025550110")).await.unwrap();
        assert_eq!((row.state, row.provider_id.is_some()), (state, has_id), "{mode:?}");
        assert_eq!(services.messages().len(), taken, "{mode:?}");
    }
    let KeptMessage { to, from, body, .. } = services.messages().remove(0);
    assert_eq!((to.as_str(), from.as_str(), body.as_str()), ("12025550110", OURS, "hello"));
    bench.shutdown().await;
}

#[tokio::test]
async fn a_message_whose_answer_is_lost_is_found_and_not_sent_again() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::fast(100));
    let services = services(clock).await;
    let bench = Bench::start(dir.path(), &services.url(), AddressPolicy::Public, clock).await;
    services.set_mode(Mode::Lost);
    let rows = [sms("12025550110"), sms("12025550110")];
    let first = bench.desk.send_sms(&rows[0]).await.unwrap();
    let second = bench.desk.queue_sms(&rows[1]).await.unwrap();
    assert_eq!(first.state, SmsState::Unknown);
    // Its state may be unknown for a moment only: it is looked up soon.
    while services.messages().len() < 2 {
        tokio::task::yield_now().await;
    }
    services.set_mode(Mode::Ok);
    let first = bench.until(first.id, SmsState::Sent).await;
    let second = bench.until(second.id, SmsState::Sent).await;
    // Two that say the same to the same are told apart by the carrier's ids.
    assert_ne!(first.provider_id.unwrap(), second.provider_id.unwrap());
    assert_eq!(services.messages().len(), 2);
    bench.shutdown().await;
}

#[tokio::test]
async fn a_message_that_the_carrier_does_not_know_after_all_is_sent_again() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::fast(40));
    let services = services(clock).await;
    let bench = Bench::start(dir.path(), &services.url(), AddressPolicy::Public, clock).await;
    services.set_mode(Mode::Cut);
    let row = bench.desk.queue_sms(&sms("+12025550110")).await.unwrap();
    bench.until(row.id, SmsState::Unknown).await;
    services.set_mode(Mode::Ok);
    let row = bench.until(row.id, SmsState::Sent).await;
    assert_eq!((services.messages().len(), row.attempts), (1, 2));
    assert!(row.provider_id.is_some());
    bench.shutdown().await;
}

#[tokio::test]
async fn a_busy_carrier_is_given_time_and_its_limit_is_kept() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::fast(20));
    let services = services(clock).await;
    let bench = Bench::start(dir.path(), &services.url(), AddressPolicy::Public, clock).await;
    services.set_mode(Mode::Busy(2));
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(bench.desk.queue_sms(&sms("12025550110")).await.unwrap().id);
    }
    carrier_support::asked(&services, "POST /v2.1/messages").await;
    services.set_mode(Mode::Ok);
    for id in ids {
        bench.until(id, SmsState::Sent).await;
    }
    assert_eq!(services.messages().len(), 12);
    bench.shutdown().await;
}

#[tokio::test]
async fn a_message_that_failed_while_its_client_waited_is_never_sent_later() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::fast(100));
    let services = services(clock).await;
    let bench = Bench::start(dir.path(), &services.url(), AddressPolicy::Public, clock).await;
    services.set_mode(Mode::Busy(1));
    let row = bench.desk.send_sms(&sms("12025550110")).await.unwrap();
    assert_eq!(row.state, SmsState::Failed);
    services.set_mode(Mode::Ok);
    let next = bench.desk.queue_sms(&sms("12025550111")).await.unwrap();
    bench.until(next.id, SmsState::Sent).await;
    assert_eq!(services.messages().len(), 1);
    bench.shutdown().await;
}

#[tokio::test]
async fn a_search_gives_what_makes_sense() {
    let clock = Clock::real();
    let services = services(clock).await;
    let flowroute = carrier_support::flowroute(&services.url());
    let search = |starts_with: Option<&str>, limit: Option<&str>| {
        let search = NumberSearch {
            starts_with: starts_with.map(str::to_owned),
            limit: limit.map(str::to_owned),
        };
        let flowroute = &flowroute;
        async move { flowroute.search(&search).await }
    };
    let found = search(Some("202"), Some("4")).await.unwrap();
    assert_eq!(found.len(), 4);
    assert_eq!(
        (found[1].number.as_str(), found[1].monthly_cost.to_string()),
        ("12025550121", "0.75".to_owned())
    );
    assert_eq!(search(Some("303"), None).await.unwrap(), []);
    for (mode, rows) in [(Mode::Empty, 0), (Mode::BadRow, 2)] {
        services.set_mode(mode);
        assert_eq!(search(None, None).await.unwrap().len(), rows, "{mode:?}");
    }
    for mode in [Mode::Odd, Mode::None] {
        services.set_mode(mode);
        let refused = search(None, None).await;
        assert!(matches!(refused, Err(CarrierError::Unreadable(_))), "{mode:?}: {refused:?}");
    }
    services.set_mode(Mode::Raise);
    let refused = search(None, None).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the carrier refused with status 401: Unauthorized: Authentication failed."
    );
    services.set_mode(Mode::Ok);
    for limit in ["0", "-1", "abc"] {
        let refused = search(None, Some(limit)).await;
        assert!(matches!(refused, Err(CarrierError::Refused { status: 422, .. })), "{limit}");
    }
    let routes = flowroute.routes().await.unwrap();
    assert_eq!(routes[1].value.as_deref(), Some("pbx.example.net:5060"));
}

#[tokio::test]
async fn a_number_is_bought_once_and_its_calls_come_to_us() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::real());
    let services = services(clock).await;
    let bench = Bench::start(dir.path(), &services.url(), AddressPolicy::Public, clock).await;
    for (mode, number, routed) in [
        (Mode::Ok, "12025550120", true),
        (Mode::MultiStatus, "12025550121", true),
        (Mode::RouteFail, "12025550122", false),
    ] {
        services.set_mode(mode);
        let bought = bench.desk.buy(purchase(number)).await.unwrap();
        assert_eq!(bought.routed, routed, "{mode:?}");
        let route = if routed { "12345" } else { "0" };
        assert_eq!(services.owned()[number], route, "{mode:?}");
        let row = bench.store.purchase(bought.purchase).await.unwrap().unwrap();
        assert_eq!((row.state, row.routed), (PurchaseState::Saved, routed), "{mode:?}");
    }
    let ours: Vec<String> =
        bench.store.dids().await.unwrap().into_iter().map(|did| did.phonenumber).collect();
    assert_eq!(ours, ["12025550120", "12025550121", "12025550122"]);
    for mode in [Mode::PurchaseFail, Mode::Raise, Mode::Busy(1)] {
        services.set_mode(mode);
        let refused = bench.desk.buy(purchase("12025550123")).await;
        assert!(matches!(refused, Err(BuyError::NotBought(_))), "{mode:?}: {refused:?}");
    }
    assert_eq!(services.owned().len(), 3);
    bench.shutdown().await;
}

#[tokio::test]
async fn a_purchase_whose_answer_is_lost_is_looked_up_and_not_repeated() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::real());
    let services = services(clock).await;
    let bench = Bench::start(dir.path(), &services.url(), AddressPolicy::Public, clock).await;
    services.set_mode(Mode::Lost);
    let unknown = bench.desk.buy(purchase(OFFER)).await;
    // Looking is answered no better than buying.
    assert!(matches!(unknown, Err(BuyError::Unknown(_))), "{unknown:?}");
    let again = bench.desk.buy(purchase(OFFER)).await;
    assert!(matches!(again, Err(BuyError::UnderWay)), "{again:?}");
    services.set_mode(Mode::Ok);
    bench.desk.repair().await.unwrap();
    assert_eq!(services.owned()[OFFER], "12345");
    assert_eq!(times(&services, &format!("POST /v2/numbers/{OFFER}")), 1);
    let row = bench.store.purchase(PurchaseId(1)).await.unwrap().unwrap();
    assert_eq!((row.state, row.routed), (PurchaseState::Saved, true));
    assert_eq!(bench.store.dids().await.unwrap()[0].phonenumber, OFFER);
    // Repairing once more enters nothing twice.
    bench.desk.repair().await.unwrap();
    assert_eq!(bench.store.dids().await.unwrap().len(), 1);
    bench.shutdown().await;
}

#[tokio::test]
async fn a_purchase_that_was_not_made_is_closed_without_buying() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::real());
    let services = services(clock).await;
    let bench = Bench::start(dir.path(), &services.url(), AddressPolicy::Public, clock).await;
    for mode in [Mode::Cut, Mode::Down] {
        services.set_mode(mode);
        let unknown = bench.desk.buy(purchase(OFFER)).await;
        assert!(matches!(unknown, Err(BuyError::Unknown(_))), "{mode:?}: {unknown:?}");
        bench.desk.repair().await.unwrap();
        assert_eq!(bench.store.open_purchases().await.unwrap().len(), 1, "{mode:?}");
        services.set_mode(Mode::Ok);
        bench.desk.repair().await.unwrap();
        assert_eq!(bench.store.open_purchases().await.unwrap(), [], "{mode:?}");
        assert!(services.owned().is_empty(), "{mode:?}");
    }
    bench.shutdown().await;
}

/// Reads one request from the next connection and answers it.
async fn receive(listener: &TcpListener, answer: &str) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    loop {
        let mut bytes = [0; 1024];
        let count = stream.read(&mut bytes).await.unwrap();
        request.extend_from_slice(&bytes[..count]);
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            if count == 0 || body.len() >= length.map_or(0, |text| text.parse().unwrap()) {
                stream.write_all(answer.as_bytes()).await.unwrap();
                return text;
            }
        }
        assert!(count > 0, "cut off: {text}");
    }
}

const DONE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A desk that knows a message to 12025550110 with this callback address.
async fn with_callback(
    dir: &std::path::Path,
    url: &str,
    policy: AddressPolicy,
    clock: Clock,
) -> Bench {
    let bench = Bench::start(dir, "http://127.0.0.1:9", policy, clock).await;
    let sent = NewSms { callback_url: Some(url.to_owned()), ..sms("12025550110") };
    bench.store.queue_sms(&sent, std::time::Duration::ZERO).await.unwrap();
    bench
}

fn inbound() -> phoneai::carrier::Inbound {
    let body = json!({"id": "m", "from": "12025550110", "to": OURS, "body": "h\u{e9}"});
    phoneai::carrier::read_inbound(&body).unwrap()
}

#[tokio::test]
async fn an_answer_to_a_message_is_told_to_its_callback_url() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::real());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let url = format!("http://{at}/a/../new?x=1&y=a%20b#part");
    let policy = AddressPolicy::PublicAnd("127.0.0.0/8".parse().unwrap());
    let bench = with_callback(dir.path(), &url, policy, clock).await;
    let taken = bench.desk.inbound(&inbound()).await.unwrap();
    assert!(taken.answers.is_some() && taken.delivery.is_some());

    let request = receive(&listener, DONE).await;
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(
        body,
        "{\"from\": \"12025550110\", \"to\": \"12025550100\", \"text\": \"h\\u00e9\"}"
    );
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("POST /new?x=1&y=a%20b HTTP/1.1"));
    for line in [
        format!("Host: {at}").as_str(),
        "User-Agent: python-requests/2.28.0",
        "Accept-Encoding: gzip, deflate",
        "Accept: */*",
        "Connection: keep-alive",
        "Content-Type: application/json",
    ] {
        assert!(head.lines().any(|l| l == line), "{line:?} is missing in {head}");
    }
    assert!(head.contains("\r\nX-Phoneai-Signature: t="), "{head}");
    while bench.store.next_delivery_due(&[]).await.unwrap().is_some() {
        tokio::task::yield_now().await;
    }
    bench.shutdown().await;
}

#[tokio::test]
async fn a_webhook_comes_again_until_its_receiver_is_content_and_follows_a_redirect() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::fast(100));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/redirect", listener.local_addr().unwrap());
    let policy = AddressPolicy::PublicAnd("127.0.0.1".parse().unwrap());
    let bench = with_callback(dir.path(), &url, policy, clock).await;
    bench.desk.inbound(&inbound()).await.unwrap();
    let first = receive(&listener, "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n").await;
    let moved = "HTTP/1.1 302 Found\r\nLocation: /hook\r\nContent-Length: 0\r\n\r\n";
    let second = receive(&listener, moved).await;
    let third = receive(&listener, DONE).await;
    let id = |request: &str| {
        let line = request.lines().find(|l| l.starts_with("X-Phoneai-Delivery: "));
        line.unwrap().to_owned()
    };
    assert_eq!(id(&first), id(&second));
    assert!(third.starts_with("GET /hook HTTP/1.1\r\n") && third.ends_with("\r\n\r\n"), "{third}");
    assert!(!third.contains("Content-Type"), "{third}");
    while bench.store.next_delivery_due(&[]).await.unwrap().is_some() {
        tokio::task::yield_now().await;
    }
    bench.shutdown().await;
}

#[tokio::test]
async fn a_webhook_reaches_nothing_inside() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::real());
    let inside = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = inside.local_addr().unwrap().port();
    let bench = with_callback(dir.path(), "not a url", AddressPolicy::Public, clock).await;
    for host in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "0.0.0.0",
    ] {
        let url = format!("http://{host}:{port}/");
        bench.store.queue_delivery(&url, "{}").await.unwrap().unwrap();
    }
    bench.desk.inbound(&inbound()).await.unwrap();
    while bench.store.next_delivery_due(&[]).await.unwrap().is_some() {
        tokio::task::yield_now().await;
    }
    let nobody = std::time::Duration::ZERO;
    assert!(tokio::time::timeout(nobody, inside.accept()).await.is_err(), "somebody came");
    bench.shutdown().await;
}

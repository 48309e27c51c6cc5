//! The whole service against programs that we did not write: SIPp as a trunk, baresip as a phone
//! that plays a file. A test whose program is not installed says so and passes;
//! `PHONEAI_REQUIRE_PEERS=1` makes it fail.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod baresip;
mod program;
mod service;
mod sipp;
#[path = "../support/mod.rs"]
mod support;
mod wav;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use baresip::Baresip;
use phoneai::config::Config;
use serde_json::Value;
use service::{Deaf, Service, make_extension};
use sipp::Sipp;
use wav::Recorded;

fn have_sipp() -> bool {
    program::installed("sipp", "sip-tester")
}

fn have_baresip() -> bool {
    program::installed("baresip", "baresip")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Fails unless two times, in seconds, are the same within a second.
fn assert_near(a: f64, b: f64, what: &str) {
    assert!((a - b).abs() < 1.0, "{what}: {a} s and {b} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trunk_that_challenges_answers_twice_and_hangs_up_late_is_on_record() {
    if !have_sipp() {
        return;
    }
    let data = tempfile::tempdir().expect("a directory");
    let sipp = Sipp::start("uas_challenges_and_hangs_up.xml");
    // What the recogniser does after the call is not part of it.
    let slow = Deaf { afterthought: Duration::from_secs(3) };
    let service = Service::start(data.path(), sipp.address, Arc::new(slow), |_| {}).await;
    let mut events = service.events().await;
    let id = service.call().await;
    let ended = events.wait_for("ended").await;
    let record = service.record(&id).await;
    // SIPp wants an ACK for each 200, the repeated one as well (RFC 3261 §13.2.2.4).
    let messages = sipp.finish().await;

    assert_eq!(ended["call"], *id);
    assert_eq!((events.count("answered"), events.count("ended")), (1, 1));
    assert_eq!(ended["reason"], "the line hung up");
    assert_eq!(record["state"], "ended", "{record}");
    assert_eq!(record["number"], service::NUMBER);
    assert_eq!(record["reason"], "the line hung up");
    assert_eq!(record["sip_status"], Value::Null);
    assert!(record["answered_at"].is_string() && record["ended_at"].is_string(), "{record}");
    let talked = messages.seconds("SIP/2.0 200", "BYE ");
    assert!(talked > 2.5, "SIPp hung up after {talked} s");
    assert_near(number(&record["seconds"]), talked, "on record and by SIPp's clock");

    service.end().await;
    let recorded = Recorded::of(data.path(), &id);
    let lasted = number(&ended["at_ms"]) / 1000.0;
    assert_near(recorded.seconds(), lasted, "the recording and the call");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_line_is_on_record_with_its_status() {
    if !have_sipp() {
        return;
    }
    let data = tempfile::tempdir().expect("a directory");
    let sipp = Sipp::start("uas_challenges_and_is_busy.xml");
    let service =
        Service::start(data.path(), sipp.address, Arc::new(Deaf::default()), |_| {}).await;
    let mut events = service.events().await;
    let id = service.call().await;
    let ended = events.wait_for("ended").await;
    let record = service.record(&id).await;
    sipp.finish().await;
    service.end().await;

    assert_eq!((&ended["status"], events.count("answered")), (&Value::from(486), 0));
    assert_eq!(record["state"], "failed", "{record}");
    assert_eq!(record["sip_status"], 486);
    assert_eq!(record["reason"], "486 Busy Here");
    assert_eq!((&record["answered_at"], &record["seconds"]), (&Value::Null, &Value::Null));
    assert!(record["ended_at"].is_string(), "{record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_survives_being_put_on_hold() {
    if !have_sipp() {
        return;
    }
    let data = tempfile::tempdir().expect("a directory");
    let sipp = Sipp::start("uas_holds_and_resumes.xml");
    let service =
        Service::start(data.path(), sipp.address, Arc::new(Deaf::default()), |_| {}).await;
    let mut events = service.events().await;
    let id = service.call().await;
    let ended = events.wait_for("ended").await;
    let record = service.record(&id).await;
    let messages = sipp.finish().await;
    service.end().await;

    assert_eq!((events.count("answered"), events.count("ended")), (1, 1));
    assert_eq!(ended["reason"], "the line hung up");
    assert_eq!(
        (&record["state"], &record["reason"]),
        (&"ended".into(), &"the line hung up".into())
    );
    let talked = messages.seconds("SIP/2.0 200", "BYE ");
    assert_near(number(&record["seconds"]), talked, "on record and by SIPp's clock");
    // The time on hold is part of the recording.
    let lasted = number(&ended["at_ms"]) / 1000.0;
    assert_near(Recorded::of(data.path(), &id).seconds(), lasted, "the recording and the call");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_phone_plays_is_heard_understood_and_recorded() {
    if !have_baresip() {
        return;
    }
    let data = tempfile::tempdir().expect("a directory");
    let (sound, loud) = wav::prompt(data.path(), "harbor_electric/main.wav", 500, 1500);
    let mut phone = Baresip::start(&sound).await;
    let service = Service::start(data.path(), phone.address, support::engine(), |_| {}).await;
    let mut events = service.events().await;
    let id = service.call().await;
    let ended = events.wait_for("ended").await;
    let record = service.record(&id).await;
    service.end().await;

    let text = events.text();
    for words in ["billing", "power outage", "start or stop service", "operator"] {
        assert!(text.contains(words), "no {words:?} in {text:?}");
    }
    assert_eq!(ended["reason"], "the line hung up");
    assert_eq!(
        (&record["state"], &record["reason"]),
        (&"ended".into(), &"the line hung up".into())
    );
    // "(duration: 14 secs)", whole seconds.
    let said = phone.wait_for("terminated (duration: ").await;
    let duration = said.rsplit("duration: ").next().and_then(|rest| rest.split(' ').next());
    let duration: f64 = duration.and_then(|n| n.parse().ok()).expect("a duration");
    let seconds = number(&record["seconds"]);
    assert!((duration - 1.0..duration + 2.0).contains(&seconds), "{seconds} s and {duration} s");
    phone.end().await;

    let recorded = Recorded::of(data.path(), &id);
    let heard = wav::loud_frames(&recorded.heard);
    assert!(heard * 10 > loud * 9 && heard * 10 < loud * 11, "{heard} of {loud} frames with sound");
    assert_eq!(wav::loud_frames(&recorded.sent), 0, "a plain call is silent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_a_crawl_presses_arrives_at_the_phone() {
    if !have_baresip() {
        return;
    }
    let data = tempfile::tempdir().expect("a directory");
    // The silence is for the key; a phone that has played its file hangs up.
    let (sound, _) = wav::prompt(data.path(), "harbor_electric/billing.wav", 500, 100_000);
    let mut phone = Baresip::start(&sound).await;
    let service = Service::start(data.path(), phone.address, support::engine(), |config| {
        config.crawl.silence_ms = 1500;
    })
    .await;
    let mut events = service.events().await;
    service.crawl().await;
    let pressed = events.wait_for("pressed").await;
    let key = pressed["keys"].as_str().expect("keys").to_owned();
    let said = phone.wait_for(&format!("received event: '{key}' (end=1)")).await;
    assert_eq!(said.matches("(end=0)").count(), 1, "one key, once: {said}");

    service.end().await;
    phone.wait_for("terminated (duration: ").await;
    phone.end().await;
    assert_eq!(events.count("pressed"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sipp_registers_calls_a_number_of_ours_holds_and_hangs_up() {
    if !have_sipp() {
        return;
    }
    let data = tempfile::tempdir().expect("a directory");
    make_extension(data.path(), "1001", "secret").await;
    // Loopback is nobody's trunk here: every caller has to prove who it is.
    let elsewhere = "192.0.2.1:5060".parse().expect("an address");
    let service = Service::start(data.path(), elsewhere, Arc::new(Deaf::default()), |_| {}).await;
    let sipp = Sipp::start_towards("uac_registers_and_calls.xml", service.sip_addr());
    sipp.finish().await;
    service.wait_for_phones("1001", 1).await;
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn baresip_registers_calls_a_number_of_ours_and_is_called_as_an_extension() {
    if !have_baresip() {
        return;
    }
    let data = tempfile::tempdir().expect("a directory");
    let (sound, _) = wav::prompt(data.path(), "harbor_electric/main.wav", 500, 100_000);
    make_extension(data.path(), "1001", "secret").await;
    let elsewhere = "192.0.2.1:5060".parse().expect("an address");
    let service = Service::start(data.path(), elsewhere, Arc::new(Deaf::default()), |_| {}).await;
    let mut phone = Baresip::start_registered(&sound, service.sip_addr(), "udp", &[]);
    service.wait_for_phones("1001", 1).await;
    service.call_to("sip:1001@localhost").await;
    phone.wait_for("Call established").await;
    phone.end().await;

    let dial = format!("/dial sip:9196@{}", service.sip_addr());
    let mut phone = Baresip::start_registered(&sound, service.sip_addr(), "udp", &[dial]);
    phone.wait_for("Call established").await;
    phone.end().await;
    service.end().await;
}

/// A phone that registers over a connection, calls, and is called back over the same connection.
async fn baresip_over(transport: &str, change: impl FnOnce(&mut Config, SocketAddr)) {
    let data = tempfile::tempdir().expect("a directory");
    let (sound, _) = wav::prompt(data.path(), "harbor_electric/main.wav", 500, 100_000);
    make_extension(data.path(), "1001", "secret").await;
    let elsewhere = "192.0.2.1:5060".parse().expect("an address");
    let place = program::free_address();
    let change = |config: &mut Config| change(config, place);
    let service = Service::start(data.path(), elsewhere, Arc::new(Deaf::default()), change).await;
    let mut phone = Baresip::start_registered(&sound, place, transport, &[]);
    service.wait_for_phones("1001", 1).await;
    service.call_to("sip:1001@localhost").await;
    phone.wait_for("Call established").await;
    phone.end().await;
    let dial = format!("/dial sip:9196@{place};transport={transport}");
    let mut phone = Baresip::start_registered(&sound, place, transport, &[dial]);
    phone.wait_for("Call established").await;
    phone.end().await;
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn baresip_registers_calls_and_is_called_over_tcp() {
    if !have_baresip() {
        return;
    }
    baresip_over("tcp", |config, place| config.sip.tcp_listen = Some(place)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn baresip_registers_calls_and_is_called_over_tls() {
    if !have_baresip() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let certified = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("keys");
    let (certificate, key) = (directory.path().join("a.pem"), directory.path().join("a.key"));
    std::fs::write(&certificate, certified.cert.pem()).expect("a file");
    std::fs::write(&key, certified.signing_key.serialize_pem()).expect("a file");
    baresip_over("tls", |config, place| {
        config.sip.tls_listen = Some(place);
        config.sip.tls_certificate = Some(certificate);
        config.sip.tls_key = Some(key);
    })
    .await;
}

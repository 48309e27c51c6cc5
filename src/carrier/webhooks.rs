//! Sends the webhooks of the spool.
//!
//! A webhook is sent at once and then with growing pauses for a day, until its receiver answers
//! with a 2xx status. It is told at least once: a receiver that answers too late, or a service that
//! is killed, makes it come again, under the same `X-Phoneai-Delivery`.
//!
//! With a signing key, `X-Phoneai-Signature: t=SECONDS,v1=HEX` proves where it comes from: the
//! HMAC-SHA256 under the key of the text `SECONDS.BODY`, where SECONDS are those since 1970 when it
//! was sent. A receiver refuses what is older than it likes, so that nobody can replay it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hmac::{Hmac, Mac as _};
use hyper::{HeaderMap, Method, StatusCode, body::Bytes, header};
use phoneai_clock::Clock;
use sha2::Sha256;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};
use tracing::{debug, error, info, warn};
use url::Url;

use crate::{
    config::Secret,
    http::{Answer, Client, HttpError, Request},
    store::{Delivery, DeliveryId, DeliveryOutcome, Store, StoreError, Time},
};

/// Webhooks that are sent at a time.
const MAX_IN_FLIGHT: usize = 32;
/// Of them, to one host: a slow receiver does not hold up the others.
const MAX_PER_HOST: usize = 4;
/// A receiver may redirect so often.
const MAX_REDIRECTS: usize = 5;
/// The pauses after failed attempts; the last is repeated until the day is over.
const PAUSES: [Duration; 8] = [
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(300),
    Duration::from_secs(900),
    Duration::from_secs(1800),
    Duration::from_secs(3600),
    Duration::from_secs(7200),
    Duration::from_secs(14_400),
];
/// How long the spool is left alone after the database failed.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// The spool is looked at at least so often.
const LONGEST_NAP: Duration = Duration::from_secs(60);
/// Old results are forgotten so often.
const TIDY: Duration = Duration::from_secs(3600);

/// What the old service's webhooks call themselves; receivers may look at it.
const USER_AGENT: &str = "python-requests/2.28.0";

/// What sends webhooks.
pub(super) struct Webhooks {
    pub(super) store: Store,
    /// With the policy for addresses that clients give.
    pub(super) client: Client,
    pub(super) signing_key: Option<Secret<String>>,
    pub(super) clock: Clock,
    pub(super) wake: Arc<Notify>,
}

/// Runs until `stop` becomes true. What is under way then is cut off and told again at the next
/// start.
pub(super) async fn run(webhooks: Webhooks, mut stop: watch::Receiver<bool>) {
    let webhooks = Arc::new(webhooks);
    let mut in_flight: JoinSet<DeliveryId> = JoinSet::new();
    let mut under_way: BTreeMap<DeliveryId, String> = BTreeMap::new();
    let mut tidy_at = webhooks.clock.now();
    while !*stop.borrow() {
        if webhooks.clock.now() >= tidy_at {
            tidy_at = webhooks.clock.now() + TIDY;
            if let Err(error) = webhooks.store.forget_old_deliveries().await {
                warn!(%error, "Old webhooks were not forgotten.");
            }
        }
        let nap = match turn(&webhooks, &mut in_flight, &mut under_way).await {
            Ok(nap) => nap,
            Err(error) => {
                error!(%error, "The spool of webhooks cannot be read; trying again.");
                AFTER_FAILURE
            }
        };
        tokio::select! {
            () = webhooks.wake.notified() => {}
            Some(done) = in_flight.join_next(), if !in_flight.is_empty() => match done {
                Ok(id) => { under_way.remove(&id); }
                // A task that panicked cannot say which it was: all are looked at again.
                Err(error) => {
                    error!(%error, "A webhook broke off.");
                    in_flight.abort_all();
                    while in_flight.join_next().await.is_some() {}
                    under_way.clear();
                }
            },
            () = webhooks.clock.sleep(nap) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Begins what is due, and tells how long there is nothing to do.
async fn turn(
    webhooks: &Arc<Webhooks>,
    in_flight: &mut JoinSet<DeliveryId>,
    under_way: &mut BTreeMap<DeliveryId, String>,
) -> Result<Duration, StoreError> {
    let except: Vec<DeliveryId> = under_way.keys().copied().collect();
    let room = MAX_IN_FLIGHT.saturating_sub(in_flight.len());
    if room == 0 {
        return Ok(LONGEST_NAP);
    }
    let mut held_up = false;
    // More than there is room for, so that one slow host's do not hide all others.
    for delivery in webhooks.store.due_deliveries(&except, MAX_IN_FLIGHT * 8).await? {
        if in_flight.len() >= MAX_IN_FLIGHT {
            return Ok(LONGEST_NAP);
        }
        let host = host(&delivery.url);
        if under_way.values().filter(|h| **h == host).count() >= MAX_PER_HOST {
            held_up = true;
            continue;
        }
        under_way.insert(delivery.id, host);
        let webhooks = webhooks.clone();
        in_flight.spawn(async move {
            deliver(&webhooks, &delivery).await;
            delivery.id
        });
    }
    if held_up {
        return Ok(LONGEST_NAP);
    }
    let except: Vec<DeliveryId> = under_way.keys().copied().collect();
    let due = webhooks.store.next_delivery_due(&except).await?;
    let nap = due.map_or(LONGEST_NAP, |due| due.since(webhooks.store.now()));
    Ok(nap.min(LONGEST_NAP))
}

fn host(url: &str) -> String {
    Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

async fn deliver(webhooks: &Webhooks, delivery: &Delivery) {
    let answer = send(webhooks, delivery).await;
    let outcome = outcome(&answer, delivery, webhooks.store.now());
    match (&outcome.error, outcome.again_at) {
        (None, _) => debug!(delivery = %delivery.uuid, "Webhook delivered."),
        (Some(error), Some(_)) => {
            info!(delivery = %delivery.uuid, %error, "Webhook not delivered; it is tried again.");
        }
        (Some(error), None) => warn!(delivery = %delivery.uuid, %error, "Webhook given up."),
    }
    if let Err(error) = webhooks.store.settle_delivery(delivery.id, &outcome).await {
        error!(delivery = %delivery.uuid, %error, "What became of a webhook was not stored.");
    }
}

/// Sends one webhook and follows redirects as the old service did: after 301, 302 and 303 with GET
/// and without the body, after 307 and 308 as it was.
async fn send(webhooks: &Webhooks, delivery: &Delivery) -> Result<StatusCode, HttpError> {
    let mut url = Url::parse(&delivery.url).map_err(|e| HttpError::BadUrl(e.to_string()))?;
    let mut headers = headers();
    let mut body = Bytes::from(delivery.body.clone());
    let mut method = Method::POST;
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    if let Ok(id) = header::HeaderValue::from_str(&delivery.uuid.to_string()) {
        headers.insert("x-phoneai-delivery", id);
    }
    if let Some(key) = &webhooks.signing_key {
        let seconds = webhooks.clock.wall_micros() / 1_000_000;
        let signature = signature(key.expose(), seconds, &delivery.body);
        if let Ok(signature) = header::HeaderValue::from_str(&signature) {
            headers.insert("x-phoneai-signature", signature);
        }
    }
    for _ in 0..=MAX_REDIRECTS {
        let request = Request {
            method: method.clone(),
            url: url.clone(),
            headers: headers.clone(),
            body: body.clone(),
        };
        let Answer { status, headers: answered, .. } = webhooks.client.send(request).await?;
        let location = answered.get(header::LOCATION).and_then(|l| l.to_str().ok());
        let (true, Some(location)) = (status.is_redirection(), location) else {
            return Ok(status);
        };
        let next = url.join(location).map_err(|e| HttpError::BadUrl(e.to_string()))?;
        if next.origin() != url.origin() {
            // Not meant for strangers.
            headers.remove("x-phoneai-signature");
        }
        url = next;
        if matches!(status.as_u16(), 301..=303) {
            method = Method::GET;
            body = Bytes::new();
            headers.remove(header::CONTENT_TYPE);
        }
    }
    Err(HttpError::BadUrl(format!("redirected more than {MAX_REDIRECTS} times")))
}

/// What the old service sent.
fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (header::USER_AGENT, USER_AGENT),
        (header::ACCEPT_ENCODING, "gzip, deflate"),
        (header::ACCEPT, "*/*"),
        (header::CONNECTION, "keep-alive"),
    ] {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    headers
}

/// What an attempt means for the webhook. An address that can never be asked is not tried again;
/// a name may resolve tomorrow.
fn outcome(
    answer: &Result<StatusCode, HttpError>,
    delivery: &Delivery,
    now: Time,
) -> DeliveryOutcome {
    let (status, error, last) = match answer {
        Ok(status) if status.is_success() => (Some(status.as_u16()), None, true),
        // RFC 9110 §15.5.11: gone for good.
        Ok(status) if *status == StatusCode::GONE => {
            (Some(410), Some("the receiver is gone (410)".to_owned()), true)
        }
        Ok(status) => (Some(status.as_u16()), Some(format!("answered with {status}")), false),
        Err(error) => {
            let last =
                matches!(error, HttpError::BadUrl(_) | HttpError::Forbidden(_) | HttpError::Tls(_));
            (None, Some(error.to_string()), last)
        }
    };
    let pause = usize::try_from(delivery.attempts).ok().and_then(|n| PAUSES.get(n));
    let at = now.after(*pause.unwrap_or(&PAUSES[PAUSES.len() - 1]));
    let again_at = (!last && at <= delivery.give_up_at).then_some(at);
    DeliveryOutcome { status, error, again_at }
}

/// The signature header's value.
fn signature(key: &str, seconds: i64, body: &str) -> String {
    use std::fmt::Write as _;
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else {
        // HMAC takes keys of any length (RFC 2104 §2).
        return String::new();
    };
    mac.update(format!("{seconds}.{body}").as_bytes());
    let mut text = format!("t={seconds},v1=");
    for byte in mac.finalize().into_bytes() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(attempts: u32) -> Delivery {
        Delivery {
            id: DeliveryId(1),
            uuid: uuid::Uuid::nil(),
            url: "http://a.test/".to_owned(),
            body: "{}".to_owned(),
            attempts,
            give_up_at: Time(24 * 3600 * 1_000_000),
        }
    }

    #[test]
    fn a_signature_is_the_hmac_of_time_and_body() {
        // printf '1700000000.{"a": 1}' | openssl dgst -sha256 -hmac secret
        assert_eq!(
            signature("secret", 1_700_000_000, "{\"a\": 1}"),
            "t=1700000000,v1=942c6f7e34ef5c448cbbbf79276da392036d59f0bd9fb74ba14eb8e83e2bb6cd"
        );
    }

    #[test]
    fn a_webhook_is_tried_for_a_day_and_then_given_up() {
        let refused = Ok(StatusCode::INTERNAL_SERVER_ERROR);
        let (mut now, mut attempts) = (Time(0), 0);
        while let Some(at) = outcome(&refused, &delivery(attempts), now).again_at {
            assert!(at > now);
            (now, attempts) = (at, attempts + 1);
        }
        assert!(now > Time(18 * 3600 * 1_000_000), "given up after {now:?}");
        assert_eq!(attempts, 11);
    }

    #[test]
    fn what_can_never_be_delivered_is_tried_once() {
        for answer in [
            Ok(StatusCode::GONE),
            Err(HttpError::BadUrl(String::new())),
            Err(HttpError::Forbidden("127.0.0.1".to_owned())),
        ] {
            let outcome = outcome(&answer, &delivery(0), Time(0));
            assert!(outcome.error.is_some() && outcome.again_at.is_none(), "{answer:?}");
        }
        assert_eq!(outcome(&Ok(StatusCode::OK), &delivery(0), Time(0)).error, None);
    }
}

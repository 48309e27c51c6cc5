//! A carrier's simulated services, and a desk in front of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::{path::Path, sync::Arc, time::Duration};

use phoneai::{
    carrier::{Desk, DeskSettings, DeskTasks, Flowroute, FlowrouteSettings},
    config::Secret,
    http::{AddressPolicy, Client, Limits},
    simulator::services::{self, Services, ServicesConfig},
    store::{NewSms, SmsId, SmsRow, SmsState, Store},
};
use phoneai_clock::Clock;
use tokio::sync::watch;

/// The number that messages are sent from.
pub const OURS: &str = "12025550100";
/// A number that can be bought.
pub const OFFER: &str = "12025550120";

/// The services, with five numbers on offer.
pub async fn services(clock: Clock) -> Services {
    let config = ServicesConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        keys: Some(("access".to_owned(), "secret".to_owned())),
        offers: (0..5).map(|n| (format!("1202555012{n}"), 0.5 + f64::from(n) * 0.25)).collect(),
        filters: true,
    };
    services::start(config, clock).await.unwrap()
}

/// A client that may connect to these addresses, and is patient on a loaded machine.
pub fn client(policy: AddressPolicy) -> Client {
    let patience = Duration::from_secs(60);
    Client::new(policy, Limits { connect: patience, answer: patience, body: 1 << 20 }).unwrap()
}

/// Flowroute as it is reached at `url`.
pub fn flowroute(url: &str) -> Flowroute {
    let settings = FlowrouteSettings {
        url: url.parse().unwrap(),
        access_key: "access".to_owned(),
        secret_key: Secret::new("secret".to_owned()),
    };
    Flowroute::new(client(AddressPolicy::Any), &settings)
}

/// What desks are set up with.
pub fn settings() -> DeskSettings {
    DeskSettings {
        sms_from: OURS.to_owned(),
        route: Some("12345".to_owned()),
        signing_key: Some(Secret::new("signing".to_owned())),
        ..DeskSettings::default()
    }
}

/// A desk that works.
pub struct Bench {
    pub desk: Desk,
    pub store: Store,
    pub tasks: DeskTasks,
    pub stop: watch::Sender<bool>,
}

impl Bench {
    /// A desk on the database in `dir` that asks the carrier at `url`, and may send webhooks where
    /// `policy` permits.
    pub async fn start(dir: &Path, url: &str, policy: AddressPolicy, clock: Clock) -> Self {
        let store = Store::open(dir, clock).await.unwrap();
        let desk = Desk::new(Some(Arc::new(flowroute(url))), store.clone(), settings());
        let (stop, stopping) = watch::channel(false);
        let tasks = desk.start(client(policy), clock, stopping).await.unwrap();
        Self { desk, store, tasks, stop }
    }

    /// Waits until the message is in this state.
    pub async fn until(&self, id: SmsId, state: SmsState) -> SmsRow {
        loop {
            let row = self.store.sms(id).await.unwrap().unwrap();
            if row.state == state {
                return row;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Ends it as a stop of the service does.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        self.tasks.over().await;
        drop(self.desk);
        self.store.close().await;
    }
}

/// A message to `to`.
pub fn sms(to: &str) -> NewSms {
    NewSms { to: to.to_owned(), body: "hello".to_owned(), callback_url: None, asked_by: None }
}

/// Waits until the services were asked something like this.
pub async fn asked(services: &Services, what: &str) {
    while !services.requests().iter().any(|request| request.starts_with(what)) {
        tokio::task::yield_now().await;
    }
}

/// How often the services were asked this.
pub fn times(services: &Services, what: &str) -> usize {
    services.requests().iter().filter(|request| request.starts_with(what)).count()
}

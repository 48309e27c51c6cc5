//! The service under test, in this process: the API and what is behind it, on the rows of a
//! fixture, with a switch that calls nobody and the simulated carrier. A release of `phoneai` has
//! none of it.

use std::{sync::Arc, time::Duration};

use phoneai::{
    api::{self, Api, CallRequest, ConnectRequest, DialError, Options, Parts, Switch},
    calls::{gate::Gate, live::Live},
    carrier::{Desk, DeskSettings, DeskTasks, Flowroute, FlowrouteSettings},
    config::Secret,
    http::{AddressPolicy, Client, Limits},
    policy::Policy,
    simulator::services::{self, Mode, Services, ServicesConfig},
    store::Store,
};
use phoneai_clock::Clock;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use uuid::Uuid;

use crate::{case::Setup, fixture::Fixture};

/// A carrier or a receiver that takes longer does not answer at all.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of their answers.
const MAX_ANSWER: usize = 1 << 20;

/// A switch that is there or not.
struct StubSwitch {
    ready: bool,
}

impl Switch for StubSwitch {
    fn ready(&self) -> bool {
        self.ready
    }

    fn wake(&self) {}

    fn connect(&self, _request: ConnectRequest) -> Result<Uuid, DialError> {
        if self.ready { Ok(Uuid::new_v4()) } else { Err(DialError::NotReady) }
    }

    fn dial(&self, _request: CallRequest) -> Result<Uuid, DialError> {
        if self.ready { Ok(Uuid::new_v4()) } else { Err(DialError::NotReady) }
    }
}

/// A running service.
pub struct Stage {
    /// Its host and port.
    pub address: String,
    store: Store,
    stop: watch::Sender<bool>,
    api: JoinHandle<()>,
    desk: DeskTasks,
    services: Services,
    _data: tempfile::TempDir,
}

/// Numbers that can be bought, with their monthly cost.
pub type Offers = Vec<(String, f64)>;

impl Stage {
    /// Starts a service in the state of a case.
    ///
    /// # Errors
    /// In words.
    pub async fn start(setup: &Setup, fixture: &Fixture, offers: &Offers) -> Result<Self, String> {
        let words = |error: &dyn std::fmt::Display| error.to_string();
        let data = tempfile::tempdir().map_err(|e| words(&e))?;
        let clock = Clock::real();
        let store = Store::open(data.path(), clock).await.map_err(|e| words(&e))?;
        store.import(&fixture.import()?).await.map_err(|e| words(&e))?;
        let config = ServicesConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            keys: None,
            offers: offers.clone(),
            filters: false,
        };
        let services = services::start(config, clock).await.map_err(|e| words(&e))?;
        services.set_mode(mode(&setup.flowroute)?);
        let settings = FlowrouteSettings {
            url: services.url().parse().map_err(|e| words(&e))?,
            access_key: String::new(),
            secret_key: Secret::default(),
        };
        let limits = || Limits { connect: PATIENCE, answer: PATIENCE, body: MAX_ANSWER };
        let client = || Client::new(AddressPolicy::Any, limits()).map_err(|e| words(&e));
        let carrier = Arc::new(Flowroute::new(client()?, &settings));
        let settings = DeskSettings {
            sms_from: "14582037530".to_owned(),
            route: Some("1".to_owned()),
            ..DeskSettings::default()
        };
        let desk = Desk::new(Some(carrier), store.clone(), settings);
        let (stop, stopping) = watch::channel(false);
        let tasks = desk.start(client()?, clock, stopping.clone()).await.map_err(|e| words(&e))?;
        let switch = Arc::new(StubSwitch { ready: setup.esl != "down" });
        let api = Api::of(Parts {
            store: store.clone(),
            switch,
            live: Live::new(),
            carrier: desk,
            gate: Gate::new(Policy::default(), store.clone(), false),
            options: Options::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|e| words(&e))?;
        let address = listener.local_addr().map_err(|e| words(&e))?.to_string();
        let api = tokio::spawn(async move {
            let mut stopping = stopping;
            api::serve(listener, api, async {
                let _ = stopping.wait_for(|stop| *stop).await;
            })
            .await;
        });
        Ok(Self { address, store, stop, api, desk: tasks, services, _data: data })
    }

    /// Ends it.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        let _ = self.api.await;
        self.desk.over().await;
        self.services.shutdown().await;
        self.store.close().await;
    }
}

fn mode(name: &str) -> Result<Mode, String> {
    Ok(match name {
        "ok" => Mode::Ok,
        "raise" => Mode::Raise,
        "purchase_fail" => Mode::PurchaseFail,
        "route_fail" => Mode::RouteFail,
        "empty" => Mode::Empty,
        "odd" => Mode::Odd,
        "none" => Mode::None,
        "badrow" => Mode::BadRow,
        other => return Err(format!("the carrier has no mode {other:?}")),
    })
}

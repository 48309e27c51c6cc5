//! The phones' side of the service: accounts, registrations, and the numbers that we answer
//! ourselves.
//!
//! The registrar lives in the SIP endpoint and answers from memory. Here is what connects it with
//! the database: [`accounts`] follows the extensions, [`bindings`] writes down where phones are, a
//! moment later. [`answer`] takes the calls that come in.

pub mod accounts;
pub mod answer;
pub mod bindings;

use std::time::Duration;

use phoneai_clock::Clock;
use phoneai_sip::{
    auth::{Algorithm, DigestServer},
    endpoint::Reception,
    registrar::{Registrar, RegistrarConfig},
    transport::udp,
};
use tokio::{sync::watch, task::JoinHandle};
use tracing::warn;

use self::accounts::Accounts;
use crate::{
    config::{Digests, Extensions},
    store::{Store, StoreError},
};

/// How often the database is asked for changes of accounts and told of those of bindings. Real
/// time: a phone that was just made can register so soon.
const INTERVAL: Duration = Duration::from_secs(1);

/// The phones of a service before its endpoint is there.
pub struct Phones {
    store: Store,
    accounts: Accounts,
}

impl Phones {
    /// Reads accounts and bindings into a reception that also lets in `trusted` networks.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn open(
        settings: &Extensions,
        store: Store,
        clock: Clock,
        key: [u8; 32],
        trusted: Vec<ipnet::IpNet>,
    ) -> Result<(Self, Reception), StoreError> {
        let now = clock.now();
        let algorithms = match settings.digests {
            Digests::Sha256AndMd5 => vec![Algorithm::Sha256, Algorithm::Md5],
            Digests::Sha256 => vec![Algorithm::Sha256],
            Digests::Md5 => vec![Algorithm::Md5],
        };
        let digest = DigestServer::new(&settings.realm, key, now).with_algorithms(algorithms);
        let config = RegistrarConfig {
            // Names of extensions are unique, so that the domain says nothing.
            domains: Vec::new(),
            min_expires_s: settings.min_expires_s,
            max_expires_s: settings.max_expires_s,
            default_expires_s: settings.max_expires_s,
            max_bindings: settings.max_phones as usize,
            max_records: settings.max_registered as usize,
        };
        let mut registrar = Registrar::new(config, digest);
        for (record, stored) in store.bindings().await? {
            let bindings = bindings::restored(&stored, store.now(), now);
            registrar.restore(now, record, bindings);
        }
        let mut reception = Reception::of_networks(trusted).with_registrar(registrar);
        let mut accounts = Accounts::new(&settings.realm);
        for (name, secret) in accounts.read(&store).await? {
            reception.set_account(&name, secret);
        }
        Ok((Self { store, accounts }, reception))
    }

    /// Keeps the reception and the database in step until the service stops; what changed last is
    /// written down then.
    pub fn keep(self, sip: udp::Handle, stop: watch::Receiver<bool>) -> JoinHandle<()> {
        tokio::spawn(self.run(sip, stop))
    }

    async fn run(mut self, sip: udp::Handle, mut stop: watch::Receiver<bool>) {
        let clock = Clock::real();
        let mut healthy = true;
        loop {
            let stopping = tokio::select! {
                () = clock.sleep(INTERVAL) => false,
                _ = stop.wait_for(|stop| *stop) => true,
            };
            let step = self.step(&sip).await;
            if let (Err(error), true) = (&step, healthy) {
                // What could not be written is written when it changes next, at the latest when the
                // phone registers again.
                warn!(%error, "Accounts and registrations are not in step with the database.");
            }
            healthy = step.is_ok();
            if stopping {
                return;
            }
        }
    }

    async fn step(&mut self, sip: &udp::Handle) -> Result<(), StoreError> {
        if self.accounts.are_outdated(&self.store).await? {
            let changes = self.accounts.read(&self.store).await?;
            // An error means that the endpoint has ended, here and below.
            let _ = sip
                .with_reception(move |_, reception| {
                    for (name, secret) in changes {
                        reception.set_account(&name, secret);
                    }
                })
                .await;
        }
        bindings::write_down(&self.store, sip).await
    }
}

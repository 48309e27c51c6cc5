//! One call's or registration's answers to challenges (RFC 3261 §22).

use rand::{Rng as _, rngs::StdRng};

use super::{compose::Header, inbound::Inbound};
use crate::{
    auth::{Credentials, DigestClient},
    message::{HeaderName, Method, Request},
};

/// Challenges to one request that are answered; more is a loop.
const MAX_TRIES: u8 = 4;

const ANSWERS: [HeaderName<'static>; 2] =
    [HeaderName::Authorization, HeaderName::ProxyAuthorization];

/// The credentials of one user agent client, if it has any, and what it sent of them.
#[derive(Debug)]
pub(crate) struct Login {
    client: Option<DigestClient>,
    /// What the last request carried.
    carried: Vec<Header>,
    /// What the last INVITE carried: its ACK has to carry the same (§22.1).
    of_invite: Vec<Header>,
    /// The answer to the last challenge, for the request that is sent next.
    answer: Option<Vec<Header>>,
    tries: u8,
    /// True once it is certain for which realm the credentials are: it is configured, or was
    /// learned from a challenge to the first request.
    realm_known: bool,
}

/// Where in a call a challenge comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It answers the first request, which the trunk gets first.
    First,
    /// It answers a request inside a call. It may come from the phone behind the trunk, which has
    /// no business with our password (EnableSecurity ES2021-05): no realm is learned from it.
    InDialog,
}

impl Login {
    pub(crate) fn new(credentials: Option<Credentials>) -> Self {
        let realm_known = credentials.as_ref().is_some_and(|known| known.realm.is_some());
        Self {
            realm_known,
            client: credentials.map(DigestClient::new),
            carried: Vec::new(),
            of_invite: Vec::new(),
            answer: None,
            tries: 0,
        }
    }

    /// The headers that a request carries to prove who we are; none as long as nobody asked.
    pub(crate) fn headers(
        &mut self,
        rng: &mut StdRng,
        method: Method,
        uri: &str,
        body: &[u8],
    ) -> Vec<Header> {
        let headers = match (self.answer.take(), &mut self.client) {
            (Some(answer), _) => answer,
            (None, Some(client)) => {
                let mut request = Request::new(method, uri).body("application/sdp", body);
                client.authorize(&mut request, &cnonce(rng));
                answers_of(&request)
            }
            (None, None) => Vec::new(),
        };
        self.carried.clone_from(&headers);
        if method == Method::Invite {
            self.of_invite.clone_from(&headers);
        }
        headers
    }

    /// What the last INVITE carried, for its ACK.
    pub(crate) fn of_invite(&self) -> &[Header] {
        &self.of_invite
    }

    /// Takes a final response; true if it is a challenge that the next request will answer, so that
    /// it should be sent again.
    pub(crate) fn on_challenge(
        &mut self,
        rng: &mut StdRng,
        response: &Inbound,
        (method, uri, body): (Method, &str, &[u8]),
        place: Place,
    ) -> bool {
        let Some(client) = &mut self.client else { return false };
        if !matches!(response.status(), 401 | 407) {
            client.accepted();
            self.tries = 0;
            return false;
        }
        if self.tries >= MAX_TRIES || (place == Place::InDialog && !self.realm_known) {
            return false;
        }
        self.tries += 1;
        let mut request = Request::new(method, uri).body("application/sdp", body);
        for header in &self.carried {
            if let Some(name) = HeaderName::from_token(&header.name) {
                request.headers_mut().push(name, &header.value);
            }
        }
        match client.answer(&mut request, &response.message(), &cnonce(rng)) {
            Ok(()) => {
                self.answer = Some(answers_of(&request));
                self.realm_known = true;
                true
            }
            Err(error) => {
                tracing::debug!(%error, call_id = response.call_id, "Challenge not answered.");
                false
            }
        }
    }
}

fn answers_of(request: &Request) -> Vec<Header> {
    ANSWERS
        .into_iter()
        .flat_map(|name| request.headers().all(name).map(move |value| (name, value)))
        .map(|(name, value)| Header::new(name.as_str(), String::from_utf8_lossy(value)))
        .collect()
}

fn cnonce(rng: &mut StdRng) -> String {
    format!("{:016x}", rng.random::<u64>())
}

//! One request over one connection, within its limits.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    HeaderMap, Method, StatusCode,
    body::Bytes,
    client::conn::http1,
    header::{HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::AddressPolicy;

/// How long and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// To resolve the name, connect, and agree on keys.
    pub connect: Duration,
    /// From then on to the end of the answer.
    pub answer: Duration,
    /// Bytes of an answer's body.
    pub body: usize,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Where: http or https.
    pub url: Url,
    /// Headers; `Host` and `Content-Length` are ours.
    pub headers: HeaderMap,
    /// The body, which may be empty.
    pub body: Bytes,
}

/// What was answered. Redirects are answers: nobody follows them here.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// TLS cannot be set up in this program.
    #[error("TLS cannot be used: {0}")]
    Tls(rustls::Error),
    /// The address cannot be used for a request.
    #[error("not an address that can be asked: {0}")]
    BadUrl(String),
    /// The policy forbids all addresses that the name stands for.
    #[error("{0} is not an address that may be connected to")]
    Forbidden(String),
    /// The name was not resolved.
    #[error("{host} cannot be looked up: {error}")]
    Lookup {
        /// The name.
        host: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// Nobody was reached.
    #[error("{host} cannot be reached: {error}")]
    Connect {
        /// The name.
        host: String,
        /// Why.
        error: std::io::Error,
    },
    /// The connection took too long.
    #[error("{host} cannot be reached: no connection after {after:?}")]
    ConnectTimeout {
        /// The name.
        host: String,
        /// How long was waited.
        after: Duration,
    },
    /// The request was sent, and the connection ended before the answer did.
    #[error("the answer of {host} did not come: {error}")]
    Broken {
        /// The name.
        host: String,
        /// Why.
        error: String,
    },
    /// The request was sent, and the answer took too long.
    #[error("the answer of {host} did not come within {after:?}")]
    Timeout {
        /// The name.
        host: String,
        /// How long was waited.
        after: Duration,
    },
}

impl HttpError {
    /// Whether the other side may have taken the request.
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::Broken { .. } | Self::Timeout { .. } => true,
            Self::Tls(_)
            | Self::BadUrl(_)
            | Self::Forbidden(_)
            | Self::Lookup { .. }
            | Self::Connect { .. }
            | Self::ConnectTimeout { .. } => false,
        }
    }
}

/// Sends requests; copies share the certificates.
#[derive(Clone)]
pub struct Client {
    tls: TlsConnector,
    policy: AddressPolicy,
    limits: Limits,
}

impl Client {
    /// A client that trusts the authorities that browsers trust.
    ///
    /// # Errors
    /// [`HttpError::Tls`] if TLS cannot be set up.
    pub fn new(policy: AddressPolicy, limits: Limits) -> Result<Self, HttpError> {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(HttpError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), policy, limits })
    }

    /// Sends a request and waits for the whole answer.
    ///
    /// # Errors
    /// Why there is none, and in that, whether the request may have arrived.
    pub async fn send(&self, request: Request) -> Result<Answer, HttpError> {
        let name = host_of(&request.url)?.to_string();
        let stream = self.open(&request.url).await?;
        let after = self.limits.answer;
        let answered = timeout(after, exchange(stream, &request, self.limits.body));
        match answered.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(HttpError::Broken { host: name, error }),
            Err(_) => Err(HttpError::Timeout { host: name, after }),
        }
    }

    /// Connects, with TLS if the scheme is `https` or `wss`.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn open(&self, url: &Url) -> Result<Box<dyn Stream>, HttpError> {
        let host = host_of(url)?;
        let name = host.to_string();
        let port = url.port_or_known_default().unwrap_or(0);
        let is_tls = match url.scheme() {
            "https" | "wss" => true,
            "http" | "ws" => false,
            other => return Err(HttpError::BadUrl(format!("{other} is neither http nor https"))),
        };
        let after = self.limits.connect;
        let connected = timeout(after, async {
            let stream = self.connect(&host, port).await?;
            if !is_tls {
                return Ok(Box::new(stream) as Box<dyn Stream>);
            }
            let failed = |error| HttpError::Connect { host: name.clone(), error };
            let server = match &host {
                Host::Domain(domain) => ServerName::try_from((*domain).to_owned())
                    .map_err(|_| HttpError::BadUrl(format!("{domain} is not a host name")))?,
                Host::Ipv4(ip) => ServerName::from(std::net::IpAddr::from(*ip)),
                Host::Ipv6(ip) => ServerName::from(std::net::IpAddr::from(*ip)),
            };
            let stream = self.tls.connect(server, stream).await.map_err(failed)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        });
        connected.await.map_err(|_| HttpError::ConnectTimeout { host: name.clone(), after })?
    }

    /// Connects to the first address that the policy permits and that answers.
    async fn connect(&self, host: &Host<&str>, port: u16) -> Result<TcpStream, HttpError> {
        let name = host.to_string();
        let addresses: Vec<SocketAddr> = match host {
            Host::Ipv4(ip) => vec![SocketAddr::from((*ip, port))],
            Host::Ipv6(ip) => vec![SocketAddr::from((*ip, port))],
            Host::Domain(domain) => tokio::net::lookup_host((*domain, port))
                .await
                .map_err(|error| HttpError::Lookup { host: name.clone(), error })?
                .collect(),
        };
        let mut error = None;
        for address in addresses {
            if !self.policy.permits(address.ip()) {
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(e) => error = Some(e),
            }
        }
        Err(match error {
            Some(error) => HttpError::Connect { host: name, error },
            None => HttpError::Forbidden(name),
        })
    }
}

fn host_of(url: &Url) -> Result<Host<&str>, HttpError> {
    url.host().ok_or_else(|| HttpError::BadUrl(format!("{url} has no host")))
}

/// A connection, with or without TLS.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn exchange<S>(stream: S, request: &Request, max_body: usize) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let failed = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = http1::Builder::new()
        .title_case_headers(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    let mut asked = hyper::Request::new(Full::new(request.body.clone()));
    *asked.method_mut() = request.method.clone();
    *asked.uri_mut() = target(&request.url).parse().map_err(|e| format!("{e}"))?;
    let headers = asked.headers_mut();
    let authority = &request.url[url::Position::BeforeHost..url::Position::AfterPort];
    headers.insert(HOST, HeaderValue::from_str(authority).map_err(|e| e.to_string())?);
    headers.extend(request.headers.clone());
    let answered = async {
        let (head, body) = sender.send_request(asked).await.map_err(failed)?.into_parts();
        let body = Limited::new(body, max_body).collect().await.map_err(|e| e.to_string())?;
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
    };
    // The connection's own future does the reading and writing; it ends with this exchange.
    let mut answered = std::pin::pin!(answered);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        biased;
        answer = answered.as_mut() => answer,
        ended = connection.as_mut() => {
            ended.map_err(failed)?;
            answered.await
        }
    }
}

/// A URL's path and query as they are sent: characters that need no escape are not escaped
/// (RFC 3986 §6.2.2.2), and the fragment stays here.
pub fn target(url: &Url) -> String {
    let sent = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut out = String::with_capacity(sent.len());
    let mut rest = sent;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let plain = after
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            .filter(|b| b.is_ascii_alphanumeric() || b"-._~".contains(b));
        rest = match (plain, after.get(2..)) {
            (Some(byte), Some(after)) => {
                out.push(char::from(byte));
                after
            }
            _ => {
                out.push('%');
                after
            }
        };
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_sent_in_its_normal_form() {
        for (url, sent) in [
            ("http://a.test", "/"),
            ("http://a.test/x/../y/./z?q=%41%20b#part", "/y/z?q=A%20b"),
            ("http://a.test/%7Euser/%2f%zz%", "/~user/%2f%zz%"),
            ("http://a.test/new?x=1&y=a%20b", "/new?x=1&y=a%20b"),
        ] {
            assert_eq!(target(&Url::parse(url).unwrap()), sent, "{url}");
        }
    }

    #[tokio::test]
    async fn an_address_that_the_policy_forbids_is_not_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let second = Duration::from_secs(5);
        let limits = Limits { connect: second, answer: second, body: 1000 };
        let client = Client::new(AddressPolicy::Public, limits).unwrap();
        for host in ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0"] {
            let url = Url::parse(&format!("http://{host}:{port}/")).unwrap();
            let request =
                Request { method: Method::GET, url, headers: HeaderMap::new(), body: Bytes::new() };
            let refused = client.send(request).await;
            assert!(matches!(refused, Err(HttpError::Forbidden(_))), "{host}: {refused:?}");
        }
    }
}

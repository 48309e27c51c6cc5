//! TLS for SIP: whose certificates are shown and believed, and what to tell when one is not.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    CertificateError, ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file with certificates or a key cannot be read.
    #[error("{path}: {why}; it must be PEM text with {wanted}")]
    File {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        wanted: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The key does not belong to the certificate, or is of a kind that is not supported.
    #[error("{path}: {error}; does the key belong to the certificate?")]
    Key {
        /// The key's file.
        path: PathBuf,
        /// What rustls says.
        error: rustls::Error,
    },
    /// The library refuses.
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
    /// Clients' certificates cannot be checked.
    #[error("clients' certificates cannot be checked: {0}")]
    Clients(#[from] rustls::client::VerifierBuilderError),
}

/// A certificate with its chain, and its key, both in PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, then those that lead to its authority.
    pub certificates: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Identity {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let chain = certificates(&self.certificates)?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| TlsError::File {
            path: self.key.clone(),
            wanted: "a private key",
            why: error.to_string(),
        })?;
        Ok((chain, key))
    }
}

/// How TLS is accepted (TLS 1.2 and 1.3). With `clients`, a file of authorities, only who shows a
/// certificate of one of them gets in.
///
/// # Errors
/// If a file cannot be read, or key and certificate do not fit.
pub fn server(identity: &Identity, clients: Option<&Path>) -> Result<Arc<ServerConfig>, TlsError> {
    let (chain, key) = identity.read()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authorities) => {
            let roots = Arc::new(roots(authorities)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build()?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let config = builder
        .with_single_cert(chain, key)
        .map_err(|error| TlsError::Key { path: identity.key.clone(), error })?;
    Ok(Arc::new(config))
}

/// How servers are checked: by the authorities of `own`, if there is such a file, else by `public`
/// ones. With an identity, we show it to who asks.
///
/// # Errors
/// As [`server`].
pub fn client(
    own: Option<&Path>,
    public: RootCertStore,
    identity: Option<&Identity>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = match own {
        Some(file) => roots(file)?,
        None => public,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = identity.read()?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| TlsError::Key { path: identity.key.clone(), error })?
        }
    };
    Ok(Arc::new(config))
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| TlsError::File {
            path: path.to_owned(),
            wanted: "certificates of authorities",
            why: error.to_string(),
        })?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wanted = "one certificate or more";
    let failed = |why: String| TlsError::File { path: path.to_owned(), wanted, why };
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|e| failed(e.to_string()))?.collect();
    let found = found.map_err(|e| failed(e.to_string()))?;
    if found.is_empty() { Err(failed("there is none in it".to_owned())) } else { Ok(found) }
}

/// What a failed connection comes from, in words that name the check that failed.
pub fn explain(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(inner) = inner else { return error.to_string() };
    let remedy = match inner {
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the date: the peer's certificate has expired, or a clock is wrong"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the date: the peer's certificate is not valid yet, or a clock is wrong"
            }
            CertificateError::UnknownIssuer => {
                "the authority: the peer's certificate is of none that is believed here"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the name: the peer's certificate is for another host"
            }
            CertificateError::Revoked => "revocation: the peer's certificate was withdrawn",
            _ => "the peer's certificate",
        },
        rustls::Error::NoCertificatesPresented => "the peer shows no certificate",
        rustls::Error::PeerIncompatible(_) => "the version or the ciphers: nothing fits both sides",
        rustls::Error::AlertReceived(_) => "the peer refused us, by what it checks",
        rustls::Error::InvalidMessage(_) => "the peer does not speak TLS here",
        _ => "TLS",
    };
    format!("{remedy} ({inner})")
}

//! The arithmetic of digests.

use std::fmt;

use md5::{Digest, Md5, digest::Output};
use sha2::{Sha256, Sha512_256};

/// A hash algorithm of RFC 7616, without or with `-sess`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// `MD5`, what most of SIP still has.
    Md5,
    /// `MD5-sess`
    Md5Sess,
    /// `SHA-256` (RFC 8760)
    Sha256,
    /// `SHA-256-sess`
    Sha256Sess,
    /// `SHA-512-256`
    Sha512_256,
    /// `SHA-512-256-sess`
    Sha512_256Sess,
}

impl Algorithm {
    /// From the weakest to the strongest.
    pub const ALL: [Self; 6] = [
        Self::Md5,
        Self::Md5Sess,
        Self::Sha256,
        Self::Sha256Sess,
        Self::Sha512_256,
        Self::Sha512_256Sess,
    ];

    /// The algorithm of that name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.as_str().eq_ignore_ascii_case(name))
    }

    /// Its name in headers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Sess => "SHA-256-sess",
            Self::Sha512_256 => "SHA-512-256",
            Self::Sha512_256Sess => "SHA-512-256-sess",
        }
    }

    fn is_session(self) -> bool {
        match self {
            Self::Md5 | Self::Sha256 | Self::Sha512_256 => false,
            Self::Md5Sess | Self::Sha256Sess | Self::Sha512_256Sess => true,
        }
    }

    /// The hash of the parts with a colon between each two, in lowercase hexadecimal.
    pub(super) fn hash(self, parts: &[&[u8]]) -> String {
        match self {
            Self::Md5 | Self::Md5Sess => hex(&digest::<Md5>(parts)),
            Self::Sha256 | Self::Sha256Sess => hex(&digest::<Sha256>(parts)),
            Self::Sha512_256 | Self::Sha512_256Sess => hex(&digest::<Sha512_256>(parts)),
        }
    }
}

fn digest<D: Digest>(parts: &[&[u8]]) -> Output<D> {
    let mut hash = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hash.update(b":");
        }
        hash.update(part);
    }
    hash.finalize()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

/// A password, hidden from logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// A password.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a server keeps in the place of a password: H(user:realm:password) for each algorithm. As
/// good as the password for this realm, so hidden from logs too. 80 bytes, because a registrar
/// keeps many.
#[derive(Clone, PartialEq, Eq)]
pub struct Ha1 {
    md5: [u8; 16],
    sha256: [u8; 32],
    sha512_256: [u8; 32],
}

impl Ha1 {
    /// From the password.
    pub fn new(user: &str, realm: &str, password: &Password) -> Self {
        let parts: [&[u8]; 3] = [user.as_bytes(), realm.as_bytes(), password.as_bytes()];
        Self {
            md5: digest::<Md5>(&parts).into(),
            sha256: digest::<Sha256>(&parts).into(),
            sha512_256: digest::<Sha512_256>(&parts).into(),
        }
    }

    /// The hash for that algorithm, in lowercase hexadecimal.
    pub(super) fn of(&self, algorithm: Algorithm) -> String {
        match algorithm {
            Algorithm::Md5 | Algorithm::Md5Sess => hex(&self.md5),
            Algorithm::Sha256 | Algorithm::Sha256Sess => hex(&self.sha256),
            Algorithm::Sha512_256 | Algorithm::Sha512_256Sess => hex(&self.sha512_256),
        }
    }
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a response hashes, besides HA1.
pub(super) struct Input<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) nonce: &'a str,
    /// Nonce count as written, cnonce and qop; `None` for the form of RFC 2069.
    pub(super) qop: Option<(&'a str, &'a str, Qop)>,
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) body: &'a [u8],
}

/// Quality of protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Qop {
    Auth,
    AuthInt,
}

impl Qop {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Auth, Self::AuthInt].into_iter().find(|q| q.as_str().eq_ignore_ascii_case(name))
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }
}

impl Input<'_> {
    /// RFC 7616 §3.4.1. `ha1` is H(user:realm:password); `-sess` mixes nonce and cnonce in, empty
    /// where there is no cnonce.
    pub(super) fn response(&self, ha1: &str) -> String {
        let algorithm = self.algorithm;
        let nonce = self.nonce.as_bytes();
        let cnonce = self.qop.map_or("", |(_, cnonce, _)| cnonce);
        let ha1 = if algorithm.is_session() {
            algorithm.hash(&[ha1.as_bytes(), nonce, cnonce.as_bytes()])
        } else {
            ha1.to_owned()
        };
        let (method, uri) = (self.method.as_bytes(), self.uri.as_bytes());
        let ha2 = match self.qop {
            Some((_, _, Qop::AuthInt)) => {
                let body = algorithm.hash(&[self.body]);
                algorithm.hash(&[method, uri, body.as_bytes()])
            }
            Some((_, _, Qop::Auth)) | None => algorithm.hash(&[method, uri]),
        };
        match self.qop {
            None => algorithm.hash(&[ha1.as_bytes(), nonce, ha2.as_bytes()]),
            Some((count, cnonce, qop)) => algorithm.hash(&[
                ha1.as_bytes(),
                nonce,
                count.as_bytes(),
                cnonce.as_bytes(),
                qop.as_str().as_bytes(),
                ha2.as_bytes(),
            ]),
        }
    }
}

/// HMAC-SHA-256 (RFC 2104).
pub(super) fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let mut pad = [0x36u8; BLOCK];
    for (p, k) in pad.iter_mut().zip(key) {
        *p ^= k;
    }
    let mut inner = Sha256::new();
    inner.update(pad);
    for part in parts {
        inner.update(part);
    }
    for p in &mut pad {
        *p ^= 0x36 ^ 0x5c;
    }
    let mut outer = Sha256::new();
    outer.update(pad);
    outer.update(inner.finalize());
    outer.finalize().into()
}

/// Compares in a time that does not tell where the difference is.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (x, y)| differ | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_is_that_of_rfc_4231() {
        // Test case 2 has a short key, which HMAC fills up with zeros.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        assert_eq!(
            hex(&hmac(&key, &[b"what do ya want ", b"for nothing?"])),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn the_example_of_rfc_2617_comes_out() {
        let ha1 = Algorithm::Md5.hash(&[b"Mufasa", b"testrealm@host.com", b"Circle Of Life"]);
        let input = Input {
            algorithm: Algorithm::Md5,
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            qop: Some(("00000001", "0a4f113b", Qop::Auth)),
            method: "GET",
            uri: "/dir/index.html",
            body: b"",
        };
        assert_eq!(input.response(&ha1), "6629fae49393a05397450978507c4ef1");
    }

    #[test]
    fn the_examples_of_rfc_7616_come_out() {
        let parts: [&[u8]; 3] = [b"Mufasa", b"http-auth@example.org", b"Circle of Life"];
        let response = |algorithm: Algorithm| {
            Input {
                algorithm,
                nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
                qop: Some(("00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", Qop::Auth)),
                method: "GET",
                uri: "/dir/index.html",
                body: b"",
            }
            .response(&algorithm.hash(&parts))
        };
        assert_eq!(response(Algorithm::Md5), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            response(Algorithm::Sha256),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    #[test]
    fn secrets_do_not_show() {
        let password = Password::new("canary");
        let ha1 = Ha1::new("bob", "example.com", &password);
        assert!(!format!("{password:?}{ha1:?}").contains("canary"));
        assert!(!format!("{ha1:?}").contains(&ha1.of(Algorithm::Md5)));
    }
}

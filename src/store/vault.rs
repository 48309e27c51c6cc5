//! Secrets that have to be read again, encrypted before they reach the database.
//!
//! The key is in a file of its own beside the database: a copy of the database alone, such as a
//! backup, shows no secret.

use std::{
    fmt,
    fs::File,
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use aes_gcm::{
    Aes256Gcm, KeyInit as _, Nonce,
    aead::{Aead as _, Payload},
};
use rand::TryRngCore as _;

use super::{StoreError, tokens::hex};
use crate::config::Secret;

/// The key in the data directory.
const KEY_FILE: &str = "phoneai.key";
/// Bytes of an AES-256 key; the file has twice as many hexadecimal digits.
const KEY_BYTES: usize = 32;
/// Bytes of the nonce that GCM is made for (NIST SP 800-38D §5.2.1.1).
const NONCE_BYTES: usize = 12;

/// Seals and opens secrets with the key of a data directory.
#[derive(Clone)]
pub(super) struct Vault {
    cipher: Aes256Gcm,
    file: PathBuf,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Vault {
    /// The vault of a data directory; its key is made if there is none.
    ///
    /// # Errors
    /// The key file cannot be read or made, or holds no key.
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        let file = dir.join(KEY_FILE);
        let failed = |source| StoreError::KeyFile { file: file.clone(), source };
        let text = match File::open(&file) {
            Ok(opened) => {
                let mut text = String::new();
                opened.take(4 * KEY_BYTES as u64).read_to_string(&mut text).map_err(failed)?;
                text
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                make_key(&file).map_err(failed)?
            }
            Err(error) => return Err(failed(error)),
        };
        let key = unhex(text.trim()).filter(|key| key.len() == KEY_BYTES);
        let cipher = key.as_deref().and_then(|key| Aes256Gcm::new_from_slice(key).ok());
        let cipher = cipher.ok_or_else(|| {
            failed(std::io::Error::other("it does not hold 64 hexadecimal digits"))
        })?;
        Ok(Self { cipher, file })
    }

    /// A secret as it is stored. It opens only for the same `purpose`, so that nobody who can write
    /// to the database can put one secret in the place of another.
    pub(super) fn seal(&self, purpose: &str, secret: &str) -> Result<String, StoreError> {
        let nonce: [u8; NONCE_BYTES] = random()?;
        let payload = Payload { msg: secret.as_bytes(), aad: purpose.as_bytes() };
        let sealed = self
            .cipher
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| StoreError::Senseless("a secret that is too long".to_owned()))?;
        Ok(hex(&nonce) + &hex(&sealed))
    }

    /// The secret that was sealed for `purpose`.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when it was sealed with another key, or changed.
    pub(super) fn unseal(&self, purpose: &str, sealed: &str) -> Result<Secret<String>, StoreError> {
        let opened = || {
            let bytes = unhex(sealed)?;
            let (nonce, text) = bytes.split_first_chunk::<NONCE_BYTES>()?;
            let payload = Payload { msg: text, aad: purpose.as_bytes() };
            let text = self.cipher.decrypt(&Nonce::from(*nonce), payload).ok()?;
            String::from_utf8(text).ok()
        };
        opened()
            .map(Secret::new)
            .ok_or_else(|| StoreError::Sealed { what: purpose.to_owned(), file: self.file.clone() })
    }
}

/// Makes a key that only its owner can read, complete before it has its name: a crash leaves
/// either no key or the whole one.
fn make_key(file: &Path) -> std::io::Result<String> {
    let key: [u8; KEY_BYTES] = random().map_err(std::io::Error::other)?;
    let text = hex(&key);
    let unfinished = file.with_extension("key.new");
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut new = File::options().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    writeln!(new, "{text}")?;
    new.sync_all()?;
    std::fs::rename(&unfinished, file)?;
    if let Some(dir) = file.parent() {
        File::open(dir)?.sync_all()?;
    }
    Ok(text)
}

/// Random bytes that nobody can guess.
pub(super) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0u8; N];
    rand::rngs::OsRng
        .try_fill_bytes(&mut bytes)
        .map_err(|e| StoreError::Database(sqlx::Error::Io(std::io::Error::other(e))))?;
    Ok(bytes)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok();
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_comes_back_under_the_same_key_and_for_the_same_purpose_only() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path()).unwrap();
        let sealed = vault.seal("extension 7", "pässword").unwrap();
        assert!(!sealed.contains("ssword"));
        assert_ne!(sealed, vault.seal("extension 7", "pässword").unwrap());
        let again = Vault::open(dir.path()).unwrap();
        assert_eq!(again.unseal("extension 7", &sealed).unwrap().expose(), "pässword");
        assert!(again.unseal("extension 8", &sealed).is_err());
        let other = tempfile::tempdir().unwrap();
        let error = Vault::open(other.path()).unwrap().unseal("extension 7", &sealed).unwrap_err();
        assert!(error.to_string().contains(KEY_FILE), "{error}");
        for broken in ["", "zz", "00", &sealed[..30], &sealed.replace('a', "b")] {
            assert!(again.unseal("extension 7", broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn only_the_owner_can_read_the_key_and_no_formatting_shows_it() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path()).unwrap();
        let file = dir.path().join(KEY_FILE);
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let key = std::fs::read_to_string(&file).unwrap();
        assert_eq!(key.trim().len(), 64);
        assert!(!format!("{vault:?}").contains(key.trim()));
    }

    #[test]
    fn a_key_file_without_a_key_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(KEY_FILE), "not a key").unwrap();
        let error = Vault::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("64 hexadecimal digits"), "{error}");
    }
}

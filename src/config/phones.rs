//! The sections about phones: who may register, and which numbers we answer ourselves.

use std::path::PathBuf;

use super::{
    reader::Section,
    setting::{Setting, words},
};

/// The digest algorithms that phones are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digests {
    /// SHA-256, then MD5 for phones that know no other (RFC 8760 §2.3).
    Sha256AndMd5,
    /// SHA-256 alone.
    Sha256,
    /// MD5 alone. There are phones that give up when they are offered what they do not know, such
    /// as baresip 1.0.
    Md5,
}

words!(Digests { "sha-256, md5" => Sha256AndMd5, "sha-256" => Sha256, "md5" => Md5 });

/// `[extensions]`: phones that register with us.
#[derive(Clone, Debug, PartialEq)]
pub struct Extensions {
    /// The realm in which phones prove who they are.
    pub realm: String,
    /// The digest algorithms that they are offered.
    pub digests: Digests,
    /// The shortest registration, in seconds.
    pub min_expires_s: u32,
    /// The longest, in seconds.
    pub max_expires_s: u32,
    /// Phones of one extension at a time.
    pub max_phones: u32,
    /// Extensions that are registered at a time.
    pub max_registered: u32,
}

impl Default for Extensions {
    fn default() -> Self {
        Self {
            realm: "phoneai".to_owned(),
            digests: Digests::Md5,
            min_expires_s: 60,
            max_expires_s: 3_600,
            max_phones: 5,
            max_registered: 100_000,
        }
    }
}

impl Extensions {
    pub(super) fn read(s: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        let extensions = Self {
            realm: s.read("realm", default.realm),
            digests: s.read("digests", default.digests),
            min_expires_s: s.read_in("min_expires_s", default.min_expires_s, 10..=86_400),
            max_expires_s: s.read_in("max_expires_s", default.max_expires_s, 10..=86_400),
            max_phones: s.read_in("max_phones", default.max_phones, 1..=20),
            max_registered: s.read_in("max_registered", default.max_registered, 1..=1_000_000),
        };
        let is_odd = |c: char| c.is_control() || c == '"' || c == '\\';
        if extensions.realm.is_empty() || extensions.realm.chars().any(is_odd) {
            s.wrong(
                "realm",
                "is empty or has a quote, a backslash or a control character",
                "write a name like \"phones.example.net\"",
            );
        }
        if extensions.min_expires_s > extensions.max_expires_s {
            let what = format!(
                "is {}, more than extensions.max_expires_s, which is {}",
                extensions.min_expires_s, extensions.max_expires_s
            );
            s.wrong("min_expires_s", what, "make it the smaller of the two");
        }
        extensions
    }
}

/// `[test_numbers]`: numbers that we answer ourselves. An empty one is not answered.
#[derive(Clone, Debug, PartialEq)]
pub struct TestNumbers {
    /// Says back what it hears.
    pub echo: String,
    /// Plays `prompt_file` again and again.
    pub prompt: String,
    /// Answers and is silent.
    pub silence: String,
    /// A WAV file; `None` for the one that is built in.
    pub prompt_file: Option<PathBuf>,
}

impl Default for TestNumbers {
    fn default() -> Self {
        Self {
            echo: "9196".to_owned(),
            prompt: "9198".to_owned(),
            silence: "9197".to_owned(),
            prompt_file: None,
        }
    }
}

impl TestNumbers {
    pub(super) fn read(s: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        let numbers = Self {
            echo: s.read("echo", default.echo),
            prompt: s.read("prompt", default.prompt),
            silence: s.read("silence", default.silence),
            prompt_file: s.read("prompt_file", default.prompt_file),
        };
        let all =
            [("echo", &numbers.echo), ("prompt", &numbers.prompt), ("silence", &numbers.silence)];
        for (at, (key, number)) in all.into_iter().enumerate() {
            if !number.chars().all(|c| c.is_ascii_alphanumeric() || "+*#".contains(c)) {
                s.wrong(
                    key,
                    "has other characters than letters, digits, +, * and #",
                    "write a number that phones can dial, like \"9196\"",
                );
            }
            let others = all.iter().take(at);
            if let Some((other, _)) = others.into_iter().find(|(_, n)| *n == number)
                && !number.is_empty()
            {
                let what = format!("is the same as test_numbers.{other}");
                s.wrong(key, what, "write another number, or leave one of them empty");
            }
        }
        numbers
    }
}

//! Whisper's tokens: byte-level BPE as in GPT-2, with special tokens for tasks, languages and
//! times.
//!
//! A model's `vocabulary.txt` lists the tokens in the order of their numbers. In the ordinary
//! ones each character stands for a byte (GPT-2's table, see [`byte_of`]). Their order is also
//! the order of the merges they came from, so that no list of merges is needed to encode.

use std::collections::HashMap;

/// Tokens in a vocabulary; the multilingual ones have 51 866.
const MAX_TOKENS: usize = 1 << 18;

/// Bytes of the longest ordinary token; longer ones are not merged to.
const MAX_TOKEN_BYTES: usize = 128;

/// A token's number.
pub type Token = u32;

/// Why a vocabulary cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VocabularyError {
    /// It has more tokens than any real one.
    #[error("the vocabulary has more than {MAX_TOKENS} tokens")]
    TooLarge,
    /// A special token that Whisper needs is missing.
    #[error("the vocabulary has no token {0}; is it Whisper's?")]
    Missing(&'static str),
    /// An ordinary token holds a character that stands for no byte.
    #[error("line {0} of the vocabulary holds a character that stands for no byte")]
    NoByte(usize),
}

/// The special tokens that steer the decoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Special {
    /// The text is over.
    pub end: Token,
    /// The transcript begins.
    pub start: Token,
    /// What was said before, or a hint, follows.
    pub previous: Token,
    /// Write what was said, in its own language.
    pub transcribe: Token,
    /// Nobody speaks.
    pub no_speech: Token,
    /// Write no times.
    pub no_timestamps: Token,
    /// The first of the times; all tokens from here on are times.
    pub first_timestamp: Token,
    /// Languages by their code, such as `en`, in the order of their numbers. A model for
    /// English alone lists them too but was not trained with them.
    pub languages: Vec<(String, Token)>,
}

/// All tokens of a model.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    /// The bytes of each ordinary token; empty for special ones.
    bytes: Vec<Vec<u8>>,
    numbers: HashMap<Vec<u8>, Token>,
    special: Special,
}

impl Vocabulary {
    /// Reads `vocabulary.txt`: one token a line.
    pub fn parse(text: &str) -> Result<Self, VocabularyError> {
        let mut named = HashMap::new();
        let mut bytes = Vec::new();
        let mut numbers = HashMap::new();
        let mut languages = Vec::new();
        let table = byte_table();
        for (index, line) in text.lines().enumerate() {
            if index >= MAX_TOKENS {
                return Err(VocabularyError::TooLarge);
            }
            let number = index as Token;
            if let Some(name) = line.strip_prefix("<|").and_then(|l| l.strip_suffix("|>")) {
                if named.contains_key("startoftranscript") && is_language(name) {
                    languages.push((name.to_owned(), number));
                }
                named.insert(name, number);
                bytes.push(Vec::new());
                continue;
            }
            let token: Option<Vec<u8>> = line.chars().map(|c| table.get(&c).copied()).collect();
            let token = token.ok_or(VocabularyError::NoByte(index + 1))?;
            numbers.entry(token.clone()).or_insert(number);
            bytes.push(token);
        }
        let need =
            |name: &'static str| named.get(name).copied().ok_or(VocabularyError::Missing(name));
        let special = Special {
            end: need("endoftext")?,
            start: need("startoftranscript")?,
            previous: need("startofprev")?,
            transcribe: need("transcribe")?,
            // Newer files call it by the second name.
            no_speech: need("nocaptions").or_else(|_| need("nospeech"))?,
            no_timestamps: need("notimestamps")?,
            first_timestamp: need("0.00").or_else(|_| need("notimestamps").map(|t| t + 1))?,
            languages,
        };
        Ok(Self { bytes, numbers, special })
    }

    /// Count of tokens.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The special tokens.
    pub fn special(&self) -> &Special {
        &self.special
    }

    /// The bytes that a token stands for; none for special tokens.
    pub fn bytes(&self, token: Token) -> &[u8] {
        self.bytes.get(token as usize).map_or(&[], Vec::as_slice)
    }

    /// The tokens of a text, as the model was trained to see it.
    pub fn encode(&self, text: &str) -> Vec<Token> {
        pieces(text).flat_map(|piece| self.merge(piece.as_bytes())).collect()
    }

    /// Merges the pair of neighbours with the lowest number until none is left.
    fn merge(&self, piece: &[u8]) -> Vec<Token> {
        let mut bounds: Vec<usize> = (0..=piece.len()).collect();
        loop {
            let best = bounds
                .windows(3)
                .enumerate()
                .filter(|(_, w)| w[2] - w[0] <= MAX_TOKEN_BYTES)
                .filter_map(|(i, w)| Some((*self.numbers.get(&piece[w[0]..w[2]])?, i)))
                .min();
            let Some((_, index)) = best else { break };
            bounds.remove(index + 1);
        }
        let parts = bounds.windows(2).map(|w| &piece[w[0]..w[1]]);
        parts.filter_map(|part| self.numbers.get(part).copied()).collect()
    }
}

/// Languages are named by two or three small letters.
fn is_language(name: &str) -> bool {
    (2..=3).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase())
}

/// The byte that a character of a token stands for: printable bytes of Latin-1 stand for
/// themselves, the others follow from U+0100 on (GPT-2's `bytes_to_unicode`).
fn byte_table() -> HashMap<char, u8> {
    let printable = |b: u8| matches!(b, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let mut next = 0x100;
    (0..=255u8)
        .map(|byte| {
            let code = if printable(byte) {
                u32::from(byte)
            } else {
                next += 1;
                next - 1
            };
            (char::from_u32(code).unwrap_or_default(), byte)
        })
        .collect()
}

/// Splits a text as GPT-2 does before it merges: contractions, words, numbers and runs of other
/// characters, each with the one blank before it; further blanks for themselves.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let length = first_piece(rest);
        let (piece, tail) = rest.split_at(length);
        rest = tail;
        (!piece.is_empty()).then_some(piece)
    })
}

fn first_piece(text: &str) -> usize {
    const CONTRACTIONS: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];
    if let Some(ending) = CONTRACTIONS.iter().find(|c| text.starts_with(**c)) {
        return ending.len();
    }
    let run = |from: usize, belongs: &dyn Fn(char) -> bool| {
        let rest = text.get(from..).unwrap_or_default();
        from + rest.find(|c| !belongs(c)).unwrap_or(rest.len())
    };
    let blanks = run(0, &char::is_whitespace);
    let after = text.get(blanks..).and_then(|rest| rest.chars().next());
    let Some(first) = after else { return blanks };
    // Of several blanks the last one belongs to what follows, if it is a space.
    let lead = match blanks {
        0 => 0,
        1 if text.starts_with(' ') => 1,
        1 => return 1,
        _ => {
            let last = text.get(..blanks).and_then(|b| b.chars().next_back());
            return blanks - last.map_or(0, char::len_utf8);
        }
    };
    if first.is_alphabetic() {
        run(lead, &char::is_alphabetic)
    } else if first.is_numeric() {
        run(lead, &char::is_numeric)
    } else {
        run(lead, &|c| !c.is_whitespace() && !c.is_alphanumeric())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All bytes, a few merges in the order in which they would have been learnt, the specials.
    fn small() -> Vocabulary {
        let mut table: Vec<(u8, char)> = byte_table().into_iter().map(|(c, b)| (b, c)).collect();
        table.sort();
        let mut lines: Vec<String> = table.iter().map(|(_, c)| c.to_string()).collect();
        for merge in ["re", "ss", "Ġp", "Ġpre", "Ġpress", "ress", "Ġ1", "Ġ2", "12"] {
            lines.push(merge.to_owned());
        }
        for special in [
            "endoftext",
            "startoftranscript",
            "en",
            "es",
            "translate",
            "transcribe",
            "startoflm",
            "startofprev",
            "nocaptions",
            "notimestamps",
            "0.00",
            "0.02",
        ] {
            lines.push(format!("<|{special}|>"));
        }
        Vocabulary::parse(&lines.join("\n")).unwrap()
    }

    fn decode(vocabulary: &Vocabulary, tokens: &[Token]) -> String {
        let bytes = tokens.iter().flat_map(|&token| vocabulary.bytes(token)).copied();
        String::from_utf8(bytes.collect()).unwrap()
    }

    #[test]
    fn text_survives_encoding_and_decoding() {
        let vocabulary = small();
        for text in [" press 12", "It's 9 °C — né?", "  two  blanks \n", ""] {
            assert_eq!(decode(&vocabulary, &vocabulary.encode(text)), text);
        }
    }

    #[test]
    fn the_lowest_merge_goes_first() {
        let vocabulary = small();
        // "re" comes before "ss", and both before " pre"; then " pre" + "ss" make the word.
        let tokens = vocabulary.encode(" press 1");
        let texts: Vec<_> = tokens.iter().map(|&t| decode(&vocabulary, &[t])).collect();
        assert_eq!(texts, [" press", " 1"]);
    }

    #[test]
    fn text_splits_before_merging_as_gpt_2_does() {
        let split = |text| pieces(text).collect::<Vec<_>>();
        assert_eq!(
            split("Don't press 42, please."),
            ["Don", "'t", " press", " 42", ",", " please", "."]
        );
        assert_eq!(split("a   b\nc"), ["a", "  ", " b", "\n", "c"]);
        assert_eq!(split(" né!? "), [" né", "!?", " "]);
    }

    #[test]
    fn special_tokens_are_found_and_stand_for_no_text() {
        let vocabulary = small();
        let special = vocabulary.special();
        assert_eq!(special.first_timestamp, special.no_timestamps + 1);
        let codes: Vec<_> = special.languages.iter().map(|(code, _)| code.as_str()).collect();
        assert_eq!(codes, ["en", "es"]);
        assert_eq!(decode(&vocabulary, &[special.start, special.end]), "");
    }

    #[test]
    fn a_vocabulary_without_special_tokens_is_refused() {
        assert!(matches!(Vocabulary::parse("a\nb"), Err(VocabularyError::Missing("endoftext"))));
        assert!(matches!(Vocabulary::parse("a\n語"), Err(VocabularyError::NoByte(2))));
    }
}

//! Reader of CTranslate2's binary model format, version 6.
//!
//! Little-endian throughout. The file is: version (u32), name of the specification (string), its
//! revision (u32), count of variables (u32); for each variable its name (string), rank (u8),
//! dimensions (u32 each), type of element (u8), count of bytes (u32) and the bytes; then the
//! count of aliases (u32) and for each its name and the variable that it stands for (strings). A
//! string is its length in bytes (u16), counting the closing zero, and the bytes.
//!
//! A file may come from anywhere. Every count is checked against a named limit and against what
//! is left of the file before memory is taken for it.

use std::{collections::HashMap, io::Read};

/// The only version of the container that is read.
const FORMAT_VERSION: u32 = 6;

/// Variables in one file; Whisper large has 1 300.
const MAX_VARIABLES: u32 = 8192;

/// Bytes in a name.
const MAX_NAME: u16 = 512;

/// Dimensions of a variable.
const MAX_RANK: u8 = 4;

/// Bytes in one variable; the largest table of Whisper large takes 133 MB in half precision.
const MAX_VARIABLE_BYTES: u64 = 1 << 30;

/// Why a model file cannot be read. Every variant is the file's fault, except `Io`.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The file could not be read.
    #[error("cannot read the model: {0}")]
    Io(#[from] std::io::Error),
    /// The file ends too early.
    #[error("the model is cut off in {0}; fetch it again")]
    Truncated(String),
    /// The file is no CTranslate2 model, or one of another version.
    #[error("not a CTranslate2 model of format version 6 (it begins with {0})")]
    Version(u32),
    /// A count is larger than any real model has.
    #[error("the model says it has {count} {what}, more than the limit of {limit}")]
    Limit {
        /// What is counted.
        what: &'static str,
        /// What the file says.
        count: u64,
        /// What is accepted.
        limit: u64,
    },
    /// A variable's bytes do not fit its dimensions.
    #[error("variable {name} has {bytes} bytes, but its dimensions need {needed}")]
    Size {
        /// The variable.
        name: String,
        /// What the file says.
        bytes: u64,
        /// What dimensions and type require.
        needed: u64,
    },
    /// A variable is of a type that is not read here.
    #[error("variable {name} is of type {kind}; only models in float16 or float32 are read")]
    Kind {
        /// The variable.
        name: String,
        /// The type's number in the file.
        kind: u8,
    },
    /// A weight is infinite or not a number.
    #[error("variable {0} holds a value that is not finite")]
    NotFinite(String),
    /// A name is not UTF-8, is not closed by a zero, or occurs twice.
    #[error("a name in the model is malformed or used twice: {0:?}")]
    Name(String),
    /// An alias stands for nothing.
    #[error("{alias} stands for {target}, which is not in the model")]
    Alias {
        /// The alias.
        alias: String,
        /// What it should stand for.
        target: String,
    },
    /// Something follows the end.
    #[error("something follows the end of the model; fetch it again")]
    Trailing,
    /// A variable that the model needs is not there.
    #[error("the model has no variable {0}; is it Whisper?")]
    Missing(String),
    /// A variable has not the shape that the model needs.
    #[error("variable {name} has the shape {found:?} instead of {expected:?}")]
    Shape {
        /// The variable.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that the rest of the model implies.
        expected: Vec<usize>,
    },
    /// The model differs from what is implemented here.
    #[error("{0}")]
    Unsupported(String),
}

/// The elements of a variable.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    /// Single precision.
    F32(Vec<f32>),
    /// Half precision, as bits.
    F16(Vec<u16>),
    /// Integers of one byte: flags and enumerations.
    I8(Vec<i8>),
    /// Integers of two bytes.
    I16(Vec<i16>),
    /// Integers of four bytes.
    I32(Vec<i32>),
}

/// One variable of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// Its dimensions; none for a single value.
    pub shape: Vec<usize>,
    /// As many as the product of the dimensions.
    pub elements: Elements,
}

/// A model file's content.
#[derive(Debug)]
pub struct Checkpoint {
    /// Name of the specification, such as `WhisperSpec`.
    pub spec: String,
    /// Revision of the specification.
    pub revision: u32,
    variables: HashMap<String, Variable>,
    aliases: HashMap<String, String>,
}

impl Checkpoint {
    /// Reads a whole file of `length` bytes.
    pub fn read(source: impl Read, length: u64) -> Result<Self, FormatError> {
        let mut input = Input { source, left: length };
        let version = input.u32("its version")?;
        if version != FORMAT_VERSION {
            return Err(FormatError::Version(version));
        }
        let spec = input.string("the specification's name")?;
        let revision = input.u32("the specification's revision")?;
        let count = input.count("variables", MAX_VARIABLES)?;
        let mut variables = HashMap::new();
        for index in 0..count {
            let name = input.string(&format!("the name of variable {index}"))?;
            let variable = input.variable(&name)?;
            if variables.insert(name.clone(), variable).is_some() {
                return Err(FormatError::Name(name));
            }
        }
        let count = input.count("aliases", MAX_VARIABLES)?;
        let mut aliases = HashMap::new();
        for _ in 0..count {
            let alias = input.string("an alias")?;
            let target = input.string("an alias")?;
            if !variables.contains_key(&target) {
                return Err(FormatError::Alias { alias, target });
            }
            if aliases.insert(alias.clone(), target).is_some() {
                return Err(FormatError::Name(alias));
            }
        }
        if input.left > 0 {
            return Err(FormatError::Trailing);
        }
        Ok(Self { spec, revision, variables, aliases })
    }

    /// The variable of this name, or the one that it stands for.
    pub fn find(&self, name: &str) -> Option<&Variable> {
        let name = self.aliases.get(name).map_or(name, String::as_str);
        self.variables.get(name)
    }

    /// Takes a variable out, so that its memory can be freed once it was converted.
    pub fn take(&mut self, name: &str) -> Result<Variable, FormatError> {
        self.variables.remove(name).ok_or_else(|| FormatError::Missing(name.to_owned()))
    }
}

/// What is left of the file.
struct Input<R> {
    source: R,
    left: u64,
}

impl<R: Read> Input<R> {
    fn bytes(&mut self, count: u64, what: &str) -> Result<Vec<u8>, FormatError> {
        self.left =
            self.left.checked_sub(count).ok_or_else(|| FormatError::Truncated(what.to_owned()))?;
        let mut bytes = Vec::new();
        // The file may be shorter than its stated length; only what comes takes memory.
        let got = (&mut self.source).take(count).read_to_end(&mut bytes)?;
        if got as u64 != count {
            return Err(FormatError::Truncated(what.to_owned()));
        }
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], FormatError> {
        let bytes = self.bytes(N as u64, what)?;
        bytes.try_into().map_err(|_| FormatError::Truncated(what.to_owned()))
    }

    fn u32(&mut self, what: &str) -> Result<u32, FormatError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    fn count(&mut self, what: &'static str, limit: u32) -> Result<u32, FormatError> {
        let count = self.u32(what)?;
        if count > limit {
            return Err(FormatError::Limit { what, count: count.into(), limit: limit.into() });
        }
        Ok(count)
    }

    fn string(&mut self, what: &str) -> Result<String, FormatError> {
        let length = u16::from_le_bytes(self.array(what)?);
        if length > MAX_NAME {
            let (count, limit) = (length.into(), MAX_NAME.into());
            return Err(FormatError::Limit { what: "bytes in a name", count, limit });
        }
        let mut bytes = self.bytes(length.into(), what)?;
        if bytes.pop() != Some(0) || bytes.contains(&0) {
            return Err(FormatError::Name(String::from_utf8_lossy(&bytes).into_owned()));
        }
        String::from_utf8(bytes)
            .map_err(|e| FormatError::Name(String::from_utf8_lossy(e.as_bytes()).into_owned()))
    }

    fn variable(&mut self, name: &str) -> Result<Variable, FormatError> {
        let [rank] = self.array(name)?;
        if rank > MAX_RANK {
            let (count, limit) = (rank.into(), MAX_RANK.into());
            return Err(FormatError::Limit { what: "dimensions of a variable", count, limit });
        }
        let mut shape = Vec::with_capacity(rank.into());
        let mut count = 1u64;
        for _ in 0..rank {
            let dimension = self.u32(name)?;
            count = count.saturating_mul(dimension.into());
            shape.push(dimension as usize);
        }
        let [kind] = self.array(name)?;
        let width = match kind {
            0 | 3 => 4,
            1 => 1,
            2 | 4 => 2,
            _ => return Err(FormatError::Kind { name: name.to_owned(), kind }),
        };
        let bytes = u64::from(self.u32(name)?);
        let needed = count.saturating_mul(width);
        if bytes != needed {
            return Err(FormatError::Size { name: name.to_owned(), bytes, needed });
        }
        if bytes > MAX_VARIABLE_BYTES {
            let (what, limit) = ("bytes in a variable", MAX_VARIABLE_BYTES);
            return Err(FormatError::Limit { what, count: bytes, limit });
        }
        let raw = self.bytes(bytes, name)?;
        let elements = match kind {
            0 => Elements::F32(words(&raw, f32::from_le_bytes)),
            1 => Elements::I8(words(&raw, i8::from_le_bytes)),
            2 => Elements::I16(words(&raw, i16::from_le_bytes)),
            3 => Elements::I32(words(&raw, i32::from_le_bytes)),
            _ => Elements::F16(words(&raw, u16::from_le_bytes)),
        };
        if !elements.all_finite() {
            return Err(FormatError::NotFinite(name.to_owned()));
        }
        Ok(Variable { shape, elements })
    }
}

impl Elements {
    fn all_finite(&self) -> bool {
        match self {
            Self::F32(values) => values.iter().all(|v| v.is_finite()),
            Self::F16(bits) => bits.iter().all(|b| b & 0x7c00 != 0x7c00),
            Self::I8(_) | Self::I16(_) | Self::I32(_) => true,
        }
    }
}

fn words<const N: usize, T>(raw: &[u8], word: impl Fn([u8; N]) -> T) -> Vec<T> {
    raw.as_chunks::<N>().0.iter().map(|bytes| word(*bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn string(out: &mut Vec<u8>, text: &str) {
        out.extend((text.len() as u16 + 1).to_le_bytes());
        out.extend(text.as_bytes());
        out.push(0);
    }

    fn variable(out: &mut Vec<u8>, name: &str, shape: &[u32], kind: u8, data: &[u8]) {
        string(out, name);
        out.push(shape.len() as u8);
        shape.iter().for_each(|d| out.extend(d.to_le_bytes()));
        out.push(kind);
        out.extend((data.len() as u32).to_le_bytes());
        out.extend(data);
    }

    fn small_file() -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(6u32.to_le_bytes());
        string(&mut out, "WhisperSpec");
        out.extend(3u32.to_le_bytes());
        out.extend(3u32.to_le_bytes());
        variable(&mut out, "heads", &[], 2, &6i16.to_le_bytes());
        variable(&mut out, "weight", &[2, 3], 4, &[0, 0x3c, 0, 0x40, 0, 0x42, 0, 0x44, 1, 0, 0, 0]);
        variable(&mut out, "bias", &[2], 0, &[0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
        out.extend(1u32.to_le_bytes());
        string(&mut out, "projection");
        string(&mut out, "weight");
        out
    }

    fn read(bytes: &[u8]) -> Result<Checkpoint, FormatError> {
        Checkpoint::read(bytes, bytes.len() as u64)
    }

    #[test]
    fn a_small_file_is_read_whole() {
        let mut file = read(&small_file()).unwrap();
        assert_eq!((file.spec.as_str(), file.revision), ("WhisperSpec", 3));
        assert_eq!(file.find("heads").unwrap().elements, Elements::I16(vec![6]));
        assert_eq!(file.find("projection").unwrap().shape, [2, 3]);
        assert_eq!(file.take("bias").unwrap().elements, Elements::F32(vec![1.0, -2.0]));
        assert!(matches!(file.take("bias"), Err(FormatError::Missing(_))));
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error() {
        let whole = small_file();
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "cut to {length} bytes");
        }
        assert!(Checkpoint::read(&whole[..60], whole.len() as u64).is_err());
    }

    #[test]
    fn what_follows_the_end_is_an_error() {
        let mut file = small_file();
        file.push(0);
        assert!(matches!(read(&file), Err(FormatError::Trailing)));
    }

    #[test]
    fn a_huge_variable_is_refused_before_memory_is_taken() {
        let mut out = Vec::new();
        out.extend(6u32.to_le_bytes());
        string(&mut out, "WhisperSpec");
        out.extend([3u32, 1].map(u32::to_le_bytes).concat());
        string(&mut out, "weight");
        out.extend([2, 0, 0, 1, 0, 0, 0, 1, 0, 0]);
        out.extend(0xffff_0000u32.to_le_bytes());
        assert!(matches!(read(&out), Err(FormatError::Size { .. })));
    }

    #[test]
    fn a_weight_that_is_not_a_number_is_refused() {
        let mut file = small_file();
        let at = file.windows(4).position(|w| w == [0, 0, 0x80, 0x3f]).unwrap();
        file[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(matches!(read(&file), Err(FormatError::NotFinite(name)) if name == "bias"));
    }

    #[test]
    fn another_kind_of_file_is_named_as_such() {
        assert!(matches!(read(b"RIFF....WAVEfmt "), Err(FormatError::Version(_))));
    }

    proptest! {
        #[test]
        fn a_mutated_file_never_panics(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        ) {
            let mut file = small_file();
            for (at, value) in changes {
                let at = at.index(file.len());
                file[at] = value;
            }
            let _ = read(&file);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut file = 6u32.to_le_bytes().to_vec();
            file.extend(&bytes);
            let _ = read(&file);
            let _ = read(&bytes);
        }
    }
}

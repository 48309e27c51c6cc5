//! Recordings: WAV files that are written as the call goes and are whole at any moment.
//!
//! All files are written by one thread of their own, [`RecordingThread`]: neither a media thread nor
//! the task of a call ever waits for the disk. A [`Recorder`] only puts samples into a bounded
//! buffer, which that thread empties every half second of audio. It writes the samples first and
//! the header's sizes after them, so that whoever reads the file, or finds it after a crash, sees a
//! valid one that holds all that was written before.
//!
//! When a file cannot be written (disk full, no permission), its recorder says so once, keeps what
//! there is under a name that ends in `.partial.wav`, and does nothing from then on. The call goes
//! on.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    mem,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use tokio::sync::oneshot;
use tracing::warn;

use crate::{FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE, StreamMs, stream::Frame};

/// Audio after which the thread is woken to write: half a second. A crash of the machine loses no
/// more than that and what the disk itself holds back; a crash of the program no more than that.
pub const WRITE_EVERY_MS: u32 = 500;

/// Audio that may wait for a disk that stands still: 20 seconds. Beyond, the recording fails.
pub const MAX_WAITING_MS: u32 = 20_000;

/// Frames that are missing between two are recorded as silence up to this much, so that places in
/// the file stay times of the call.
pub const MAX_GAP_MS: u32 = 60_000;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    /// What we hear.
    Heard,
    /// Left what we hear, right what we send.
    HeardAndSent,
}

/// Why a recording failed, or a file cannot be repaired.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// The file cannot be created or written. What was written is kept as `kept`, if anything was.
    #[error("cannot write the recording {}: {error}; check space and permissions", path.display())]
    Write {
        /// The file that was asked for.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
        /// The incomplete file.
        kept: Option<PathBuf>,
    },
    /// The disk stood still for longer than [`MAX_WAITING_MS`].
    #[error("the disk does not keep up with the recording {}; it ends here", path.display())]
    TooSlow {
        /// The file.
        path: PathBuf,
    },
    /// A file is no recording of ours.
    #[error("{} is no recording: {problem}", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The thread cannot be started.
    #[error("cannot start the recording thread: {0}")]
    Thread(io::Error),
}

/// A file that is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The file.
    pub path: PathBuf,
    /// Its length.
    pub length_ms: u32,
}

/// What becomes of a recording. Shared, because the recorder and whoever waits may both ask.
pub type RecordingResult = Result<Recorded, Arc<RecorderError>>;

/// The thread that writes all recordings. Copies are the same thread; it ends when the last copy
/// and the last recorder are gone and all is written.
#[derive(Clone, Debug)]
pub struct RecordingThread {
    /// Holds one wake-up at most: the thread looks after all recordings each time.
    wake: SyncSender<()>,
    new: Arc<Mutex<Vec<Arc<Shared>>>>,
}

/// Records one file. When it is dropped, the file is completed.
#[derive(Debug)]
pub struct Recorder {
    shared: Arc<Shared>,
    wake: SyncSender<()>,
    next_ms: Option<StreamMs>,
}

/// What a recorder and the thread share. The lock is held for a copy of samples, never during I/O.
#[derive(Debug)]
struct Shared {
    path: PathBuf,
    channels: Channels,
    state: Mutex<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    samples: Vec<i16>,
    finished: bool,
    failure: Option<Arc<RecorderError>>,
    told: bool,
    done: Option<oneshot::Sender<RecordingResult>>,
}

impl RecordingThread {
    /// Starts the thread.
    pub fn start() -> Result<Self, RecorderError> {
        let (wake, woken) = sync_channel(1);
        let new = Arc::new(Mutex::new(Vec::new()));
        let arrivals = Arc::clone(&new);
        thread::Builder::new()
            .name(String::from("recording"))
            .spawn(move || write_all(&woken, &arrivals))
            .map_err(RecorderError::Thread)?;
        Ok(Self { wake, new })
    }

    /// Begins a recording. The folder is made if it is missing; a file of that name is never
    /// overwritten. Whether that succeeds shows in [`Recorder::failure`].
    pub fn record(&self, path: PathBuf, channels: Channels) -> Recorder {
        let shared = Arc::new(Shared { path, channels, state: Mutex::default() });
        lock(&self.new).push(Arc::clone(&shared));
        let recorder = Recorder { shared, wake: self.wake.clone(), next_ms: None };
        recorder.wake();
        recorder
    }
}

impl Recorder {
    /// Records a frame. Frames that are missing since the one before are recorded as silence.
    pub fn push(&mut self, frame: &Frame) {
        let missing_ms = self.next_ms.map_or(0, |next| frame.at_ms.saturating_sub(next));
        self.next_ms = Some(frame.at_ms.saturating_add(FRAME_MS));
        let channels = self.shared.channels;
        let missing = ms_to_samples(missing_ms.min(MAX_GAP_MS), channels);
        let mut shelf = self.shared.shelf();
        if shelf.failure.is_some() {
            return;
        }
        if shelf.samples.len() >= ms_to_samples(MAX_WAITING_MS, channels) {
            let path = self.shared.path.clone();
            shelf.failure = Some(Arc::new(RecorderError::TooSlow { path }));
            return;
        }
        let silent = shelf.samples.len() + missing;
        shelf.samples.resize(silent, 0);
        match channels {
            Channels::Heard => shelf.samples.extend_from_slice(&frame.received),
            Channels::HeardAndSent => {
                let both = frame.received.iter().zip(&frame.sent);
                shelf.samples.extend(both.flat_map(|(&heard, &sent)| [heard, sent]));
            }
        }
        let enough = shelf.samples.len() >= ms_to_samples(WRITE_EVERY_MS, channels);
        drop(shelf);
        if enough {
            self.wake();
        }
    }

    /// Why the recording has failed; given once.
    pub fn failure(&mut self) -> Option<Arc<RecorderError>> {
        let mut shelf = self.shared.shelf();
        let failure = shelf.failure.clone().filter(|_| !shelf.told)?;
        shelf.told = true;
        Some(failure)
    }

    /// True if the recording has failed and nothing is recorded any more.
    pub fn is_inert(&self) -> bool {
        self.shared.shelf().failure.is_some()
    }

    /// Completes the file. What is returned tells when it is complete, or why it is not; nobody
    /// needs to wait for it.
    pub fn finish(self) -> oneshot::Receiver<RecordingResult> {
        let (done, complete) = oneshot::channel();
        self.shared.shelf().done = Some(done);
        complete
    }

    fn wake(&self) {
        // Full means that the thread is about to look anyway.
        let _ = self.wake.try_send(());
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.shared.shelf().finished = true;
        self.wake();
    }
}

impl Shared {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        lock(&self.state)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ms_to_samples(ms: u32, channels: Channels) -> usize {
    (ms / FRAME_MS) as usize * FRAME_SAMPLES * usize::from(channels.count())
}

/// The thread's work: whenever it is woken, it writes what every recording has waiting.
fn write_all(woken: &Receiver<()>, arrivals: &Mutex<Vec<Arc<Shared>>>) {
    let mut open: Vec<Writing> = Vec::new();
    let mut running = true;
    while running {
        running = woken.recv().is_ok();
        open.extend(mem::take(&mut *lock(arrivals)).into_iter().map(Writing::begin));
        open.retain_mut(|writing| !writing.go_on());
    }
}

/// One recording on the thread's side.
struct Writing {
    shared: Arc<Shared>,
    file: Option<WavFile>,
    /// Emptied and given back, so that a long call allocates nothing.
    spare: Vec<i16>,
}

impl Writing {
    fn begin(shared: Arc<Shared>) -> Self {
        let file = WavFile::create(&shared.path, shared.channels);
        let mut writing = Self { shared, file: None, spare: Vec::new() };
        match file {
            Ok(file) => writing.file = Some(file),
            Err(error) => writing.fail(error),
        }
        writing
    }

    /// Writes what waits, and says whether the recording is over.
    fn go_on(&mut self) -> bool {
        let mut shelf = self.shared.shelf();
        mem::swap(&mut self.spare, &mut shelf.samples);
        let finished = shelf.finished;
        drop(shelf);
        if let Some(file) = &mut self.file {
            let wrote = file.append(&self.spare);
            let result = if finished { wrote.and_then(|()| file.sync()) } else { wrote };
            if let Err(error) = result {
                self.fail(error);
            }
        }
        self.spare.clear();
        if finished {
            self.complete();
        }
        finished
    }

    fn fail(&mut self, error: io::Error) {
        let path = self.shared.path.clone();
        let kept = self.file.take().and_then(|file| file.keep_as_partial(&path));
        warn!(path = %path.display(), %error, "A recording failed; the call goes on without it.");
        let failure = Arc::new(RecorderError::Write { path, error, kept });
        self.shared.shelf().failure.get_or_insert(failure);
    }

    fn complete(&mut self) {
        let mut shelf = self.shared.shelf();
        let length_ms = self.file.as_ref().map_or(0, WavFile::length_ms);
        let result = match &shelf.failure {
            Some(failure) => Err(Arc::clone(failure)),
            None => Ok(Recorded { path: self.shared.path.clone(), length_ms }),
        };
        if let Some(done) = shelf.done.take() {
            // Nobody may be waiting.
            let _ = done.send(result);
        }
    }
}

/// Bytes before the samples.
const HEADER_LEN: usize = 44;

/// Where the header says how long the file and the samples are.
const RIFF_SIZE_AT: u64 = 4;
const DATA_SIZE_AT: u64 = 40;

/// Sizes are 32 bits: 37 hours of two channels.
const MAX_DATA: u64 = u32::MAX as u64 - HEADER_LEN as u64;

impl Channels {
    const fn count(self) -> u16 {
        match self {
            Self::Heard => 1,
            Self::HeardAndSent => 2,
        }
    }
}

/// A WAV file of 16-bit samples at 8000 Hz that is valid after each call.
#[derive(Debug)]
struct WavFile {
    file: File,
    channels: Channels,
    data: u64,
    bytes: Vec<u8>,
}

impl WavFile {
    fn create(path: &Path, channels: Channels) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        if let Err(error) = file.write_all(&header(channels)) {
            // A file without a header is of no use to anybody.
            let _ = fs::remove_file(path);
            return Err(error);
        }
        Ok(Self { file, channels, data: 0, bytes: Vec::new() })
    }

    fn append(&mut self, samples: &[i16]) -> io::Result<()> {
        if samples.is_empty() {
            return Ok(());
        }
        self.bytes.clear();
        self.bytes.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
        let data = self.data + self.bytes.len() as u64;
        if data > MAX_DATA {
            return Err(io::Error::other("the file would be longer than a WAV file can be"));
        }
        self.file.seek(SeekFrom::Start(HEADER_LEN as u64 + self.data))?;
        self.file.write_all(&self.bytes)?;
        write_sizes(&mut self.file, data)?;
        self.data = data;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn length_ms(&self) -> u32 {
        length_ms(self.data, self.channels)
    }

    /// Gives an incomplete file a name that says so; one without audio is removed.
    fn keep_as_partial(self, path: &Path) -> Option<PathBuf> {
        if self.data == 0 {
            let _ = fs::remove_file(path);
            return None;
        }
        let partial = path.with_extension("partial.wav");
        match fs::rename(path, &partial) {
            Ok(()) => Some(partial),
            Err(_) => Some(path.to_owned()),
        }
    }
}

fn length_ms(data: u64, channels: Channels) -> u32 {
    let bytes_a_second = u64::from(SAMPLE_RATE) * u64::from(channels.count()) * 2;
    u32::try_from(data * 1000 / bytes_a_second).unwrap_or(u32::MAX)
}

fn header(channels: Channels) -> [u8; HEADER_LEN] {
    let mut header =
        *b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0cc\xaa\xaa\xaa\xaabbbbss\x10\0data\0\0\0\0";
    let count = channels.count();
    let frame = count * 2;
    header[22..24].copy_from_slice(&count.to_le_bytes());
    header[24..28].copy_from_slice(&SAMPLE_RATE.to_le_bytes());
    header[28..32].copy_from_slice(&(SAMPLE_RATE * u32::from(frame)).to_le_bytes());
    header[32..34].copy_from_slice(&frame.to_le_bytes());
    header
}

fn write_sizes(file: &mut File, data: u64) -> io::Result<()> {
    // Not above MAX_DATA, so both fit.
    let data = u32::try_from(data).unwrap_or(u32::MAX - HEADER_LEN as u32);
    file.seek(SeekFrom::Start(RIFF_SIZE_AT))?;
    file.write_all(&(data + HEADER_LEN as u32 - 8).to_le_bytes())?;
    file.seek(SeekFrom::Start(DATA_SIZE_AT))?;
    file.write_all(&data.to_le_bytes())
}

/// Makes the header of a recording say how much audio the file really holds: after a crash it may
/// hold up to half a second more than it says, after a copy that was cut less. Part of a sample at
/// the end is cut off.
pub fn repair(path: &Path) -> Result<Recorded, RecorderError> {
    let failed = |error| RecorderError::Write { path: path.to_owned(), error, kept: None };
    let not_ours = |problem| RecorderError::NotOurs { path: path.to_owned(), problem };
    let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut found = [0; HEADER_LEN];
    if length < HEADER_LEN as u64 {
        return Err(not_ours("it is shorter than a header"));
    }
    file.read_exact(&mut found).map_err(failed)?;
    let channels = [Channels::Heard, Channels::HeardAndSent]
        .into_iter()
        .find(|&channels| {
            let expected = header(channels);
            let sizes = [4..8, 40..44];
            (0..HEADER_LEN).all(|i| {
                sizes.iter().any(|size| size.contains(&i)) || found.get(i) == expected.get(i)
            })
        })
        .ok_or_else(|| not_ours("its header is another"))?;
    let frame = u64::from(channels.count()) * 2;
    let data = (length - HEADER_LEN as u64).min(MAX_DATA) / frame * frame;
    file.set_len(HEADER_LEN as u64 + data).map_err(failed)?;
    write_sizes(&mut file, data).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    Ok(Recorded { path: path.to_owned(), length_ms: length_ms(data, channels) })
}

#[cfg(test)]
mod tests;

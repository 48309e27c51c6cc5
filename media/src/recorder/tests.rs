use super::*;
use crate::{SILENCE, wav};

fn frame(at_ms: u32, heard: i16, sent: i16) -> Frame {
    Frame { at_ms, received: [heard; 160], sent: [sent; 160], concealed: false }
}

/// Waits for the thread without sleeping.
fn complete(recorder: Recorder) -> RecordingResult {
    recorder.finish().blocking_recv().unwrap()
}

#[test]
fn a_call_is_recorded_in_stereo_and_its_menus_in_mono() {
    let folder = tempfile::tempdir().unwrap();
    let thread = RecordingThread::start().unwrap();
    let both = folder.path().join("calls/1/call.wav");
    let menu = folder.path().join("calls/1/menu-0.wav");
    let mut call = thread.record(both.clone(), Channels::HeardAndSent);
    let mut prompt = thread.record(menu.clone(), Channels::Heard);
    for n in 0..100u32 {
        call.push(&frame(n * 20, n as i16, -1));
        prompt.push(&frame(n * 20, n as i16, -1));
    }
    assert_eq!(complete(call).unwrap(), Recorded { path: both.clone(), length_ms: 2000 });
    assert_eq!(complete(prompt).unwrap().length_ms, 2000);

    let expected: Vec<i16> = (0..100).flat_map(|n| [n; 160]).collect();
    let audio = wav::read(&both).unwrap();
    assert_eq!(audio.channels, [expected.clone(), vec![-1; 16_000]]);
    let read = hound::WavReader::open(&menu).unwrap().into_samples::<i16>();
    assert_eq!(read.map(Result::unwrap).collect::<Vec<_>>(), expected);
}

#[test]
fn frames_that_are_missing_are_recorded_as_silence() {
    let folder = tempfile::tempdir().unwrap();
    let thread = RecordingThread::start().unwrap();
    let path = folder.path().join("gap.wav");
    let mut recorder = thread.record(path.clone(), Channels::Heard);
    recorder.push(&frame(1000, 5, 0));
    recorder.push(&frame(1060, 6, 0));
    assert_eq!(complete(recorder).unwrap().length_ms, 80);
    let expected = [[5; 160], SILENCE, SILENCE, [6; 160]].concat();
    assert_eq!(wav::read(&path).unwrap().channels, [expected]);
}

#[test]
fn a_file_is_valid_after_a_crash_at_any_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let mut file = WavFile::create(&path, Channels::HeardAndSent).unwrap();
    for n in 1..=3u64 {
        assert_eq!(wav::read(&path).unwrap().channels[0].len() as u64, (n - 1) * 100);
        file.append(&[n as i16; 200]).unwrap();
    }
    // The samples are on the disk, the sizes are not: the crash came in between.
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend_from_slice(&[9; 401]);
    fs::write(&path, &bytes).unwrap();
    assert_eq!(wav::read(&path).unwrap().channels[0].len(), 300);
    repair(&path).unwrap();
    assert_eq!(wav::read(&path).unwrap().channels[0].len(), 400);
    assert_eq!(hound::WavReader::open(&path).unwrap().duration(), 400);
    // Cut anywhere, it is repaired to what is left.
    for length in (HEADER_LEN..bytes.len()).step_by(97) {
        fs::write(&path, &bytes[..length]).unwrap();
        repair(&path).unwrap();
        assert_eq!(wav::read(&path).unwrap().channels[0].len(), (length - HEADER_LEN) / 4);
    }
}

#[test]
fn what_is_no_recording_is_not_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    for content in [&b"short"[..], &[7; 100]] {
        fs::write(&path, content).unwrap();
        assert!(matches!(repair(&path), Err(RecorderError::NotOurs { .. })));
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn m10_a_folder_that_cannot_be_made_fails_once_and_the_recorder_is_inert() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("file");
    fs::write(&in_the_way, b"").unwrap();
    let thread = RecordingThread::start().unwrap();
    let mut recorder = thread.record(in_the_way.join("call.wav"), Channels::Heard);
    // Nothing tells when the thread has tried but its result, which a second recording brings.
    complete(thread.record(folder.path().join("other.wav"), Channels::Heard)).unwrap();
    assert!(recorder.is_inert());
    let failure = recorder.failure().unwrap();
    assert!(failure.to_string().contains("check space and permissions"), "{failure}");
    assert!(recorder.failure().is_none());
    for n in 0..10_000 {
        recorder.push(&frame(n * 20, 1, 1));
    }
    assert!(complete(recorder).is_err());
}

#[test]
fn m10_a_recording_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("call.wav");
    fs::write(&path, b"dear").unwrap();
    let thread = RecordingThread::start().unwrap();
    assert!(complete(thread.record(path.clone(), Channels::Heard)).is_err());
    assert_eq!(fs::read(&path).unwrap(), b"dear");
}

/// `/dev/full` is a disk that is always full, on systems that have it.
#[cfg(target_os = "linux")]
#[test]
fn m10_a_full_disk_fails_the_recording_and_leaves_no_unmarked_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("call.wav");
    let mut file = WavFile::create(&path, Channels::Heard).unwrap();
    file.append(&[1; 160]).unwrap();
    file.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let shared =
        Arc::new(Shared { path: path.clone(), channels: Channels::Heard, state: Mutex::default() });
    shared.shelf().samples = vec![2; 160];
    let mut writing = Writing { shared: Arc::clone(&shared), file: Some(file), spare: Vec::new() };
    assert!(!writing.go_on());
    let failure = shared.shelf().failure.clone().unwrap();
    let RecorderError::Write { kept: Some(kept), .. } = &*failure else { panic!("{failure}") };
    assert!(!path.exists());
    assert_eq!(wav::read(kept).unwrap().channels[0], [1; 160]);
    assert!(kept.ends_with("call.partial.wav"));
}

#[test]
fn a_disk_that_stands_still_ends_the_recording_and_not_the_memory() {
    let (wake, _asleep) = sync_channel(1);
    let shared = Arc::new(Shared {
        path: PathBuf::new(),
        channels: Channels::Heard,
        state: Mutex::default(),
    });
    let mut recorder = Recorder { shared: Arc::clone(&shared), wake, next_ms: None };
    for n in 0..5000 {
        recorder.push(&frame(n * 20, 1, 1));
    }
    assert!(matches!(*recorder.failure().unwrap(), RecorderError::TooSlow { .. }));
    assert!(shared.shelf().samples.len() <= ms_to_samples(MAX_WAITING_MS, Channels::Heard));
}

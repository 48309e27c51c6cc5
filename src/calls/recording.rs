//! What is kept of a call's sound: one file of the whole call and one of each prompt.
//!
//! Below the data directory they are `recordings/CALL/call.wav` (left what we heard, right what we
//! sent) and `recordings/CALL/prompt-1.wav` and so on (what we heard), where CALL is the call's id.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
};

use phoneai_media::{
    recorder::{Channels, Recorder, RecorderError, RecordingResult, RecordingThread},
    stream::Frame,
};
use tokio::sync::oneshot;
use tracing::warn;
use uuid::Uuid;

use crate::speech::CallMs;

/// Recordings, below the data directory.
const DIRECTORY: &str = "recordings";
/// Frames that are kept in memory, because a prompt is known to have begun only a little later:
/// 3 s.
const REMEMBERED: usize = 150;

/// Where the recordings of all calls are kept.
#[derive(Clone, Debug)]
pub struct Shelf {
    data_dir: PathBuf,
    thread: RecordingThread,
}

impl Shelf {
    /// Recordings below `data_dir`.
    ///
    /// # Errors
    /// If the thread that writes them cannot be started.
    pub fn new(data_dir: &Path) -> Result<Self, RecorderError> {
        Ok(Self { data_dir: data_dir.to_owned(), thread: RecordingThread::start()? })
    }
}

/// The recordings of one call.
#[derive(Debug)]
pub(super) struct Recording {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    shelf: Shelf,
    call: Uuid,
    /// Gone when the call is over.
    whole: Option<Recorder>,
    prompt: Option<Recorder>,
    prompts: u32,
    last: VecDeque<Frame>,
}

impl Recording {
    /// Begins the recording of a call; records nothing if there is no shelf.
    pub(super) fn start(shelf: Option<&Shelf>, call: Uuid) -> Self {
        let open = shelf.map(|shelf| Open {
            shelf: shelf.clone(),
            call,
            whole: Some(
                shelf
                    .thread
                    .record(shelf.data_dir.join(file(call, "call")), Channels::HeardAndSent),
            ),
            prompt: None,
            prompts: 0,
            last: VecDeque::with_capacity(REMEMBERED),
        });
        Self { open }
    }

    /// The file of the whole call, relative to the data directory.
    pub(super) fn call_file(&self) -> Option<String> {
        self.open.as_ref().map(|open| file(open.call, "call"))
    }

    /// The file of the prompt that began last, relative to the data directory.
    pub(super) fn prompt_file(&self) -> Option<String> {
        self.open.as_ref().filter(|open| open.prompts > 0).map(Open::prompt_file)
    }

    /// Records a frame.
    pub(super) fn frame(&mut self, frame: &Frame) {
        let Some(open) = &mut self.open else { return };
        for recorder in [&mut open.whole, &mut open.prompt].into_iter().flatten() {
            recorder.push(frame);
            if let Some(error) = recorder.failure() {
                warn!(call = %open.call, %error, "A recording ends here; the call goes on.");
            }
        }
        if open.last.len() >= REMEMBERED {
            open.last.pop_front();
        }
        open.last.push_back(*frame);
    }

    /// A prompt began at `at`; what is remembered since then is its beginning.
    pub(super) fn begin_prompt(&mut self, at: CallMs) {
        let Some(open) = &mut self.open else { return };
        open.prompts += 1;
        let path = open.shelf.data_dir.join(open.prompt_file());
        let mut recorder = open.shelf.thread.record(path, Channels::Heard);
        for frame in open.last.iter().filter(|frame| frame.at_ms >= at) {
            recorder.push(frame);
        }
        open.prompt = Some(recorder);
    }

    /// The prompt is over; its file is deleted unless it is to be kept.
    pub(super) fn end_prompt(&mut self, keep: bool) {
        let Some(open) = &mut self.open else { return };
        let Some(recorder) = open.prompt.take() else { return };
        if keep {
            return;
        }
        let complete = recorder.finish();
        tokio::spawn(async move {
            if let Ok(Ok(recorded)) = complete.await
                && let Err(error) = tokio::fs::remove_file(&recorded.path).await
            {
                warn!(path = %recorded.path.display(), %error, "A recording was not deleted.");
            }
        });
    }

    /// The call is over. What is returned tells when the file of the whole call is complete.
    pub(super) fn finish(&mut self) -> Option<oneshot::Receiver<RecordingResult>> {
        self.end_prompt(true);
        self.open.as_mut()?.whole.take().map(Recorder::finish)
    }
}

impl Open {
    fn prompt_file(&self) -> String {
        file(self.call, &format!("prompt-{}", self.prompts))
    }
}

fn file(call: Uuid, name: &str) -> String {
    format!("{DIRECTORY}/{call}/{name}.wav")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(at_ms: CallMs, level: i16) -> Frame {
        Frame { at_ms, received: [level; 160], sent: [0; 160], concealed: false }
    }

    async fn samples(path: &Path) -> Vec<i16> {
        let mut reader = hound::WavReader::open(path).expect("a recording");
        reader.samples().map(|sample| sample.expect("a sample")).collect()
    }

    #[tokio::test]
    async fn a_prompts_file_begins_where_the_prompt_began_and_not_where_that_was_known() {
        let dir = tempfile::tempdir().expect("a directory");
        let shelf = Shelf::new(dir.path()).expect("a thread");
        let mut recording = Recording::start(Some(&shelf), Uuid::nil());
        for n in 0..10 {
            recording.frame(&frame(n * 20, i16::try_from(n).expect("small")));
        }
        recording.begin_prompt(100);
        recording.frame(&frame(200, 10));
        let file = recording.prompt_file().expect("a file");
        let open = recording.open.as_mut().expect("open");
        let complete = open.prompt.take().expect("a prompt").finish();
        complete.await.expect("an end").expect("written");
        let heard: Vec<i16> =
            samples(&dir.path().join(file)).await.chunks(160).map(|chunk| chunk[0]).collect();
        assert_eq!(heard, [5, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn without_a_shelf_nothing_is_recorded() {
        let mut recording = Recording::start(None, Uuid::nil());
        recording.begin_prompt(0);
        recording.frame(&frame(0, 1));
        assert_eq!((recording.call_file(), recording.prompt_file()), (None, None));
    }
}

//! The threads that recognise pieces for all calls, each call's pieces in their order.
//!
//! Calls that have a piece waiting stand in one line; a worker takes the first of them, one piece
//! of it, and puts it back at the end. So no call waits for more than one piece of each other
//! call, and no two workers have pieces of the same call.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use phoneai_whisper::Workspace;

use crate::speech::{Transcript, cutter::Piece};

use super::call::Call;

/// How often a listener that had no room for its last events is tried again.
const RETRY: Duration = Duration::from_millis(50);

/// Added to the niceness of the workers (nice(2): 19 is the least urgent). With 10 a worker gets a
/// tenth of a processor that an ordinary thread wants too.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// What a worker does with a piece. Shared by all workers.
pub trait Recognise: Send + Sync {
    /// The words of a piece, on the call's clock, given what was said just before it; an error's
    /// text says what went wrong.
    fn recognise(
        &self,
        piece: &Piece,
        before: &str,
        work: &mut Workspace,
    ) -> Result<Transcript, String>;
}

/// The line of waiting calls and the workers. Workers end when it is dropped.
pub struct Pool {
    line: Arc<Line>,
    workers: Vec<JoinHandle<()>>,
}

/// Where calls wait for a worker.
#[derive(Default)]
pub struct Line {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    calls: VecDeque<Arc<Call>>,
    /// Ended calls whose listener has not taken everything yet.
    undelivered: Vec<Arc<Call>>,
    closing: bool,
}

impl Pool {
    /// Starts `workers` threads, at least one.
    pub fn start(engine: Arc<dyn Recognise>, workers: usize) -> std::io::Result<Self> {
        let mut pool = Self { line: Arc::default(), workers: Vec::new() };
        for index in 0..workers.max(1) {
            let (line, engine) = (Arc::clone(&pool.line), Arc::clone(&engine));
            let thread = std::thread::Builder::new()
                .name(format!("speech-{index}"))
                .spawn(move || serve(&line, &*engine))?;
            pool.workers.push(thread);
        }
        Ok(pool)
    }

    /// Where calls wait.
    pub fn line(&self) -> &Arc<Line> {
        &self.line
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let calls = {
            let mut waiting = self.line.lock();
            waiting.closing = true;
            std::mem::take(&mut waiting.calls)
        };
        self.line.changed.notify_all();
        for call in calls {
            call.fail("the recogniser was shut down");
        }
        for worker in self.workers.drain(..) {
            // A worker's panic was caught and reported when it happened.
            let _ = worker.join();
        }
    }
}

impl Line {
    /// Puts a call at the end. False if the pool is closing.
    pub fn join(&self, call: Arc<Call>) -> bool {
        let mut waiting = self.lock();
        if waiting.closing {
            return false;
        }
        waiting.calls.push_back(call);
        drop(waiting);
        self.changed.notify_one();
        true
    }

    /// Asks that an ended call's last events be delivered when its listener has room.
    pub fn deliver_later(&self, call: Arc<Call>) {
        self.lock().undelivered.push(call);
        self.changed.notify_one();
    }

    /// The next call; `None` when the pool closes.
    fn next(&self) -> Option<Arc<Call>> {
        let mut waiting = self.lock();
        loop {
            if waiting.closing {
                return None;
            }
            if let Some(call) = waiting.calls.pop_front() {
                return Some(call);
            }
            let Waiting { calls, undelivered, .. } = &mut *waiting;
            for call in undelivered.iter() {
                if call.deliver() {
                    calls.push_back(Arc::clone(call));
                }
            }
            undelivered.retain(|call| call.is_left_over());
            if !calls.is_empty() {
                continue;
            }
            waiting = if waiting.undelivered.is_empty() {
                self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner)
            } else {
                let timed = self.changed.wait_timeout(waiting, RETRY);
                timed.unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing that can panic runs under this lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets every other thread go first: recognition may take all the time that is left over, but it
/// may not delay a packet. On Linux the value holds for the calling thread alone.
#[cfg(target_os = "linux")]
fn yield_to_others() {
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::warn!(%error, "A recogniser's thread keeps the ordinary priority.");
    }
}

/// Elsewhere the value would hold for the whole process, its media threads included.
#[cfg(not(target_os = "linux"))]
fn yield_to_others() {}

fn serve(line: &Arc<Line>, engine: &dyn Recognise) {
    yield_to_others();
    let mut work = Workspace::default();
    while let Some(call) = line.next() {
        let Some((task, before)) = call.begin() else { continue };
        let attempt = AssertUnwindSafe(|| engine.recognise(&task.piece, &before, &mut work));
        let result = catch_unwind(attempt);
        let result = result.unwrap_or_else(|_| {
            // What a panic left in the working memory is not trusted.
            work = Workspace::default();
            Err("the recogniser panicked; this is a bug, please report it".to_owned())
        });
        if let Err(error) = &result {
            tracing::warn!(call = call.name(), %error, "A piece of speech was not recognised.");
        }
        if call.end(&task, result) && !line.join(Arc::clone(&call)) {
            call.fail("the recogniser was shut down");
        }
        if call.is_left_over() {
            line.deliver_later(call);
        }
    }
}

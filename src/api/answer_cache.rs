//! Answers as they were last written, for as long as nothing in the database has changed.
//!
//! A tree of 200 menus is read from 400 rows and written as 50 kB, and clients ask for it, as for
//! the first pages of a list, again and again while nothing happens.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use axum::body::Bytes;

/// Bytes of all that is kept.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Answers that are kept; one is looked for among all of them.
const MAX_ANSWERS: usize = 256;

/// Answers by what was asked for, the one that was asked for last at the end.
#[derive(Debug, Default)]
pub(super) struct AnswerCache(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    answers: VecDeque<(String, u64, Bytes)>,
    bytes: usize,
}

impl AnswerCache {
    /// The answer to this, if it was made in this generation of the database.
    pub(super) fn get(&self, asked: &str, generation: u64) -> Option<Bytes> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at =
            kept.answers.iter().position(|(known, made, _)| known == asked && *made == generation);
        let answer = kept.answers.remove(at?)?;
        let text = answer.2.clone();
        kept.answers.push_back(answer);
        Some(text)
    }

    /// Keeps the answer to this, made from what was read in this generation or later.
    pub(super) fn put(&self, asked: &str, generation: u64, text: Bytes) {
        if text.len() > MAX_BYTES / 4 {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = kept.answers.iter().position(|(known, _, _)| known == asked)
            && let Some((_, _, old)) = kept.answers.remove(at)
        {
            kept.bytes -= old.len();
        }
        kept.bytes += text.len();
        kept.answers.push_back((asked.to_owned(), generation, text));
        while kept.bytes > MAX_BYTES || kept.answers.len() > MAX_ANSWERS {
            let Some((_, _, oldest)) = kept.answers.pop_front() else { break };
            kept.bytes -= oldest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_given_only_in_the_generation_in_which_it_was_made() {
        let cache = AnswerCache::default();
        cache.put("1", 7, Bytes::from_static(b"old"));
        assert_eq!(cache.get("1", 7).as_deref(), Some(&b"old"[..]));
        assert_eq!((cache.get("1", 8), cache.get("2", 7)), (None, None));
        cache.put("1", 8, Bytes::from_static(b"new"));
        assert_eq!(cache.get("1", 8).as_deref(), Some(&b"new"[..]));
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_was_not_asked_for_goes_first() {
        let cache = AnswerCache::default();
        for number in 0..=MAX_ANSWERS {
            cache.put(&number.to_string(), 1, Bytes::from_static(b"tree"));
            cache.get("0", 1);
        }
        assert!(cache.get("0", 1).is_some());
        assert!(cache.get("1", 1).is_none());
        cache.put("large", 1, Bytes::from(vec![b'x'; MAX_BYTES / 4 + 1]));
        assert!(cache.get("large", 1).is_none());
        for number in 0..6 {
            cache.put(&format!("l{number}"), 1, Bytes::from(vec![b'x'; MAX_BYTES / 4]));
        }
        let kept = cache.0.lock().unwrap();
        assert!(kept.bytes <= MAX_BYTES);
        let lengths = kept.answers.iter().map(|tree| tree.2.len());
        assert_eq!(kept.bytes, lengths.sum::<usize>());
    }
}

//! Whether two prompts are the same one, heard twice.
//!
//! The same recording is never recognised the same way twice: words are misheard ("fax" and
//! "facts"), lost and added, and the beginning may be cut by a key press. Two different prompts of
//! one business, on the other hand, may differ in a single word ("you have selected sales"). So
//! words are aligned as in a spelling check of whole sentences, and what differs is weighed: a word
//! that sounds alike costs little, a filler costs little, and a clear word in the place of another
//! clear word is a *conflict*, of which a prompt may have very few.

use std::collections::HashMap;

use super::menu_text::{self, PlainWord};
use crate::speech::{CallMs, Transcript};

/// Words of a prompt that are compared; the first ones, which is where prompts differ.
const MAX_COMPARED: usize = 240;

/// Least similarity of two hearings of one prompt. Whisper tiny.en makes 4 to 5 wrong words in a
/// hundred on telephone prompts, so two hearings of one prompt differ in about one word of ten,
/// and most of these sound alike; 2 % packet loss doubles that. Prompts of different menus share
/// their fillers and seldom reach 0.5.
pub const SAME: f32 = 0.75;

/// Words for each of which one conflict is forgiven: with clear words exchanged in one of 24 the
/// prompt is more likely misheard than another; a short prompt is allowed none, because there one
/// word makes the difference between departments.
pub const WORDS_PER_CONFLICT: usize = 24;

/// Least likeness of two words that sound alike, by their consonants: "fax" and "facts" have 0.71,
/// "sails" and "sales" 0.95, "sales" and "support" 0.25.
pub const ALIKE: f32 = 0.5;

/// Least similarity of two labels of one option. Labels are short, so one lost word of three has to
/// pass.
pub const SAME_LABEL: f32 = 0.6;

/// What a filler weighs against a word that carries meaning.
const FILLER_WEIGHT: f32 = 0.3;
/// What a word before a known prompt costs against one within it. If it cost nothing, to call
/// everything that was heard a head would be the best of all alignments; if it cost as much, a long
/// announcement would hide the menu that follows it.
const HEAD_WEIGHT: f32 = 0.5;
/// Fewest words that show that a prompt has started again: a phrase of five words ("please press
/// one for the") may recur within one prompt.
const MIN_RESTART_WORDS: usize = 6;

/// A prompt reduced to what is compared.
#[derive(Clone, Debug, Default)]
pub struct Gist {
    words: Vec<Sound>,
    /// How often each sound occurs, for a quick look.
    bag: HashMap<u64, u32>,
}

/// One word and how it sounds.
#[derive(Clone, Debug)]
struct Sound {
    word: PlainWord,
    consonants: String,
    weight: f32,
}

/// How two prompts lie upon each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likeness {
    /// 1 for the same words, 0 for nothing in common.
    pub similarity: f32,
    /// Clear words in the place of other clear words.
    pub conflicts: usize,
    /// Words that were compared.
    pub words: usize,
}

impl Likeness {
    /// True if the prompts are the same by [`SAME`] and [`WORDS_PER_CONFLICT`].
    pub fn is_same(&self) -> bool {
        self.similarity >= SAME && self.conflicts <= self.words / WORDS_PER_CONFLICT
    }
}

impl Gist {
    /// The gist of a prompt given as its stretches.
    pub fn of(transcripts: &[Transcript]) -> Self {
        let words: Vec<Sound> = menu_text::plain_words(transcripts, MAX_COMPARED)
            .into_iter()
            .map(|word| Sound { consonants: consonants(&word), weight: weight(&word), word })
            .collect();
        Self::from_sounds(words)
    }

    /// The gist of text without times.
    pub fn of_text(text: &str) -> Self {
        Self::of(&[menu_text::transcript_of(text)])
    }

    /// True if nothing was said.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The number of words.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// The words from the `from`th on.
    pub fn from_word(&self, from: usize) -> Self {
        Self::from_sounds(self.words.get(from..).unwrap_or_default().to_vec())
    }

    /// The first `count` words.
    pub fn first_words(&self, count: usize) -> Self {
        Self::from_sounds(self.words.iter().take(count).cloned().collect())
    }

    fn from_sounds(words: Vec<Sound>) -> Self {
        let mut bag = HashMap::new();
        for sound in &words {
            *bag.entry(sound.bag_key()).or_default() += 1;
        }
        Self { words, bag }
    }

    /// Where the `index`th word begins on the call's clock.
    pub fn start_of(&self, index: usize) -> Option<CallMs> {
        self.words.get(index).map(|w| w.word.start_ms)
    }

    /// A quick upper estimate of the similarity, from the words without their order.
    pub fn overlap(&self, other: &Self) -> f32 {
        let shared: u32 = self
            .bag
            .iter()
            .map(|(word, n)| (*n).min(other.bag.get(word).copied().unwrap_or(0)))
            .sum();
        shared as f32 / self.len().max(other.len()).max(1) as f32
    }

    /// The part of these words that another prompt has somewhere.
    pub fn share_in(&self, other: &Self) -> f32 {
        let shared = self.bag.keys().filter(|word| other.bag.contains_key(word)).count();
        shared as f32 / self.bag.len().max(1) as f32
    }

    /// Compares two whole prompts.
    pub fn likeness(&self, other: &Self) -> Likeness {
        self.align(other, Ends { known_tail_free: false, heard_head_free: false }).0
    }

    /// Compares what was heard so far with the beginning of a known prompt.
    pub fn likeness_to_beginning_of(&self, known: &Self) -> Likeness {
        self.align(known, Ends { known_tail_free: true, heard_head_free: false }).0
    }

    /// Where in what was heard a known prompt begins, and how alike the rest is to it: "thank you.
    /// [welcome to …]". What was heard may stop within the known prompt.
    pub fn find_beginning_of(&self, known: &Self) -> (usize, Likeness) {
        let (likeness, at) =
            self.align(known, Ends { known_tail_free: true, heard_head_free: true });
        (at, likeness)
    }

    /// The word at which a prompt starts again, if it does: from there on to its end it repeats
    /// its beginning, with at least six words.
    pub fn restart(&self) -> Option<usize> {
        let n = self.words.len();
        let same = |a: usize, b: usize| match (self.words.get(a), self.words.get(b)) {
            (Some(a), Some(b)) => a.word.text == b.word.text || distance(a, b) < 0.3,
            _ => false,
        };
        // The first words are looked for; one of them may be misheard.
        let anchor = MIN_RESTART_WORDS;
        (anchor..n.saturating_sub(anchor - 1)).find(|&p| {
            let begins = (0..anchor).filter(|&k| same(k, p + k)).count() + 1 >= anchor;
            // So must the last word be: "… in the west, press two" does not repeat "… in the
            // west, press one".
            let last = n.min(2 * p).saturating_sub(1);
            let ends = (last.saturating_sub(p + 1)..=last - p + 1).any(|k| same(last, k));
            begins && ends && {
                let first = self.first_words(p);
                self.from_word(p).first_words(p).likeness_to_beginning_of(&first).is_same()
            }
        })
    }

    /// Edit distance of words with the given ends; also where in `self` the alignment begins.
    fn align(&self, known: &Self, ends: Ends) -> (Likeness, usize) {
        let (n, m) = (self.words.len(), known.words.len());
        let row_len = m + 1;
        // steps[i * row_len + j]: how cell (i, j) is reached best.
        let mut steps = vec![Step::Start; (n + 1) * row_len];
        let mut costs = vec![0.0_f32; row_len];
        let mut cost = 0.0;
        for (j, word) in known.words.iter().enumerate() {
            cost += word.weight;
            set(&mut costs, j + 1, cost);
            set(&mut steps, j + 1, Step::Missing);
        }
        for (i, heard) in self.words.iter().enumerate() {
            let mut diagonal = *costs.first().unwrap_or(&0.0);
            let head = if ends.heard_head_free { HEAD_WEIGHT } else { 1.0 };
            set(&mut costs, 0, diagonal + head * heard.weight);
            let row = (i + 1) * row_len;
            set(&mut steps, row, if ends.heard_head_free { Step::Start } else { Step::Added });
            for (j, expected) in known.words.iter().enumerate() {
                let above = costs.get(j + 1).copied().unwrap_or(0.0);
                let left = costs.get(j).copied().unwrap_or(0.0);
                let apart = distance(heard, expected);
                let change = diagonal + apart * heard.weight.max(expected.weight);
                let (added, missing) = (above + heard.weight, left + expected.weight);
                let (cost, step) = if change <= added && change <= missing {
                    let clear =
                        apart > 1.0 - ALIKE && heard.weight >= 1.0 && expected.weight >= 1.0;
                    (change, if clear { Step::Conflict } else { Step::Changed })
                } else if added <= missing {
                    (added, Step::Added)
                } else {
                    (missing, Step::Missing)
                };
                diagonal = above;
                set(&mut costs, j + 1, cost);
                set(&mut steps, row + j + 1, step);
            }
        }
        let tail = costs.get(m).copied().unwrap_or(0.0);
        let mut best_end = (tail, n, m);
        if ends.known_tail_free {
            for (j, cost) in costs.iter().enumerate() {
                if *cost < best_end.0 {
                    best_end = (*cost, n, j);
                }
            }
        }
        let (cost, mut i, mut j) = best_end;
        let (end, mut conflicts) = (j, 0);
        while (i, j) != (0, 0) {
            match steps.get(i * row_len + j).copied().unwrap_or(Step::Start) {
                Step::Start => break,
                step @ (Step::Changed | Step::Conflict) => {
                    conflicts += usize::from(step == Step::Conflict);
                    (i, j) = (i - 1, j - 1);
                }
                Step::Added => i -= 1,
                Step::Missing => j -= 1,
            }
        }
        let heard_weight: f32 = self.words.iter().skip(i).map(|w| w.weight).sum();
        let known_weight: f32 = known.words.iter().take(end).map(|w| w.weight).sum();
        let weight = heard_weight.max(known_weight);
        // What comes before the known prompt is no difference between the two.
        let head: f32 = self.words.iter().take(i).map(|w| w.weight * HEAD_WEIGHT).sum();
        let similarity = if weight > 0.0 { (1.0 - (cost - head) / weight).max(0.0) } else { 0.0 };
        (Likeness { similarity, conflicts, words: (n - i).max(end) }, i)
    }
}

/// Which ends of an alignment cost nothing.
#[derive(Clone, Copy)]
struct Ends {
    /// What was heard may stop before the known prompt does.
    known_tail_free: bool,
    /// Something else may be heard before the known prompt.
    heard_head_free: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Start,
    Changed,
    Conflict,
    Added,
    Missing,
}

fn set<T>(cells: &mut [T], i: usize, value: T) {
    if let Some(cell) = cells.get_mut(i) {
        *cell = value;
    }
}

/// True if two labels name the same thing: "facts" and "fax".
pub fn same_label(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let likeness = Gist::of_text(a).likeness(&Gist::of_text(b));
    likeness.similarity >= SAME_LABEL && likeness.conflicts == 0
}

impl Sound {
    fn bag_key(&self) -> u64 {
        // FNV-1a: only equality matters here, and it must not differ between runs.
        let text = if self.consonants.is_empty() { &self.word.text } else { &self.consonants };
        text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }
}

/// 0 for the same word, 1 and more for words that have nothing in common.
fn distance(a: &Sound, b: &Sound) -> f32 {
    if a.word.text == b.word.text {
        return 0.0;
    }
    match (&a.word.key, &b.word.key) {
        // "three" and "3" are the same, "to" and "2" nearly.
        (Some(x), Some(y)) if x == y => {
            return if a.word.certain && b.word.certain { 0.0 } else { 0.2 };
        }
        (Some(_), Some(_)) if a.word.certain && b.word.certain => return 2.0,
        _ => {}
    }
    let letters = likeness_of(&a.word.text, &b.word.text);
    let sounds = likeness_of(&a.consonants, &b.consonants) * 0.95;
    let alike = letters.max(sounds);
    // Words that do not sound alike are worth a lost and an added one.
    if alike >= ALIKE { 1.0 - alike } else { 2.0 }
}

/// Letters of a word that are compared.
const MAX_LETTERS: usize = 24;

/// 1 minus the edit distance of letters over the longer length. Words are folded to ASCII but for
/// scripts that no menu here is read in, so bytes are letters.
fn likeness_of(a: &str, b: &str) -> f32 {
    let letters = |word: &str| word.len().min(MAX_LETTERS);
    let a = a.as_bytes().get(..letters(a)).unwrap_or_default();
    let b = b.as_bytes().get(..letters(b)).unwrap_or_default();
    let longer = a.len().max(b.len());
    if a.len().min(b.len()) * 2 < longer || longer == 0 {
        return 0.0;
    }
    // One row of the usual table; on the stack, because this runs for every pair of words.
    let mut row = [0_usize; MAX_LETTERS + 1];
    row.iter_mut().enumerate().for_each(|(j, cell)| *cell = j);
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (y, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let above = *cell;
            left = (diagonal + usize::from(x != y)).min(above + 1).min(left + 1);
            *cell = left;
            diagonal = above;
        }
    }
    1.0 - row.get(b.len()).copied().unwrap_or(longer) as f32 / longer as f32
}

/// The consonants of a word as they sound, so that spellings of one sound fall together.
fn consonants(word: &PlainWord) -> String {
    if let (Some(key), true) = (&word.key, word.certain) {
        return key.clone();
    }
    let letters: Vec<char> = word.text.chars().collect();
    let mut out = String::new();
    for (i, &c) in letters.iter().enumerate() {
        let next = letters.get(i + 1).copied().unwrap_or(' ');
        let sound = match c {
            'c' if matches!(next, 'e' | 'i' | 'y') => "s",
            'c' | 'k' | 'q' => "k",
            'x' => "ks",
            'z' => "s",
            'p' if next == 'h' => "f",
            'v' => "f",
            'd' => "t",
            'g' if matches!(next, 'e' | 'i') => "j",
            'h' if i > 0 => "",
            'a' | 'e' | 'i' | 'o' | 'u' | 'y' | 'w' | '\'' => {
                if i == 0 {
                    "a"
                } else {
                    ""
                }
            }
            _ => {
                if !out.ends_with(c) {
                    out.push(c);
                }
                ""
            }
        };
        if !out.ends_with(sound) || sound.is_empty() {
            out.push_str(sound);
        }
    }
    out
}

fn weight(word: &PlainWord) -> f32 {
    if word.certain {
        return 1.0;
    }
    let filler = matches!(
        word.text.as_str(),
        "a" | "an"
            | "the"
            | "to"
            | "for"
            | "of"
            | "or"
            | "and"
            | "in"
            | "on"
            | "at"
            | "is"
            | "are"
            | "be"
            | "it"
            | "if"
            | "you"
            | "your"
            | "we"
            | "our"
            | "us"
            | "i"
            | "my"
            | "with"
            | "press"
            | "please"
            | "dial"
            | "say"
            | "now"
            | "this"
            | "that"
            | "will"
            | "can"
            | "may"
            | "have"
            | "has"
            | "by"
            | "from"
            | "as"
            | "oh"
            | "uh"
            | "um"
            | "para"
            | "el"
            | "la"
            | "oprima"
            | "marque"
            | "would"
            | "like"
            | "so"
            | "then"
            | "just"
    );
    if filler { FILLER_WEIGHT } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        Gist::of_text(a).likeness(&Gist::of_text(b)).is_same()
    }

    const MENU: &str = "Welcome to Lakeside. For tickets, press one. For groups, press two. To hear \
                        our opening hours, press three. To repeat this menu, press star.";

    #[test]
    fn misheard_words_do_not_make_another_prompt() {
        assert!(same(MENU, MENU));
        assert!(same(
            MENU,
            "welcome to lake side for tickets press 1 for group press to to hear are opening ours \
             press 3 to repeat this menu press *"
        ));
        assert!(same("Thanks for your query.", "thanks for you're queries"));
        assert!(same("please press three for fax", "east press 3 for facts"));
    }

    #[test]
    fn one_clear_word_makes_another_short_prompt() {
        assert!(!same(
            "You have selected sales. Please hold.",
            "You have selected support. Please hold."
        ));
        assert!(!same("For tickets, press one.", "For tickets, press two."));
        assert!(!same(MENU, "For tickets, press one. For groups, press two."));
        assert!(!same("", ""));
    }

    #[test]
    fn a_prompt_is_recognised_by_its_beginning() {
        let known = Gist::of_text(MENU);
        let heard = Gist::of_text("welcome to lakeside for tickets press");
        assert!(heard.likeness_to_beginning_of(&known).is_same());
        let other = Gist::of_text("the lakeside shop is closed today");
        assert!(!other.likeness_to_beginning_of(&known).is_same());
    }

    #[test]
    fn a_known_prompt_is_found_behind_something_else() {
        let heard = Gist::of_text(&format!("We are open from nine to five. {MENU}"));
        let (at, likeness) = heard.find_beginning_of(&Gist::of_text(MENU));
        assert_eq!(at, 7);
        assert!(likeness.is_same());
    }

    #[test]
    fn a_prompt_that_starts_again_is_noticed_where_it_does() {
        assert_eq!(Gist::of_text(MENU).restart(), None);
        let twice = Gist::of_text(&format!("{MENU} {MENU}"));
        assert_eq!(twice.restart(), Some(Gist::of_text(MENU).len()));
        let begun = Gist::of_text(&format!("{MENU} Welcome to lakeside for tickets press one for"));
        assert_eq!(begun.restart(), Some(Gist::of_text(MENU).len()));
        let options = "Press one for red shoes. Press two for red hats. Press one for red shoes.";
        assert_eq!(Gist::of_text(options).restart(), None);
        let alike = "For the ferry to the western isle, press one. For the ferry to the western \
                     isle, press two.";
        assert_eq!(Gist::of_text(alike).restart(), None);
    }

    #[test]
    fn labels_survive_a_misheard_word() {
        assert!(same_label("facts", "fax"));
        assert!(same_label("sales", "sails"));
        assert!(same_label("leave a message", "leave message"));
        assert!(!same_label("sales", "support"));
        assert!(!same_label("sales", ""));
    }
}

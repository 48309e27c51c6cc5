//! Whether a confidence means something: the share of right words by confidence.

/// Upper ends of the bins.
const BINS: [f32; 7] = [0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

/// Words by confidence.
#[derive(Default)]
pub struct Calibration {
    bins: [Bin; BINS.len()],
}

#[derive(Clone, Copy, Default)]
struct Bin {
    words: usize,
    right: usize,
    confidence: f64,
}

impl Calibration {
    /// Counts a word.
    pub fn add(&mut self, confidence: f32, right: bool) {
        let bin = BINS.iter().position(|end| confidence <= *end).unwrap_or(BINS.len() - 1);
        let bin = &mut self.bins[bin];
        bin.words += 1;
        bin.right += usize::from(right);
        bin.confidence += f64::from(confidence);
    }

    /// Prints the table, and how far confidence and share are apart in the mean of all words.
    pub fn print(&self) {
        println!("confidence   words   mean confidence   right");
        let mut from = 0.0;
        let (mut words, mut apart) = (0, 0.0);
        for (bin, end) in self.bins.iter().zip(BINS) {
            if bin.words > 0 {
                let count = bin.words as f64;
                let (mean, right) = (bin.confidence / count, bin.right as f64 / count);
                println!("{from:.1} to {end:.1} {:7} {mean:17.2} {right:7.2}", bin.words);
                words += bin.words;
                apart += (mean - right).abs() * count;
            }
            from = end;
        }
        println!(
            "apart in the mean    {:.3} (expected calibration error)",
            apart / f64::from(words.max(1) as u32)
        );
    }
}

//! The media's silence detector, as the cutter asks it.

use phoneai_media::{FRAME_MS, FRAME_SAMPLES, detect::silence::SilenceDetector};

use super::cutter::Activity;

/// A detector without hangover: which pauses are worth a cut is the cutter's business.
#[derive(Clone, Debug)]
pub struct Level {
    detector: SilenceDetector,
    next_ms: u32,
}

impl Level {
    /// A watch that has heard nothing.
    pub fn new() -> Self {
        Self { detector: SilenceDetector::new(FRAME_MS), next_ms: 0 }
    }
}

impl Default for Level {
    fn default() -> Self {
        Self::new()
    }
}

impl Activity for Level {
    fn is_active(&mut self, frame: &[i16]) -> bool {
        let mut whole = [0; FRAME_SAMPLES];
        whole.iter_mut().zip(frame).for_each(|(to, from)| *to = *from);
        self.detector.push(self.next_ms, &whole);
        self.next_ms = self.next_ms.wrapping_add(FRAME_MS);
        self.detector.is_sound()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_is_active_from_its_second_frame_and_not_after_its_end() {
        let mut level = Level::new();
        let tone: Vec<i16> = (0..160).map(|n| if n % 16 < 8 { 4000 } else { -4000 }).collect();
        let heard: Vec<bool> = [&[0; 160], &tone[..], &tone, &tone, &[0; 160], &[0; 160]]
            .iter()
            .map(|frame| level.is_active(frame))
            .collect();
        assert_eq!(heard, [false, false, true, true, false, false]);
    }
}

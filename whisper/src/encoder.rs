//! The encoder: a spectrogram to a sequence of positions, one each 20 ms.

use super::linear::{Factor, Rows, Scratch, multiply};
use super::math;
use super::weights::{Dimensions, Encoder, SelfAttention};

/// Queries whose attention is computed together; bounds the memory for it.
const QUERY_BLOCK: usize = 96;

impl Encoder {
    /// Encodes a spectrogram of an even number of frames, at most two for each position that the
    /// model has; gives half as many rows of the model's width.
    ///
    /// Whisper was trained on windows of 30 s, but its positions are counted from the start of
    /// the window: fewer of them serve for a short piece.
    pub fn encode(&self, mels: &[f32], size: &Dimensions, scratch: &mut Scratch) -> Vec<f32> {
        let frames = (mels.len() / size.mels.max(1)).min(2 * size.audio_positions) / 2 * 2;
        let padded = pad(mels.iter().copied().take(frames * size.mels), size.mels);
        let input = Rows { data: &padded, rows: frames, depth: 3 * size.mels, stride: size.mels };
        let mut hidden = self.first.apply(input, scratch);
        math::gelu(&mut hidden);

        let padded = pad(hidden.into_iter(), size.width);
        let rows = frames / 2;
        let (depth, stride) = (3 * size.width, 2 * size.width);
        let input = Rows { data: &padded, rows, depth, stride };
        let mut state = self.second.apply(input, scratch);
        drop(padded);
        math::gelu(&mut state);
        math::add(&mut state, &self.positions);

        let mut attention = Attention::default();
        for layer in &self.layers {
            attention.apply(&layer.attention, &mut state, size.encoder_heads, scratch);
            layer.feed_forward.apply(&mut state, scratch);
        }
        self.norm.apply(&state)
    }
}

/// Puts a row of zeros before and after, so that a convolution of three steps keeps the length.
fn pad(rows: impl ExactSizeIterator<Item = f32>, width: usize) -> Vec<f32> {
    let mut padded = Vec::with_capacity(rows.len() + 2 * width);
    padded.resize(width, 0.0);
    padded.extend(rows);
    padded.resize(padded.len() + width, 0.0);
    padded
}

/// Working memory of self-attention over a whole piece.
#[derive(Default)]
struct Attention {
    keys: Factor,
    values: Factor,
    scores: Vec<f32>,
    mixed: Vec<f32>,
}

impl Attention {
    /// Adds the layer's result to `state`.
    fn apply(
        &mut self,
        layer: &SelfAttention,
        state: &mut [f32],
        heads: usize,
        scratch: &mut Scratch,
    ) {
        let width = layer.norm.gamma.len();
        let (rows, depth, stride) = (state.len() / width, width / heads, 3 * width);
        let normed = layer.norm.apply(state);
        let projected = layer.projections.apply(Rows::dense(&normed, width), scratch);
        let mut attended = normed;
        for head in 0..heads {
            let part = |which: usize, first: usize, rows: usize| {
                let offset = first * stride + which * width + head * depth;
                Rows { data: &projected[offset..], rows, depth, stride }
            };
            self.keys.set_transposed(part(1, 0, rows));
            self.values.set_plain(part(2, 0, rows));
            for first in (0..rows).step_by(QUERY_BLOCK) {
                let block = QUERY_BLOCK.min(rows - first);
                self.scores.resize(block * rows, 0.0);
                multiply(part(0, first, block), &self.keys, &mut self.scores, scratch);
                math::softmax(&mut self.scores, rows, 1.0 / (depth as f32).sqrt());
                self.mixed.resize(block * depth, 0.0);
                let scores = Rows::dense(&self.scores, rows);
                multiply(scores, &self.values, &mut self.mixed, scratch);
                let out = attended.chunks_mut(width).skip(first);
                for (to, from) in out.zip(self.mixed.chunks(depth)) {
                    to[head * depth..][..depth].copy_from_slice(from);
                }
            }
        }
        let change = layer.out.apply(Rows::dense(&attended, width), scratch);
        math::add(state, &change);
    }
}

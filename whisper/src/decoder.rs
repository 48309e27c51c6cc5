//! The decoder: token after token, each from the audio and all tokens before it.

use super::linear::{Factor, Rows, Scratch, multiply};
use super::math;
use super::vocabulary::Token;
use super::weights::{CrossAttention, Decoder, Dimensions, SelfAttention};

/// A head of the decoder's cross-attention, by layer and number.
pub type Head = (usize, usize);

/// One text in the making: what the decoder remembers between tokens.
pub struct Decoding<'a> {
    decoder: &'a Decoder,
    size: &'a Dimensions,
    audio: &'a Audio,
    layers: Vec<Memory>,
    position: usize,
    weights: Vec<f32>,
}

/// The keys and values of one piece of audio, per layer and head, shared by all attempts to
/// decode it.
pub struct Audio {
    /// Positions of the encoder.
    pub positions: usize,
    layers: Vec<Vec<AudioHead>>,
}

struct AudioHead {
    keys: Factor,
    values: Factor,
}

/// Keys and values of the tokens so far, a row each.
#[derive(Default)]
struct Memory {
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl Audio {
    /// Projects the encoder's rows once for all layers.
    pub fn new(
        decoder: &Decoder,
        size: &Dimensions,
        encoded: &[f32],
        scratch: &mut Scratch,
    ) -> Self {
        let (width, depth) = (size.width, size.width / size.decoder_heads);
        let positions = encoded.len() / width;
        let layers = decoder.layers.iter().map(|layer| {
            let both = layer.cross.memory.apply(Rows::dense(encoded, width), scratch);
            let heads = (0..size.decoder_heads).map(|head| {
                let part = |offset: usize| Rows {
                    data: &both[offset + head * depth..],
                    rows: positions,
                    depth,
                    stride: 2 * width,
                };
                let mut head = AudioHead { keys: Factor::default(), values: Factor::default() };
                head.keys.set_transposed(part(0));
                head.values.set_plain(part(width));
                head
            });
            heads.collect()
        });
        Self { positions, layers: layers.collect() }
    }
}

impl<'a> Decoding<'a> {
    /// Begins a text.
    pub fn new(decoder: &'a Decoder, size: &'a Dimensions, audio: &'a Audio) -> Self {
        let layers = decoder.layers.iter().map(|_| Memory::default()).collect();
        Self { decoder, size, audio, layers, position: 0, weights: Vec::new() }
    }

    /// How many more tokens fit.
    pub fn room(&self) -> usize {
        self.size.text_positions.saturating_sub(self.position)
    }

    /// Takes the next tokens and gives the scores (logits) of all tokens that may follow the
    /// last. Tokens beyond the model's positions or vocabulary are left out; if none remains, there
    /// are no scores.
    ///
    /// For each of `heads`, the attention that the last token pays to the audio is appended to
    /// `attention`, a row of as many values as the audio has positions.
    pub fn advance(
        &mut self,
        tokens: &[Token],
        heads: &[Head],
        attention: &mut Vec<f32>,
        scratch: &mut Scratch,
    ) -> Vec<f32> {
        let width = self.size.width;
        let mut state = self.embed(tokens);
        if state.is_empty() {
            return Vec::new();
        }
        for (index, layer) in self.decoder.layers.iter().enumerate() {
            self.attend_to_text(index, &layer.attention, &mut state, scratch);
            let observe = Observer { layer: index, heads, attention };
            self.attend_to_audio(observe, &layer.cross, &mut state, scratch);
            layer.feed_forward.apply(&mut state, scratch);
        }
        let last = state.len().saturating_sub(width);
        let normed = self.decoder.norm.apply(&state[last..]);
        let rows = Rows::dense(&normed, width);
        let mut scores = vec![0.0; rows.rows * self.size.tokens];
        multiply(rows, &self.decoder.embeddings, &mut scores, scratch);
        scores
    }

    fn embed(&mut self, tokens: &[Token]) -> Vec<f32> {
        let width = self.size.width;
        let mut state = Vec::with_capacity(tokens.len() * width);
        for &token in tokens.iter().take(self.room()) {
            let place = self.decoder.positions.chunks(width).nth(self.position);
            let column = self.decoder.embeddings.column(token as usize);
            if let (Some(place), Some(column)) = (place, column) {
                state.extend(column.zip(place).map(|(value, place)| value + place));
                self.position += 1;
            }
        }
        state
    }

    fn attend_to_text(
        &mut self,
        layer: usize,
        weights: &SelfAttention,
        state: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let (width, depth) = (self.size.width, self.size.width / self.size.decoder_heads);
        let Some(memory) = self.layers.get_mut(layer) else { return };
        let normed = weights.norm.apply(state);
        let projected = weights.projections.apply(Rows::dense(&normed, width), scratch);
        let mut attended = normed;
        for (row, out) in projected.chunks(3 * width).zip(attended.chunks_mut(width)) {
            let (query, rest) = row.split_at(width);
            let (key, value) = rest.split_at(width);
            memory.keys.extend_from_slice(key);
            memory.values.extend_from_slice(value);
            for (head, out) in out.chunks_mut(depth).enumerate() {
                let first = head * depth;
                let query = &query[first..first + depth];
                let (keys, values) = (&memory.keys, &memory.values);
                math::attend(query, keys, values, width, first, &mut self.weights, out);
            }
        }
        let change = weights.out.apply(Rows::dense(&attended, width), scratch);
        math::add(state, &change);
    }

    fn attend_to_audio(
        &mut self,
        mut observer: Observer<'_>,
        weights: &CrossAttention,
        state: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let (width, depth) = (self.size.width, self.size.width / self.size.decoder_heads);
        let Some(audio) = self.audio.layers.get(observer.layer) else { return };
        let positions = self.audio.positions;
        let normed = weights.norm.apply(state);
        let queries = weights.queries.apply(Rows::dense(&normed, width), scratch);
        let rows = queries.len() / width;
        let mut attended = normed;
        let mut mixed = vec![0.0; rows * depth];
        for (head, memory) in audio.iter().enumerate() {
            let queries = Rows { data: &queries[head * depth..], rows, depth, stride: width };
            self.weights.resize(rows * positions, 0.0);
            multiply(queries, &memory.keys, &mut self.weights, scratch);
            math::softmax(&mut self.weights, positions, 1.0 / (depth as f32).sqrt());
            observer.see(head, &self.weights, positions);
            multiply(Rows::dense(&self.weights, positions), &memory.values, &mut mixed, scratch);
            for (to, from) in attended.chunks_mut(width).zip(mixed.chunks(depth)) {
                to[head * depth..][..depth].copy_from_slice(from);
            }
        }
        let change = weights.out.apply(Rows::dense(&attended, width), scratch);
        math::add(state, &change);
    }
}

/// Keeps the attention of the heads that are asked for.
struct Observer<'a> {
    layer: usize,
    heads: &'a [Head],
    attention: &'a mut Vec<f32>,
}

impl Observer<'_> {
    fn see(&mut self, head: usize, weights: &[f32], positions: usize) {
        if self.heads.contains(&(self.layer, head)) {
            let last = weights.len().saturating_sub(positions);
            self.attention.extend_from_slice(&weights[last..]);
        }
    }
}

//! Where each token was said: dynamic time warping over the attention that the decoder paid.
//!
//! Some heads of the decoder's cross-attention look at the sound that the next token stands for.
//! Their rows, one per token, are cleaned and averaged; the cheapest monotonic path through them
//! gives each token its stretch of audio (method of OpenAI's reference implementation).

/// Positions over which attention is smoothed by the median; odd.
const MEDIAN_WIDTH: usize = 7;

/// Attention of the alignment heads, token by token.
pub struct Attention<'a> {
    /// For each token, for each head, `positions` values.
    pub values: &'a [f32],
    /// Heads per token.
    pub heads: usize,
    /// Values per head.
    pub positions: usize,
    /// How many of the positions hold audio; the rest is silence added at the end.
    pub heard: usize,
}

/// For each token the positions where it begins and ends (exclusive), never going back.
pub fn align(attention: &Attention<'_>) -> Vec<(usize, usize)> {
    let Attention { values, heads, positions, heard } = *attention;
    let heard = heard.min(positions);
    let row = heads * positions;
    if row == 0 || heard == 0 {
        return Vec::new();
    }
    let tokens = values.len() / row;
    let mut mean = vec![0.0f32; tokens * heard];
    let mut one = vec![0.0f32; tokens * heard];
    for head in 0..heads {
        for (to, from) in one.chunks_mut(heard).zip(values.chunks(row)) {
            let from = &from[head * positions..][..heard];
            let share = 1.0 / from.iter().sum::<f32>().max(f32::MIN_POSITIVE);
            to.iter_mut().zip(from).for_each(|(to, from)| *to = from * share);
        }
        standardise_columns(&mut one, heard);
        for (row, mean) in one.chunks(heard).zip(mean.chunks_mut(heard)) {
            smooth(row).zip(mean).for_each(|(value, mean)| *mean += value / heads as f32);
        }
    }
    warp(&mean, heard)
}

/// Gives each column (a position over all tokens) mean 0 and deviation 1, so that positions that
/// every token looks at do not count.
fn standardise_columns(rows: &mut [f32], columns: usize) {
    let count = (rows.len() / columns).max(1) as f32;
    for column in 0..columns {
        let values = || rows.iter().skip(column).step_by(columns);
        let mean = values().sum::<f32>() / count;
        let variance = values().map(|v| (v - mean) * (v - mean)).sum::<f32>() / count;
        let share = if variance > 0.0 { 1.0 / variance.sqrt() } else { 0.0 };
        for value in rows.iter_mut().skip(column).step_by(columns) {
            *value = (*value - mean) * share;
        }
    }
}

/// The median around each value; the row is mirrored at its ends.
fn smooth(row: &[f32]) -> impl Iterator<Item = f32> + '_ {
    let half = MEDIAN_WIDTH / 2;
    (0..row.len()).map(move |at| {
        let mut around = [0.0; MEDIAN_WIDTH];
        for (offset, to) in around.iter_mut().enumerate() {
            let index = (at + offset).abs_diff(half);
            let last = row.len() - 1;
            let index = if index > last { (2 * last).saturating_sub(index) } else { index };
            *to = row[index.min(last)];
        }
        around.sort_unstable_by(f32::total_cmp);
        around[half]
    })
}

/// The path from the first token and position to the last that collects the most attention.
fn warp(gain: &[f32], positions: usize) -> Vec<(usize, usize)> {
    #[derive(Clone, Copy)]
    enum Step {
        Both,
        Token,
        Position,
    }
    let tokens = gain.len() / positions;
    let width = positions + 1;
    let mut cost = vec![f32::INFINITY; width];
    cost[0] = 0.0;
    let mut steps = Vec::with_capacity(gain.len());
    for row in gain.chunks(positions) {
        let mut below = vec![f32::INFINITY; width];
        for (position, value) in row.iter().enumerate() {
            let (both, token, place) = (cost[position], cost[position + 1], below[position]);
            let (best, step) = if both < token && both < place {
                (both, Step::Both)
            } else if token < both && token < place {
                (token, Step::Token)
            } else {
                (place, Step::Position)
            };
            below[position + 1] = best - value;
            steps.push(step);
        }
        cost = below;
    }
    let mut spans = vec![(0, positions); tokens];
    let (mut token, mut position) = (tokens, positions);
    while token > 0 && position > 0 {
        spans[token - 1].0 = position - 1;
        match steps[(token - 1) * positions + position - 1] {
            Step::Both => {
                token -= 1;
                position -= 1;
            }
            Step::Token => token -= 1,
            Step::Position => position -= 1,
        }
    }
    // A token ends where the next begins.
    let starts: Vec<usize> = spans.iter().map(|span| span.0).collect();
    for (span, next) in spans.iter_mut().zip(starts.into_iter().skip(1)) {
        span.1 = next.max(span.0);
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One head that looks at `places[token]`, the middle of a stretch of six positions.
    fn looking_at(places: &[usize], positions: usize) -> Vec<f32> {
        let mut values = vec![0.001; places.len() * positions];
        for (row, &place) in values.chunks_mut(positions).zip(places) {
            for (at, value) in row.iter_mut().enumerate() {
                if at.abs_diff(place) <= 3 {
                    *value = 1.0;
                }
            }
        }
        values
    }

    #[test]
    fn each_token_begins_where_its_head_looks() {
        let values = looking_at(&[5, 15, 30, 45], 60);
        let attention = Attention { values: &values, heads: 1, positions: 60, heard: 60 };
        let spans = align(&attention);
        assert_eq!(spans.len(), 4);
        for (span, place) in spans.iter().zip([5, 15, 30, 45]) {
            assert!(span.0 <= place && place <= span.1, "{spans:?}");
        }
        assert!(spans[2].0.abs_diff(27) <= 2, "{spans:?}");
    }

    #[test]
    fn silence_added_at_the_end_is_not_a_place() {
        let values = looking_at(&[5, 15], 60);
        let attention = Attention { values: &values, heads: 1, positions: 60, heard: 20 };
        assert!(align(&attention).iter().all(|span| span.1 <= 20));
    }

    #[test]
    fn the_median_takes_a_single_spike_away() {
        let mut row = [0.0; 12];
        row[6] = 9.0;
        assert!(smooth(&row).all(|v| v == 0.0));
        assert_eq!(smooth(&[2.0]).collect::<Vec<_>>(), [2.0]);
    }

    proptest! {
        #[test]
        fn spans_never_go_back_whatever_the_attention(
            tokens in 1usize..12, heads in 1usize..3, positions in 1usize..40, heard in 1usize..50,
            seed: u64,
        ) {
            let mut state = seed | 1;
            let values: Vec<f32> = (0..tokens * heads * positions).map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state % 1000) as f32 / 1000.0
            }).collect();
            let spans = align(&Attention { values: &values, heads, positions, heard });
            prop_assert_eq!(spans.len(), tokens);
            prop_assert!(spans.windows(2).all(|pair| pair[0].0 <= pair[1].0));
            prop_assert!(spans.iter().all(|s| s.0 <= s.1 && s.1 <= heard.min(positions)));
        }
    }
}

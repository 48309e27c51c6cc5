//! The functions between the matrix products, each vectorised for the machine it runs on.

use pulp::Arch;

/// Added to the variance before its root is taken, as Whisper was trained (PyTorch's default).
const NORM_EPSILON: f32 = 1e-5;

/// Lanes in which sums are collected, so that they need not be added one after the other.
const LANES: usize = 32;

/// e to the power of `x`, with a relative error below 3e-7; 0 for very negative `x`.
///
/// The argument is split into a power of two and a rest below ½·ln 2, for which six terms of
/// the power series suffice.
#[inline(always)]
fn exp(x: f32) -> f32 {
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    // Adding and taking away 1.5 · 2^23 rounds to an integer without a call.
    const ROUNDER: f32 = 12_582_912.0;
    let shifted = x * std::f32::consts::LOG2_E + ROUNDER;
    let power = shifted - ROUNDER;
    let rest = x - power * LN_2_HIGH - power * LN_2_LOW;
    let series = 1.0
        + rest
            * (1.0
                + rest
                    * (0.5
                        + rest
                            * (1.666_666_7e-1
                                + rest
                                    * (4.166_666_6e-2
                                        + rest * (8.333_333e-3 + rest * 1.388_888_9e-3)))));
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    series * scale
}

/// The error function, with an absolute error below 2e-7: Abramowitz and Stegun, "Handbook of
/// Mathematical Functions", formula 7.1.26.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let positive = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * positive);
    let series = t
        * (0.254_829_6
            + t * (-0.284_496_74 + t * (1.421_413_7 + t * (-1.453_152 + t * 1.061_405_4))));
    (1.0 - series * exp(-positive * positive)).copysign(x)
}

/// Gaussian error linear unit of each value, in place, by the exact formula.
pub fn gelu(values: &mut [f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for x in values {
                *x *= 0.5 * (1.0 + erf(*x * std::f32::consts::FRAC_1_SQRT_2));
            }
        },
    );
}

/// Makes each row a distribution: exponentials that sum to 1. `scale` multiplies what goes in.
pub fn softmax(rows: &mut [f32], columns: usize, scale: f32) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for row in rows.chunks_mut(columns.max(1)) {
                let top = maximum(row) * scale;
                for x in row.iter_mut() {
                    *x = exp(*x * scale - top);
                }
                let share = 1.0 / sum(row);
                for x in row.iter_mut() {
                    *x *= share;
                }
            }
        },
    );
}

/// Natural logarithm of the sum of the exponentials of `values`.
pub fn log_sum_exp(values: &[f32]) -> f32 {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let top = maximum(values);
            let mut lanes = [0.0f32; LANES];
            let (chunks, rest) = values.as_chunks::<LANES>();
            for chunk in chunks {
                for (lane, x) in lanes.iter_mut().zip(chunk) {
                    *lane += exp(x - top);
                }
            }
            let total = sum(&lanes) + rest.iter().map(|x| exp(x - top)).sum::<f32>();
            top + total.ln()
        },
    )
}

/// Layer normalisation of each row of `from` into `to`: mean 0, variance 1, then `gamma` and
/// `beta` per column.
pub fn layer_norm(from: &[f32], gamma: &[f32], beta: &[f32], to: &mut [f32]) {
    let columns = gamma.len().max(1);
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (from, to) in from.chunks(columns).zip(to.chunks_mut(columns)) {
                let mean = sum(from) / columns as f32;
                for (to, from) in to.iter_mut().zip(from) {
                    *to = from - mean;
                }
                let share = 1.0 / (dot(to, to) / columns as f32 + NORM_EPSILON).sqrt();
                for ((to, gamma), beta) in to.iter_mut().zip(gamma).zip(beta) {
                    *to = *to * share * gamma + beta;
                }
            }
        },
    );
}

/// Adds `bias` to each row.
pub fn add_bias(rows: &mut [f32], bias: &[f32]) {
    for row in rows.chunks_mut(bias.len().max(1)) {
        add(row, bias);
    }
}

/// Adds `more` to `to`, value by value.
pub fn add(to: &mut [f32], more: &[f32]) {
    to.iter_mut().zip(more).for_each(|(to, more)| *to += more);
}

/// Attention of one query over `keys` and `values` (rows of `columns` values, of which the head
/// owns those from `first` on): writes the weighted mean of the values to `out`.
pub fn attend(
    query: &[f32],
    keys: &[f32],
    values: &[f32],
    columns: usize,
    first: usize,
    weights: &mut Vec<f32>,
    out: &mut [f32],
) {
    let width = query.len();
    let scale = 1.0 / (width as f32).sqrt();
    Arch::new().dispatch(
        #[inline(always)]
        || {
            weights.clear();
            weights.extend(keys.chunks(columns).map(|key| dot(query, &key[first..first + width])));
        },
    );
    let count = weights.len();
    softmax(weights, count, scale);
    Arch::new().dispatch(
        #[inline(always)]
        || {
            out.fill(0.0);
            for (weight, value) in weights.iter().zip(values.chunks(columns)) {
                for (out, value) in out.iter_mut().zip(&value[first..first + width]) {
                    *out += weight * value;
                }
            }
        },
    );
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

#[inline(always)]
fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += x;
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().sum::<f32>()
}

#[inline(always)]
fn maximum(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = if x > *lane { x } else { *lane };
        }
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |top, &x| if x > top { x } else { top })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_agrees_with_the_standard_library() {
        for i in -8600..8700 {
            let x = i as f32 / 100.0;
            let expected = (f64::from(x)).exp();
            let error = (f64::from(exp(x)) - expected).abs() / expected;
            assert!(error < 1e-6, "{x}: {error}");
        }
        assert!(exp(f32::NEG_INFINITY) < 1e-37);
    }

    #[test]
    fn gelu_agrees_with_published_values() {
        // x·Φ(x) with Φ from tables of the normal distribution.
        let mut values = [-3.0, -1.0, 0.0, 0.5, 1.0, 2.0, 6.0];
        gelu(&mut values);
        let expected =
            [-0.004_049_69, -0.158_655_25, 0.0, 0.345_731_23, 0.841_344_7, 1.954_499_7, 6.0];
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-5, "{value} {expected}");
        }
    }

    #[test]
    fn softmax_rows_sum_to_one_and_keep_their_order() {
        let mut rows: Vec<f32> = (0..70).map(|i| (i % 35) as f32 - 17.0).collect();
        softmax(&mut rows, 35, 0.5);
        for row in rows.chunks(35) {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            assert!(row.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    #[test]
    fn a_normalised_row_has_mean_zero_and_variance_one() {
        let from: Vec<f32> = (0..48).map(|i| (i * i % 31) as f32).collect();
        let mut to = vec![0.0; 48];
        layer_norm(&from, &[1.0; 48], &[0.0; 48], &mut to);
        let mean = to.iter().sum::<f32>() / 48.0;
        let variance = to.iter().map(|x| x * x).sum::<f32>() / 48.0;
        assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-3);
    }

    #[test]
    fn log_sum_exp_of_equal_values_counts_them() {
        assert!((log_sum_exp(&[3.0; 100]) - (3.0 + 100f32.ln())).abs() < 1e-5);
    }

    #[test]
    fn attention_to_a_single_key_gives_its_value() {
        let (mut weights, mut out) = (Vec::new(), [0.0; 2]);
        let value = [9.0, 9.0, 4.0, 5.0];
        attend(&[1.0, 2.0], &[0.0; 4], &value, 4, 2, &mut weights, &mut out);
        assert_eq!(out, [4.0, 5.0]);
    }
}

//! Matrix products, single-threaded, in safe Rust on whatever vector unit the machine has.
//!
//! The right-hand factor of each product is kept in panels of [`PANEL`] columns, so that the
//! innermost loop reads it from front to back. Weights are packed once when the model is loaded
//! and stay in half precision (half the memory, and half the traffic of a decoder that reads all
//! of them for each token); they are widened a block at a time into the first-level cache.
//!
//! The scheme (pack both factors, keep a small tile of the result in registers) is that of Goto
//! and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34(3), 2008.

use half::f16;
use pulp::{Arch, Simd, WithSimd};

/// Columns of the right-hand factor that lie together.
pub const PANEL: usize = 32;

/// Steps of the inner dimension per block: a widened block of a panel is 32 KiB.
const DEPTH_BLOCK: usize = 256;

/// Rows of the left-hand factor per block; a multiple of every tile height.
const ROW_BLOCK: usize = 96;

/// The left-hand factor: `rows` rows of `depth` values, each row `stride` values after the last.
///
/// Rows may overlap (`stride < depth`), which makes a convolution over time a product.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// The values; long enough for the last row.
    pub data: &'a [f32],
    /// Number of rows.
    pub rows: usize,
    /// Values in a row.
    pub depth: usize,
    /// Values from the start of a row to the start of the next.
    pub stride: usize,
}

impl<'a> Rows<'a> {
    /// Rows that follow each other without gap; `data.len()` is a multiple of `depth`.
    pub fn dense(data: &'a [f32], depth: usize) -> Self {
        Self { data, rows: data.len() / depth.max(1), depth, stride: depth }
    }

    fn row(&self, index: usize) -> &'a [f32] {
        &self.data[index * self.stride..][..self.depth]
    }
}

/// A right-hand factor in panels, `depth` × `columns`.
#[derive(Clone, Debug, Default)]
pub struct Panels<T> {
    depth: usize,
    columns: usize,
    /// Panel after panel; in each, [`PANEL`] values per step of depth; absent columns are zero.
    values: Vec<T>,
}

/// Weights of the model, in half precision.
pub type Weights = Panels<u16>;

/// A factor that is computed on the way, such as the keys of an attention head.
pub type Factor = Panels<f32>;

impl Weights {
    /// Packs a matrix as models store it: `columns` rows (one per output) of `depth` values, as
    /// bits of IEEE 754 half precision.
    pub fn pack(bits: &[u16], columns: usize, depth: usize) -> Self {
        let mut packed = Self { depth, columns, values: vec![0; panels(columns) * depth * PANEL] };
        packed.fill_transposed(|column, step| bits[column * depth + step]);
        packed
    }

    /// One output's weights, the transpose of a column; how a token's embedding is looked up.
    /// `None` if there is no such column.
    pub fn column(&self, column: usize) -> Option<impl Iterator<Item = f32> + '_> {
        let panel = (column < self.columns).then_some(column / PANEL)?;
        let values = self.values.get(panel * self.depth * PANEL..)?;
        Some(values.iter().skip(column % PANEL).step_by(PANEL).take(self.depth).map(|&b| widen(b)))
    }
}

impl Factor {
    /// Replaces the content by the transpose of `source`: its rows become columns.
    pub fn set_transposed(&mut self, source: Rows<'_>) {
        self.reshape(source.depth, source.rows);
        for (panel, first) in (0..source.rows).step_by(PANEL).enumerate() {
            let wanted = PANEL.min(source.rows - first);
            let base = panel * self.depth * PANEL;
            for lane in 0..wanted {
                let lanes = self.values[base + lane..].iter_mut().step_by(PANEL);
                lanes.zip(source.row(first + lane)).for_each(|(to, from)| *to = *from);
            }
        }
    }

    /// Replaces the content by `source` as it is: its rows are the steps of depth.
    pub fn set_plain(&mut self, source: Rows<'_>) {
        self.reshape(source.rows, source.depth);
        for step in 0..source.rows {
            for (panel, piece) in source.row(step).chunks(PANEL).enumerate() {
                let base = (panel * self.depth + step) * PANEL;
                self.values[base..base + piece.len()].copy_from_slice(piece);
            }
        }
    }

    fn reshape(&mut self, depth: usize, columns: usize) {
        self.depth = depth;
        self.columns = columns;
        self.values.clear();
        self.values.resize(panels(columns) * depth * PANEL, 0.0);
    }
}

impl<T: Copy> Panels<T> {
    /// Columns of the product.
    pub fn columns(&self) -> usize {
        self.columns
    }

    fn fill_transposed(&mut self, value: impl Fn(usize, usize) -> T) {
        for column in 0..self.columns {
            let base = column / PANEL * self.depth * PANEL + column % PANEL;
            for step in 0..self.depth {
                self.values[base + step * PANEL] = value(column, step);
            }
        }
    }

    fn block(&self, panel: usize, from: usize, steps: usize) -> &[T] {
        &self.values[(panel * self.depth + from) * PANEL..][..steps * PANEL]
    }
}

/// Working memory of `multiply`; keep one per thread.
#[derive(Default)]
pub struct Scratch {
    left: Vec<f32>,
    right: Vec<f32>,
}

/// A value that a [`Panels`] can hold.
pub trait Element: Copy {
    /// The block in single precision, in `room` if it must be converted.
    fn single<'a>(block: &'a [Self], room: &'a mut Vec<f32>) -> &'a [f32];
}

impl Element for f32 {
    #[inline(always)]
    fn single<'a>(block: &'a [f32], _: &'a mut Vec<f32>) -> &'a [f32] {
        block
    }
}

impl Element for u16 {
    #[inline(always)]
    fn single<'a>(block: &'a [u16], room: &'a mut Vec<f32>) -> &'a [f32] {
        room.resize(DEPTH_BLOCK * PANEL, 0.0);
        let room = &mut room[..block.len()];
        widen_all(block, room);
        room
    }
}

/// Writes `left · right` to `out`, row after row of `right.columns()` values each.
///
/// # Panics
///
/// If the inner dimensions differ or `out` is not exactly as large as the product. Shapes are
/// checked when a model is loaded, so that this is a mistake of the caller.
pub fn multiply<T: Element>(
    left: Rows<'_>,
    right: &Panels<T>,
    out: &mut [f32],
    scratch: &mut Scratch,
) {
    assert_eq!(left.depth, right.depth, "inner dimensions of a matrix product differ");
    assert_eq!(out.len(), left.rows * right.columns, "a matrix product has another size");
    if out.is_empty() {
        return;
    }
    Arch::new().dispatch(Product { left, right, out, scratch });
}

/// Half precision, as bits, to single. Infinities and NaN do not occur: the model's reader
/// refuses them. Written without a branch so that the compiler vectorises it.
#[inline(always)]
pub fn widen(bits: u16) -> f32 {
    const REBIAS: u32 = (127 - 15) << 23;
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7fff) << 13;
    let normal = magnitude + REBIAS;
    // A subnormal has no hidden one: give it one, and take its worth away again.
    let one = REBIAS + (1 << 23);
    let subnormal = (f32::from_bits(magnitude + one) - f32::from_bits(one)).to_bits();
    let is_normal = magnitude >= 1 << 23;
    f32::from_bits(sign | if is_normal { normal } else { subnormal })
}

/// Widens a block with the machine's own instruction, where it has AVX-512.
///
/// Called from within a vectorised function, so that the instruction is inlined. On machines
/// without it the formula of [`widen`] is vectorised by the compiler.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn widen_all(from: &[u16], to: &mut [f32]) {
    let Some(simd) = pulp::x86::V4::try_new() else { return widen_each(from, to) };
    let ((from, from_rest), (to, to_rest)) = (from.as_chunks::<16>(), to.as_chunks_mut::<16>());
    for (from, to) in from.iter().zip(to) {
        *to = pulp::cast(simd.avx512f._mm512_cvtph_ps(pulp::cast(*from)));
    }
    widen_each(from_rest, to_rest);
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn widen_all(from: &[u16], to: &mut [f32]) {
    widen_each(from, to);
}

#[inline(always)]
fn widen_each(from: &[u16], to: &mut [f32]) {
    to.iter_mut().zip(from).for_each(|(to, &from)| *to = widen(from));
}

/// Single precision to the bits of the nearest half.
pub fn narrow(value: f32) -> u16 {
    f16::from_f32(value).to_bits()
}

fn panels(columns: usize) -> usize {
    columns.div_ceil(PANEL)
}

struct Product<'a, T> {
    left: Rows<'a>,
    right: &'a Panels<T>,
    out: &'a mut [f32],
    scratch: &'a mut Scratch,
}

impl<T: Element> WithSimd for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Tile heights: as many rows of PANEL sums as the vector registers hold beside the
        // operands (32 registers of 16 lanes, 16 of 8, or 32 of 4).
        match S::F32_LANES {
            16 => self.run::<S, 12, 2>(simd),
            8 => self.run::<S, 3, 4>(simd),
            4 => self.run::<S, 3, 8>(simd),
            _ => self.run::<S, 1, PANEL>(simd),
        }
    }
}

impl<T: Element> Product<'_, T> {
    #[inline(always)]
    fn run<S: Simd, const HEIGHT: usize, const WIDTH: usize>(self, simd: S) {
        let Self { left, right, out, scratch } = self;
        let columns = right.columns;
        for first_row in (0..left.rows).step_by(ROW_BLOCK) {
            let rows = ROW_BLOCK.min(left.rows - first_row);
            let out = &mut out[first_row * columns..][..rows * columns];
            for from in (0..left.depth).step_by(DEPTH_BLOCK) {
                let steps = DEPTH_BLOCK.min(left.depth - from);
                // A single row (the decoder's steps) is read once; packing it would only copy.
                let height = if rows < HEIGHT { 1 } else { HEIGHT };
                pack_left(left, first_row, rows, from, steps, height, &mut scratch.left);
                for panel in 0..panels(columns) {
                    let block = T::single(right.block(panel, from, steps), &mut scratch.right);
                    let span = Span { first: panel * PANEL, columns, add: from > 0 };
                    let tiled = rows / height * height;
                    let (tiles, rest) = scratch.left.split_at(tiled * steps);
                    let (out_tiles, out_rest) = out.split_at_mut(tiled * columns);
                    if height == 1 {
                        for (a, out) in tiles.chunks(steps).zip(out_tiles.chunks_mut(columns)) {
                            tile::<S, 1, WIDTH>(simd, a, block, out, span);
                        }
                    } else {
                        let out_tiles = out_tiles.chunks_mut(HEIGHT * columns);
                        for (a, out) in tiles.chunks(HEIGHT * steps).zip(out_tiles) {
                            tile::<S, HEIGHT, WIDTH>(simd, a, block, out, span);
                        }
                        for (a, out) in rest.chunks(steps).zip(out_rest.chunks_mut(columns)) {
                            tile::<S, 1, WIDTH>(simd, a, block, out, span);
                        }
                    }
                }
            }
        }
    }
}

/// Where a tile's sums go: columns from `first` on, in rows of `columns`.
#[derive(Clone, Copy)]
struct Span {
    first: usize,
    columns: usize,
    /// Later blocks of depth add to what the earlier ones wrote.
    add: bool,
}

/// Puts a block of the left factor in the order in which the tiles read it: `height` rows
/// interleaved, then the rows that are left over one by one.
#[inline(always)]
fn pack_left(
    left: Rows<'_>,
    first_row: usize,
    rows: usize,
    from: usize,
    steps: usize,
    height: usize,
    packed: &mut Vec<f32>,
) {
    packed.resize(rows * steps, 0.0);
    let interleaved = rows / height * height;
    let (tiles, rest) = packed.split_at_mut(interleaved * steps);
    for (tile, packed) in tiles.chunks_mut(height * steps).enumerate() {
        for lane in 0..height {
            let row = &left.row(first_row + tile * height + lane)[from..from + steps];
            let lanes = packed[lane..].iter_mut().step_by(height);
            lanes.zip(row).for_each(|(to, from)| *to = *from);
        }
    }
    for (index, packed) in rest.chunks_mut(steps).enumerate() {
        let row = left.row(first_row + interleaved + index);
        packed.copy_from_slice(&row[from..from + steps]);
    }
}

/// `HEIGHT` × [`PANEL`] sums, held in registers over all steps of a block.
#[inline(always)]
fn tile<S: Simd, const HEIGHT: usize, const WIDTH: usize>(
    simd: S,
    left: &[f32],
    right: &[f32],
    out: &mut [f32],
    span: Span,
) {
    let mut sums = [[simd.splat_f32s(0.0); WIDTH]; HEIGHT];
    let (left, _) = left.as_chunks::<HEIGHT>();
    let (right, _) = right.as_chunks::<PANEL>();
    for (left, right) in left.iter().zip(right) {
        let (right, _) = S::as_simd_f32s(right);
        for (sums, &left) in sums.iter_mut().zip(left) {
            let left = simd.splat_f32s(left);
            for (sum, &right) in sums.iter_mut().zip(right) {
                *sum = simd.mul_add_f32s(left, right, *sum);
            }
        }
    }
    let wanted = PANEL.min(span.columns - span.first);
    for (sums, out) in sums.iter().zip(out.chunks_mut(span.columns)) {
        let out = &mut out[span.first..span.first + wanted];
        let mut values = [0.0; PANEL];
        let (vectors, _) = S::as_mut_simd_f32s(&mut values);
        vectors.copy_from_slice(sums);
        if span.add {
            out.iter_mut().zip(values).for_each(|(to, value)| *to += value);
        } else {
            out.copy_from_slice(&values[..wanted]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(a: &[f32], b: &[f32], rows: usize, depth: usize, columns: usize) -> Vec<f32> {
        let mut out = vec![0.0; rows * columns];
        for r in 0..rows {
            for c in 0..columns {
                out[r * columns + c] =
                    (0..depth).map(|k| a[r * depth + k] * b[c * depth + k]).sum();
            }
        }
        out
    }

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        (0..count)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 16) as f32 / 32768.0 - 1.0
            })
            .collect()
    }

    #[test]
    fn every_half_widens_to_the_value_that_the_standard_gives() {
        for bits in 0..=u16::MAX {
            let expected = f16::from_bits(bits);
            if expected.is_finite() {
                assert_eq!(widen(bits).to_bits(), expected.to_f32().to_bits(), "{bits:#06x}");
            }
        }
    }

    #[test]
    fn a_block_is_widened_as_its_values_are() {
        let halves: Vec<u16> =
            (0..=u16::MAX).filter(|&bits| f16::from_bits(bits).is_finite()).collect();
        let mut singles = vec![0.0; halves.len()];
        widen_all(&halves, &mut singles);
        let bits = |value: f32| value.to_bits();
        let same = |(half, single): (&u16, &f32)| bits(widen(*half)) == bits(*single);
        assert!(halves.iter().zip(&singles).all(same));
    }

    #[test]
    fn overlapping_rows_make_a_convolution() {
        let data = [1.0, 2.0, 3.0, 4.0, 5.0];
        let kernel = Weights::pack(&[1.0, 0.5, 0.25].map(narrow), 1, 3);
        let mut out = [0.0; 3];
        let left = Rows { data: &data, rows: 3, depth: 3, stride: 1 };
        multiply(left, &kernel, &mut out, &mut Scratch::default());
        assert_eq!(out, [2.75, 4.5, 6.25]);
    }

    #[test]
    fn a_column_of_packed_weights_is_read_back() {
        let bits: Vec<u16> = (0..40 * 3).map(|v| narrow(v as f32)).collect();
        let weights = Weights::pack(&bits, 40, 3);
        assert_eq!(weights.column(33).unwrap().collect::<Vec<_>>(), [99.0, 100.0, 101.0]);
        assert!(weights.column(40).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn products_of_any_shape_agree_with_the_definition(
            rows in 1usize..130, depth in 1usize..300, columns in 1usize..80, seed: u32,
        ) {
            let a = numbers(rows * depth, seed);
            let bits: Vec<u16> =
                numbers(columns * depth, !seed).into_iter().map(narrow).collect();
            let b: Vec<f32> = bits.iter().map(|&v| widen(v)).collect();
            let expected = naive(&a, &b, rows, depth, columns);
            let mut scratch = Scratch::default();
            let left = Rows::dense(&a, depth);
            let close = |out: &[f32]| {
                out.iter().zip(&expected).all(|(x, y)| (x - y).abs() < 1e-3)
            };

            let mut out = vec![f32::NAN; rows * columns];
            multiply(left, &Weights::pack(&bits, columns, depth), &mut out, &mut scratch);
            prop_assert!(close(&out));

            let mut factor = Factor::default();
            factor.set_transposed(Rows::dense(&b, depth));
            multiply(left, &factor, &mut out, &mut scratch);
            prop_assert!(close(&out));

            let mut transposed = vec![0.0; depth * columns];
            for c in 0..columns {
                for k in 0..depth {
                    transposed[k * columns + c] = b[c * depth + k];
                }
            }
            factor.set_plain(Rows::dense(&transposed, columns));
            multiply(left, &factor, &mut out, &mut scratch);
            prop_assert!(close(&out));
        }
    }
}

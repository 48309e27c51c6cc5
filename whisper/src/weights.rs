//! Whisper's layers, filled from a checkpoint, with every shape checked.

use crate::ctranslate2::{Checkpoint, Elements, FormatError, Variable};

use super::linear::{Rows, Scratch, Weights, multiply, narrow, widen};
use super::math;

/// CTranslate2's number for the exact Gaussian error linear unit.
const ACTIVATION_GELU: i8 = 3;

/// Layers of an encoder or decoder; Whisper large has 32.
const MAX_LAYERS: usize = 64;

/// The largest of each size that is accepted, far above any Whisper: `mels`, `width`, positions.
const MOST_MELS: usize = 256;
const MOST_WIDTH: usize = 8192;
const MOST_POSITIONS: usize = 1 << 14;

/// The fewest positions of text that leave room for a hint and a phrase.
const FEWEST_TEXT_POSITIONS: usize = 32;

/// The sizes that make one Whisper differ from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dimensions {
    /// Filters of the spectrogram.
    pub mels: usize,
    /// Values per position.
    pub width: usize,
    /// Heads of the encoder's attention.
    pub encoder_heads: usize,
    /// Heads of the decoder's attention.
    pub decoder_heads: usize,
    /// Positions of the encoder, 20 ms each: 1500.
    pub audio_positions: usize,
    /// Positions of the decoder, hint and text together: 448.
    pub text_positions: usize,
    /// Tokens.
    pub tokens: usize,
}

impl Dimensions {
    fn check(&self) -> Result<(), FormatError> {
        let limits = [
            ("filters of the spectrogram", self.mels, 1..=MOST_MELS),
            ("values per position", self.width, 1..=MOST_WIDTH),
            ("positions of audio", self.audio_positions, 1..=MOST_POSITIONS),
            ("positions of text", self.text_positions, FEWEST_TEXT_POSITIONS..=MOST_POSITIONS),
        ];
        match limits.into_iter().find(|(_, value, range)| !range.contains(value)) {
            Some((what, value, range)) => Err(FormatError::Unsupported(format!(
                "the model has {value} {what}; between {} and {} are supported",
                range.start(),
                range.end()
            ))),
            None => Ok(()),
        }
    }
}

/// A matrix of weights and a bias.
pub struct Linear {
    pub weights: Weights,
    pub bias: Vec<f32>,
}

impl Linear {
    /// Each row of `input` times the weights, plus the bias.
    pub fn apply(&self, input: Rows<'_>, scratch: &mut Scratch) -> Vec<f32> {
        let mut out = vec![0.0; input.rows * self.weights.columns()];
        multiply(input, &self.weights, &mut out, scratch);
        math::add_bias(&mut out, &self.bias);
        out
    }
}

/// Gain and offset of a layer normalisation.
pub struct Norm {
    pub gamma: Vec<f32>,
    pub beta: Vec<f32>,
}

impl Norm {
    /// Each row of `input` normalised.
    pub fn apply(&self, input: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; input.len()];
        math::layer_norm(input, &self.gamma, &self.beta, &mut out);
        out
    }
}

/// The part of a layer that works on each position for itself.
pub struct FeedForward {
    pub norm: Norm,
    pub rise: Linear,
    pub fall: Linear,
}

impl FeedForward {
    /// Adds the layer's result to `state`.
    pub fn apply(&self, state: &mut [f32], scratch: &mut Scratch) {
        let width = self.norm.gamma.len();
        let normed = self.norm.apply(state);
        let mut hidden = self.rise.apply(Rows::dense(&normed, width), scratch);
        math::gelu(&mut hidden);
        let change = self.fall.apply(Rows::dense(&hidden, self.rise.bias.len()), scratch);
        math::add(state, &change);
    }
}

/// Attention of a sequence to itself.
pub struct SelfAttention {
    pub norm: Norm,
    /// Queries, keys and values, one after the other.
    pub projections: Linear,
    pub out: Linear,
}

/// Attention of the text to the audio.
pub struct CrossAttention {
    pub norm: Norm,
    pub queries: Linear,
    /// Keys, then values.
    pub memory: Linear,
    pub out: Linear,
}

/// One layer of the encoder.
pub struct EncoderLayer {
    pub attention: SelfAttention,
    pub feed_forward: FeedForward,
}

/// The encoder: two convolutions over time, then layers.
pub struct Encoder {
    pub first: Linear,
    pub second: Linear,
    pub positions: Vec<f32>,
    pub layers: Vec<EncoderLayer>,
    pub norm: Norm,
}

/// One layer of the decoder.
pub struct DecoderLayer {
    pub attention: SelfAttention,
    pub cross: CrossAttention,
    pub feed_forward: FeedForward,
}

/// The decoder. Its embeddings are also the last projection, back to tokens.
pub struct Decoder {
    pub embeddings: Weights,
    pub positions: Vec<f32>,
    pub layers: Vec<DecoderLayer>,
    pub norm: Norm,
}

/// Takes all of Whisper's weights out of a checkpoint.
pub fn load(file: &mut Checkpoint) -> Result<(Dimensions, Encoder, Decoder), FormatError> {
    if file.spec != "WhisperSpec" {
        return Err(FormatError::Unsupported(format!(
            "the model is a {}, not Whisper; name a directory with a Whisper model",
            file.spec
        )));
    }
    flag(file, "decoder/activation", ACTIVATION_GELU)?;
    flag(file, "decoder/pre_norm", 1)?;
    flag(file, "decoder/scale_embeddings", 0)?;
    let convolution = shape(file, "encoder/conv1/weight")?;
    let &[width, mels, 3] = convolution.as_slice() else {
        return Err(wrong("encoder/conv1/weight", convolution, vec![0, 80, 3]));
    };
    let embeddings = shape(file, "decoder/embeddings/weight")?;
    let &[tokens, _] = embeddings.as_slice() else {
        return Err(wrong("decoder/embeddings/weight", embeddings, vec![0, width]));
    };
    if let Some(projection) = file.find("decoder/projection/weight")
        && Some(projection) != file.find("decoder/embeddings/weight")
    {
        let text =
            "the model's last projection differs from its embeddings, which Whisper's never does";
        return Err(FormatError::Unsupported(text.to_owned()));
    }
    let audio_positions = rows(file, "encoder/position_encodings/encodings")?;
    let text_positions = rows(file, "decoder/position_encodings/encodings")?;
    let dimensions = Dimensions {
        mels,
        width,
        encoder_heads: heads(file, "encoder/num_heads", width)?,
        decoder_heads: heads(file, "decoder/num_heads", width)?,
        audio_positions,
        text_positions,
        tokens,
    };
    dimensions.check()?;
    let mut source = Source { file, width };
    // The largest first: its raw copy is gone before the others are converted.
    let embeddings = source.weights("decoder/embeddings", tokens, width)?;
    let encoder = source.encoder(&dimensions)?;
    let decoder = source.decoder(&dimensions, embeddings)?;
    Ok((dimensions, encoder, decoder))
}

struct Source<'a> {
    file: &'a mut Checkpoint,
    width: usize,
}

impl Source<'_> {
    fn encoder(&mut self, dimensions: &Dimensions) -> Result<Encoder, FormatError> {
        let (width, mels) = (self.width, dimensions.mels);
        let first = self.convolution("encoder/conv1", mels)?;
        let second = self.convolution("encoder/conv2", width)?;
        let positions = "encoder/position_encodings/encodings";
        let positions = self.floats(positions, vec![dimensions.audio_positions, width])?;
        let mut layers = Vec::new();
        for prefix in self.layer_names("encoder")? {
            layers.push(EncoderLayer {
                attention: self.self_attention(&format!("{prefix}/self_attention"))?,
                feed_forward: self.feed_forward(&format!("{prefix}/ffn"))?,
            });
        }
        Ok(Encoder { first, second, positions, layers, norm: self.norm("encoder/layer_norm")? })
    }

    fn decoder(
        &mut self,
        dimensions: &Dimensions,
        embeddings: Weights,
    ) -> Result<Decoder, FormatError> {
        let positions = "decoder/position_encodings/encodings";
        let positions = self.floats(positions, vec![dimensions.text_positions, self.width])?;
        let mut layers = Vec::new();
        for prefix in self.layer_names("decoder")? {
            layers.push(DecoderLayer {
                attention: self.self_attention(&format!("{prefix}/self_attention"))?,
                cross: self.cross_attention(&format!("{prefix}/attention"))?,
                feed_forward: self.feed_forward(&format!("{prefix}/ffn"))?,
            });
        }
        let norm = self.norm("decoder/layer_norm")?;
        Ok(Decoder { embeddings, positions, layers, norm })
    }

    /// Names of the layers that are there, at least one.
    fn layer_names(&self, part: &str) -> Result<Vec<String>, FormatError> {
        let name = |index| format!("{part}/layer_{index}");
        let marker = |index: &usize| {
            self.file.find(&format!("{}/self_attention/linear_0/weight", name(*index))).is_some()
        };
        let count = (0..MAX_LAYERS).take_while(marker).count();
        if count == 0 {
            return Err(FormatError::Missing(format!("{part}/layer_0")));
        }
        Ok((0..count).map(name).collect())
    }

    fn self_attention(&mut self, name: &str) -> Result<SelfAttention, FormatError> {
        let width = self.width;
        Ok(SelfAttention {
            norm: self.norm(&format!("{name}/layer_norm"))?,
            projections: self.linear(&format!("{name}/linear_0"), 3 * width, width)?,
            out: self.linear(&format!("{name}/linear_1"), width, width)?,
        })
    }

    fn cross_attention(&mut self, name: &str) -> Result<CrossAttention, FormatError> {
        let width = self.width;
        Ok(CrossAttention {
            norm: self.norm(&format!("{name}/layer_norm"))?,
            queries: self.linear(&format!("{name}/linear_0"), width, width)?,
            memory: self.linear(&format!("{name}/linear_1"), 2 * width, width)?,
            out: self.linear(&format!("{name}/linear_2"), width, width)?,
        })
    }

    fn feed_forward(&mut self, name: &str) -> Result<FeedForward, FormatError> {
        let first = format!("{name}/linear_0/weight");
        let hidden = rows(self.file, &first)?;
        if hidden == 0 {
            return Err(wrong(&first, vec![0, self.width], vec![4 * self.width, self.width]));
        }
        Ok(FeedForward {
            norm: self.norm(&format!("{name}/layer_norm"))?,
            rise: self.linear(&format!("{name}/linear_0"), hidden, self.width)?,
            fall: self.linear(&format!("{name}/linear_1"), self.width, hidden)?,
        })
    }

    fn norm(&mut self, name: &str) -> Result<Norm, FormatError> {
        let shape = vec![self.width];
        Ok(Norm {
            gamma: self.floats(&format!("{name}/gamma"), shape.clone())?,
            beta: self.floats(&format!("{name}/beta"), shape)?,
        })
    }

    fn linear(&mut self, name: &str, out: usize, depth: usize) -> Result<Linear, FormatError> {
        let weights = self.weights(name, out, depth)?;
        Ok(Linear { weights, bias: self.floats(&format!("{name}/bias"), vec![out])? })
    }

    fn weights(&mut self, name: &str, out: usize, depth: usize) -> Result<Weights, FormatError> {
        let bits = self.halves(&format!("{name}/weight"), vec![out, depth])?;
        Ok(Weights::pack(&bits, out, depth))
    }

    /// A convolution of three steps as a matrix whose rows take three positions one after the
    /// other, as they lie in memory.
    fn convolution(&mut self, name: &str, channels: usize) -> Result<Linear, FormatError> {
        let width = self.width;
        let bits = self.halves(&format!("{name}/weight"), vec![width, channels, 3])?;
        let mut ordered = Vec::with_capacity(bits.len());
        for kernel in bits.chunks(channels * 3) {
            for step in 0..3 {
                ordered.extend(kernel.iter().skip(step).step_by(3));
            }
        }
        let weights = Weights::pack(&ordered, width, channels * 3);
        Ok(Linear { weights, bias: self.floats(&format!("{name}/bias"), vec![width])? })
    }

    fn take(&mut self, name: &str, expected: Vec<usize>) -> Result<Variable, FormatError> {
        let variable = self.file.take(name)?;
        if variable.shape != expected {
            return Err(wrong(name, variable.shape, expected));
        }
        Ok(variable)
    }

    fn halves(&mut self, name: &str, shape: Vec<usize>) -> Result<Vec<u16>, FormatError> {
        match self.take(name, shape)?.elements {
            Elements::F16(bits) => Ok(bits),
            Elements::F32(values) => Ok(values.into_iter().map(narrow).collect()),
            Elements::I8(_) | Elements::I16(_) | Elements::I32(_) => Err(quantised(name)),
        }
    }

    fn floats(&mut self, name: &str, shape: Vec<usize>) -> Result<Vec<f32>, FormatError> {
        match self.take(name, shape)?.elements {
            Elements::F16(bits) => Ok(bits.into_iter().map(widen).collect()),
            Elements::F32(values) => Ok(values),
            Elements::I8(_) | Elements::I16(_) | Elements::I32(_) => Err(quantised(name)),
        }
    }
}

fn quantised(name: &str) -> FormatError {
    FormatError::Unsupported(format!(
        "{name} holds integers: the model is quantised; name one in float16 or float32"
    ))
}

fn wrong(name: &str, found: Vec<usize>, expected: Vec<usize>) -> FormatError {
    FormatError::Shape { name: name.to_owned(), found, expected }
}

fn shape(file: &Checkpoint, name: &str) -> Result<Vec<usize>, FormatError> {
    let variable = file.find(name).ok_or_else(|| FormatError::Missing(name.to_owned()))?;
    Ok(variable.shape.clone())
}

/// The first dimension.
fn rows(file: &Checkpoint, name: &str) -> Result<usize, FormatError> {
    let shape = shape(file, name)?;
    shape.first().copied().ok_or_else(|| wrong(name, shape, vec![0, 0]))
}

fn single(file: &Checkpoint, name: &str) -> Result<i32, FormatError> {
    let variable = file.find(name).ok_or_else(|| FormatError::Missing(name.to_owned()))?;
    let value = match &variable.elements {
        Elements::I8(values) => values.first().map(|&v| v.into()),
        Elements::I16(values) => values.first().map(|&v| v.into()),
        Elements::I32(values) => values.first().copied(),
        Elements::F32(_) | Elements::F16(_) => None,
    };
    value.ok_or_else(|| wrong(name, variable.shape.clone(), vec![]))
}

fn flag(file: &Checkpoint, name: &str, expected: i8) -> Result<(), FormatError> {
    let found = single(file, name)?;
    if found != i32::from(expected) {
        return Err(FormatError::Unsupported(format!(
            "{name} is {found} instead of {expected}; this is not Whisper as it was published"
        )));
    }
    Ok(())
}

fn heads(file: &Checkpoint, name: &str, width: usize) -> Result<usize, FormatError> {
    let found = single(file, name)?;
    let heads = usize::try_from(found).unwrap_or_default();
    if heads == 0 || width == 0 || !width.is_multiple_of(heads) {
        return Err(FormatError::Unsupported(format!(
            "{name} is {found}, which does not divide the width of {width}"
        )));
    }
    Ok(heads)
}

//! G.711: µ-law and A-law by tables that the compiler computes.
//!
//! Samples are 16-bit linear; µ-law works on the upper 14 bits, A-law on the upper 13 (G.711 tables
//! 1 and 2). A negative sample is encoded by its ones' complement, as the software tool library of
//! ITU-T G.191 does, so that what lies exactly on a decision value goes towards zero on both sides.

/// Decodes µ-law bytes; stops at the end of the shorter side and says how many were decoded.
pub fn decode_ulaw(payload: &[u8], samples: &mut [i16]) -> usize {
    decode(&ULAW_TO_LINEAR, payload, samples)
}

/// Decodes A-law bytes; stops at the end of the shorter side and says how many were decoded.
pub fn decode_alaw(payload: &[u8], samples: &mut [i16]) -> usize {
    decode(&ALAW_TO_LINEAR, payload, samples)
}

/// Encodes to µ-law; stops at the end of the shorter side and says how many were encoded.
pub fn encode_ulaw(samples: &[i16], payload: &mut [u8]) -> usize {
    for (byte, &sample) in payload.iter_mut().zip(samples) {
        *byte = LINEAR_TO_ULAW[(sample as u16 >> 2) as usize];
    }
    payload.len().min(samples.len())
}

/// Encodes to A-law; stops at the end of the shorter side and says how many were encoded.
pub fn encode_alaw(samples: &[i16], payload: &mut [u8]) -> usize {
    for (byte, &sample) in payload.iter_mut().zip(samples) {
        *byte = LINEAR_TO_ALAW[(sample as u16 >> 4) as usize];
    }
    payload.len().min(samples.len())
}

fn decode(table: &[i16; 256], payload: &[u8], samples: &mut [i16]) -> usize {
    for (sample, &byte) in samples.iter_mut().zip(payload) {
        *sample = table[byte as usize];
    }
    payload.len().min(samples.len())
}

static ULAW_TO_LINEAR: [i16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = ulaw_to_linear(byte as u8);
        byte += 1;
    }
    table
};

static ALAW_TO_LINEAR: [i16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = alaw_to_linear(byte as u8);
        byte += 1;
    }
    table
};

/// By the upper 14 bits of the sample.
static LINEAR_TO_ULAW: [u8; 1 << 14] = {
    let mut table = [0; 1 << 14];
    let mut upper = 0;
    while upper < table.len() {
        table[upper] = linear_to_ulaw(((upper as u16) << 2) as i16);
        upper += 1;
    }
    table
};

/// By the upper 12 bits of the sample: all decision values of A-law are multiples of 16.
static LINEAR_TO_ALAW: [u8; 1 << 12] = {
    let mut table = [0; 1 << 12];
    let mut upper = 0;
    while upper < table.len() {
        table[upper] = linear_to_alaw(((upper as u16) << 4) as i16);
        upper += 1;
    }
    table
};

/// µ-law adds 33 to the 14-bit magnitude, so that each segment begins at a power of two.
const ULAW_BIAS: i32 = 33;

/// The largest biased magnitude that fits in the eight segments.
const ULAW_CLIP: i32 = 0x1fff;

const fn linear_to_ulaw(sample: i16) -> u8 {
    let magnitude = (if sample < 0 { !sample } else { sample } >> 2) as i32 + ULAW_BIAS;
    let biased = if magnitude > ULAW_CLIP { ULAW_CLIP } else { magnitude };
    // The highest set bit is 5 in the first segment, 12 in the last.
    let segment = 26 - biased.leading_zeros();
    let step = (biased >> (segment + 1)) & 0x0f;
    let code = ((segment << 4) as u8) | step as u8;
    // All bits are sent inverted; the sign bit is set for positive values.
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(code | sign)
}

const fn ulaw_to_linear(byte: u8) -> i16 {
    let code = !byte;
    let segment = (code >> 4) & 0x07;
    let step = (code & 0x0f) as i32;
    let magnitude = ((((step << 1) + ULAW_BIAS) << segment) - ULAW_BIAS) << 2;
    if code & 0x80 != 0 { -(magnitude as i16) } else { magnitude as i16 }
}

/// A-law sends every second bit inverted.
const ALAW_TOGGLE: u8 = 0x55;

const fn linear_to_alaw(sample: i16) -> u8 {
    let magnitude = (if sample < 0 { !sample } else { sample } >> 4) as u32;
    // The first two segments have the same step; each further one doubles it.
    let code = if magnitude < 32 {
        magnitude
    } else {
        let segment = 28 - magnitude.leading_zeros();
        (segment << 4) | ((magnitude >> (segment - 1)) & 0x0f)
    };
    let sign = if sample < 0 { 0 } else { 0x80 };
    (code as u8 | sign) ^ ALAW_TOGGLE
}

const fn alaw_to_linear(byte: u8) -> i16 {
    let code = byte ^ ALAW_TOGGLE;
    let segment = (code >> 4) & 0x07;
    let step = ((code & 0x0f) as i32) << 4;
    // The value in the middle of the step.
    let magnitude = if segment == 0 { step + 8 } else { (step + 0x108) << (segment - 1) };
    if code & 0x80 != 0 { magnitude as i16 } else { -(magnitude as i16) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ulaw(sample: i16) -> u8 {
        let mut byte = [0];
        assert_eq!(encode_ulaw(&[sample], &mut byte), 1);
        byte[0]
    }

    fn alaw(sample: i16) -> u8 {
        let mut byte = [0];
        assert_eq!(encode_alaw(&[sample], &mut byte), 1);
        byte[0]
    }

    /// G.711 table 2a: decision values (14 bit) at which the segments end, the character signal of
    /// the step above, and the value at the decoder's output.
    #[test]
    fn ulaw_has_the_values_of_the_recommendation() {
        let table = [
            (0u8, 0b1111_1111u8, 0i16),
            (1, 0b1111_1110, 2),
            (16, 0b1110_1111, 33),
            (32, 0b1101_1111, 99),
            (48, 0b1100_1111, 231),
            (64, 0b1011_1111, 495),
            (80, 0b1010_1111, 1023),
            (96, 0b1001_1111, 2079),
            (112, 0b1000_1111, 4191),
            (127, 0b1000_0000, 8031),
        ];
        for (step, byte, output) in table {
            assert_eq!(ULAW_TO_LINEAR[byte as usize], output * 4, "step {step}");
            assert_eq!(ULAW_TO_LINEAR[(byte & 0x7f) as usize], -output * 4, "step -{step}");
        }
        for (decision, below, from) in [
            (1i16, 0xff, 0xfe),
            (31, 0xf0, 0xef),
            (95, 0xe0, 0xdf),
            (223, 0xd0, 0xcf),
            (479, 0xc0, 0xbf),
            (991, 0xb0, 0xaf),
            (2015, 0xa0, 0x9f),
            (4063, 0x90, 0x8f),
            (7903, 0x81, 0x80),
        ] {
            assert_eq!(ulaw(decision * 4 - 1), below, "below {decision}");
            assert_eq!(ulaw(decision * 4), from, "from {decision}");
        }
        assert_eq!((ulaw(i16::MAX), ulaw(i16::MIN), ulaw(0), ulaw(-1)), (0x80, 0x00, 0xff, 0x7f));
    }

    /// G.711 table 1a: decision values (12 bit and sign), here as 16-bit samples.
    #[test]
    fn alaw_has_the_values_of_the_recommendation() {
        for (decision, below, from) in [
            (2i16, 0x80, 0x81),
            (32, 0x8f, 0x90),
            (64, 0x9f, 0xa0),
            (128, 0xaf, 0xb0),
            (256, 0xbf, 0xc0),
            (512, 0xcf, 0xd0),
            (1024, 0xdf, 0xe0),
            (2048, 0xef, 0xf0),
            (3968, 0xfe, 0xff),
        ] {
            assert_eq!(alaw(decision * 8 - 1), below ^ 0x55, "below {decision}");
            assert_eq!(alaw(decision * 8), from ^ 0x55, "from {decision}");
        }
        for (code, output) in
            [(0x80u8, 1i16), (0x90, 33), (0xa0, 66), (0xb0, 132), (0xf0, 2112), (0xff, 4032)]
        {
            assert_eq!(ALAW_TO_LINEAR[(code ^ 0x55) as usize], output * 8);
            assert_eq!(ALAW_TO_LINEAR[(code ^ 0x55 ^ 0x80) as usize], -output * 8);
        }
        assert_eq!((alaw(0), alaw(-1)), (0xd5, 0x55));
    }

    #[test]
    fn every_code_survives_the_round_trip() {
        for byte in 0..=u8::MAX {
            let by_alaw = ALAW_TO_LINEAR[byte as usize];
            assert_eq!(alaw(by_alaw), byte);
            let by_ulaw = ULAW_TO_LINEAR[byte as usize];
            // µ-law has two zeros, which are one linear value.
            assert_eq!(ulaw(by_ulaw), if byte == 0x7f { 0xff } else { byte });
        }
    }

    /// Half a step is at most a 32nd of the value in A-law, and of the biased value in µ-law.
    #[test]
    fn no_sample_is_more_than_half_a_step_off() {
        for sample in -32_100..=32_100i16 {
            let error = |value: i16| (i32::from(value) - i32::from(sample)).abs();
            let magnitude = i32::from(sample).abs();
            let by_ulaw = ULAW_TO_LINEAR[ulaw(sample) as usize];
            assert!(error(by_ulaw) <= (magnitude + 132) / 32 + 1, "{sample}");
            let by_alaw = ALAW_TO_LINEAR[alaw(sample) as usize];
            assert!(error(by_alaw) <= (magnitude / 32).max(8) + 1, "{sample}");
        }
    }

    #[test]
    fn encoding_keeps_the_order_of_samples() {
        for pair in (i16::MIN..=i16::MAX).collect::<Vec<_>>().windows(2) {
            let [low, high] = [pair[0], pair[1]];
            assert!(ULAW_TO_LINEAR[ulaw(low) as usize] <= ULAW_TO_LINEAR[ulaw(high) as usize]);
            assert!(ALAW_TO_LINEAR[alaw(low) as usize] <= ALAW_TO_LINEAR[alaw(high) as usize]);
        }
    }

    #[test]
    fn the_shorter_side_decides_how_much_is_done() {
        let mut two = [0i16; 2];
        assert_eq!(decode_ulaw(&[0xff; 5], &mut two), 2);
        assert_eq!(encode_alaw(&[1], &mut [0; 9]), 1);
    }
}

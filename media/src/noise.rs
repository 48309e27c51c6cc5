//! Comfort noise: white noise of a stated level.

/// Makes noise. The sequence is always the same: it is for ears and tests, not for secrets.
#[derive(Clone, Debug)]
pub struct NoiseSource {
    state: u32,
}

impl Default for NoiseSource {
    fn default() -> Self {
        Self { state: 0x9e37_79b9 }
    }
}

/// Below this level noise is digital silence: half a step of a 16-bit sample.
const INAUDIBLE_DBOV: f32 = -96.0;

impl NoiseSource {
    /// Fills `samples` with noise of `level_dbov`, at most −10 dBov; silence below −96 dBov.
    pub fn fill(&mut self, level_dbov: f32, samples: &mut [i16]) {
        if level_dbov < INAUDIBLE_DBOV {
            samples.fill(0);
            return;
        }
        let rms = 32768.0 * 10f32.powf(level_dbov.min(-10.0) / 20.0);
        // Uniform noise between ±a has a root mean square of a / √3.
        let peak = rms * 3f32.sqrt();
        for sample in samples {
            *sample = (self.uniform() * peak).round() as i16;
        }
    }

    /// Uniform in −1 to 1 (xorshift, G. Marsaglia 2003).
    fn uniform(&mut self) -> f32 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 17;
        self.state ^= self.state << 5;
        self.state as i32 as f32 / 2f32.powi(31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_its_level() {
        for level in [-20.0f32, -40.0, -60.0, -80.0] {
            let mut samples = vec![0; 8000];
            NoiseSource::default().fill(level, &mut samples);
            let square: f64 = samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / 8000.0;
            let measured = 10.0 * (square / 32768f64.powi(2)).log10();
            assert!((measured - f64::from(level)).abs() < 0.7, "{measured:.1} for {level}");
        }
        let mut samples = [1; 4];
        NoiseSource::default().fill(f32::NEG_INFINITY, &mut samples);
        assert_eq!(samples, [0; 4]);
    }
}

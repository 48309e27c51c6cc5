"""Lets prompts be spoken and makes them sound as a telephone carries them."""

import random
import re
import subprocess
import tempfile
import wave
from array import array
from functools import lru_cache
from pathlib import Path

RATE = 8000
LEAD_S, TAIL_S = 0.25, 0.15
PAUSE_S = (0.30, 0.55)
# A thousandth of full scale: what is quieter at the ends of a sentence is no speech.
QUIET = 33
MARGIN = RATE * 6 // 100
# Noise of the line, -62 dBov.
NOISE_RMS = 26.0

VOICES = {
    "slt": ("flite", "slt", "1.1"),
    "rms": ("flite", "rms", "1.0"),
    "awb": ("flite", "awb", "1.0"),
    "spanish": ("espeak-ng", "es", "150"),
}


@lru_cache(maxsize=None)
def sentence(voice, text):
    """The samples of one sentence, without silence around it."""
    program, name, speed = VOICES[voice]
    with tempfile.TemporaryDirectory() as directory:
        raw, out = Path(directory) / "raw.wav", Path(directory) / "out.wav"
        if program == "flite":
            say = ["flite", "-voice", name, "--setf", f"duration_stretch={speed}", "-t", text]
            subprocess.run([*say, "-o", raw], check=True)
        else:
            subprocess.run([program, "-v", name, "-s", speed, "-w", raw, text], check=True)
        # -D and -R: no dither and no random numbers, so that the same text gives the same file.
        telephone = ["rate", "-h", str(RATE), "sinc", "250-3450", "gain", "-n", "-4"]
        subprocess.run(["sox", "-D", "-R", raw, "-b", "16", "-c", "1", out, *telephone], check=True)
        with wave.open(str(out)) as wav:
            samples = array("h", wav.readframes(wav.getnframes()))
    loud = [i for i, sample in enumerate(samples) if abs(sample) > QUIET]
    return samples[max(loud[0] - MARGIN, 0) : loud[-1] + MARGIN]


def record(dice, voice, say):
    """The samples of a prompt; `[2.5 s]` is a pause."""
    parts = [silence(LEAD_S)]
    for piece in re.split(r"(\[[\d.]+ s\])", say):
        if pause := re.fullmatch(r"\[([\d.]+) s\]", piece):
            parts[-1] = silence(float(pause[1]))
            continue
        for words in re.findall(r"[^.!?;]+[.!?;]", piece):
            parts += [sentence(voice, words.strip()), silence(dice.uniform(*PAUSE_S))]
    parts[-1] = silence(TAIL_S)
    samples = array("h")
    for part in parts:
        samples.extend(part)
    noise = [int(dice.gauss(0, NOISE_RMS)) for _ in range(RATE)]
    repeated = (noise[i % RATE] for i in range(len(samples)))
    return array("h", (max(-32768, min(32767, s + n)) for s, n in zip(samples, repeated)))


def silence(seconds):
    return array("h", bytes(2 * int(seconds * RATE)))


def record_all(directory, made):
    """Writes the recordings of a business and returns their seconds."""
    directory.mkdir(exist_ok=True)
    seconds = 0.0
    for name, voice, say in spoken(made):
        samples = record(random.Random(f"{made['name']}/{name}/{say}"), voice, say)
        with wave.open(str(directory / f"{name}.wav"), "wb") as wav:
            wav.setparams((1, 2, RATE, 0, "NONE", ""))
            wav.writeframes(samples.tobytes())
        seconds += len(samples) / RATE
    return seconds


def spoken(made):
    """Name, voice and words of each recording."""
    for name in ("early", "invalid", "goodbye", "hello"):
        if name in made:
            yield name, made[name].get("voice", made["voice"]), made[name]["say"]
    for name, menu in made["menus"].items():
        yield name, menu.get("voice", made["voice"]), menu["say"]

"""Music for a dance, made in code: drums on the beat, a bass and a tune on a pentatonic scale."""

import wave
from pathlib import Path

import numpy as np
from jaxtyping import Float

from motiontransfer.core.storage import replacing

SAMPLE_RATE = 48000
_SCALE = (0, 3, 5, 7, 10, 12, 15)  # minor pentatonic, semitones
_ROOT_HZ = 220.0
_CHORDS = (0, -4, 3, -2)  # bass, one a bar, semitones


def compose_music(
    num_samples: int, *, beat_seconds: float, seed: int
) -> Float[np.ndarray, " samples"]:
    """A mono track, -1 to 1, whose first beat is at its beginning."""
    rng = np.random.default_rng(seed)
    track = np.zeros(num_samples)
    num_beats = int(np.ceil(num_samples / SAMPLE_RATE / beat_seconds))
    phrase = rng.choice(len(_SCALE), 16)
    for beat in range(num_beats):
        at = beat * beat_seconds
        _mix(track, at, _kick())
        _mix(track, at + beat_seconds / 2, 0.5 * _hat(rng))
        if beat % 2:
            _mix(track, at, 0.6 * _snare(rng))
        chord = _CHORDS[beat // 4 % len(_CHORDS)]
        _mix(
            track,
            at,
            0.35 * _tone(_ROOT_HZ / 2 * 2 ** (chord / 12), 0.9 * beat_seconds, (1.0, 0.5, 0.2)),
        )
        for half in (0, 1):
            note = _SCALE[phrase[(2 * beat + half) % 16]]
            if rng.random() < 0.8:
                tone = _tone(
                    _ROOT_HZ * 2 ** (note / 12), 0.6 * beat_seconds, (1.0, 0.0, 0.3, 0.0, 0.1)
                )
                _mix(track, at + half * beat_seconds / 2, 0.22 * tone)
    return np.tanh(1.1 * track) * 0.8


def write_wave(path: Path, track: Float[np.ndarray, " samples"]) -> None:
    """Write a mono track as 16-bit WAV."""
    samples = np.rint(np.clip(track, -1, 1) * 32767).astype("<i2")
    with replacing(path) as temporary, wave.open(str(temporary), "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(SAMPLE_RATE)
        output.writeframes(samples.tobytes())


def _mix(track: np.ndarray, at_seconds: float, sound: np.ndarray) -> None:
    start = round(at_seconds * SAMPLE_RATE)
    room = max(0, min(len(sound), len(track) - start))
    track[start : start + room] += sound[:room]


def _seconds(duration: float) -> np.ndarray:
    return np.arange(round(duration * SAMPLE_RATE)) / SAMPLE_RATE


def _kick() -> np.ndarray:
    t = _seconds(0.22)
    return np.sin(2 * np.pi * (48 * t + 6 * (1 - np.exp(-t * 28)))) * np.exp(-t * 16)


def _hat(rng: np.random.Generator) -> np.ndarray:
    t = _seconds(0.06)
    return np.diff(rng.uniform(-1, 1, len(t) + 1)) * 0.35 * np.exp(-t * 70)


def _snare(rng: np.random.Generator) -> np.ndarray:
    t = _seconds(0.16)
    return (0.5 * rng.uniform(-1, 1, len(t)) + 0.4 * np.sin(2 * np.pi * 190 * t)) * np.exp(-t * 24)


def _tone(hertz: float, duration: float, overtones: tuple[float, ...]) -> np.ndarray:
    t = _seconds(duration)
    sound = sum(
        level * np.sin(2 * np.pi * hertz * (number + 1) * t)
        for number, level in enumerate(overtones)
    )
    return sound * np.minimum(t / 0.01, 1) * np.exp(-3.5 * t / duration)

"""Soundtracks as samples: slowed down at the same pitch, mixed with signals, written."""

import wave
from collections.abc import Iterator
from pathlib import Path

import av
import av.filter
import numpy as np
from jaxtyping import Float32

from motiontransfer.video.container import open_input
from motiontransfer.video.filters import ready
from motiontransfer.video.writer import Sound

RATE = 48000
Samples = Float32[np.ndarray, "_ 2"]
"""Left and right at `RATE`, in [-1, 1]."""

_SIGNAL_VOLUME = 0.3
_FADE_SECONDS = 0.01  # of a signal's start and end: cut off, it clicks


def read_slowed(sound: Sound, *, factor: float, start_seconds: float, seconds: float) -> Samples:
    """Part of a file's first sound track, slowed down at the same pitch (FFmpeg's `atempo`).

    Silence where there is no sound.

    Args:
        factor: 1 to 2: so many times as long.
        start_seconds: of the part, before it is slowed down.
        seconds: length of the part, slowed down.
    """
    part = np.zeros((round(seconds * RATE), 2), np.float32)
    at = factor * (sound.offset_seconds - start_seconds)
    with open_input(sound.file) as container:
        for samples in _slowed(container, factor):
            if at > seconds:
                break
            mix(part, samples, at_seconds=at)
            at += len(samples) / RATE
    return part


def _slowed(container: av.container.InputContainer, factor: float) -> Iterator[Samples]:
    stream = container.streams.audio[0]
    graph = av.filter.Graph()
    source = graph.add_abuffer(template=stream)
    tempo = graph.add("atempo", f"{1 / factor:.4f}")
    form = graph.add("aformat", f"sample_fmts=flt:sample_rates={RATE}:channel_layouts=stereo")
    graph.link_nodes(source, tempo, form, graph.add("abuffersink")).configure()
    for frame in (*container.decode(stream), None):
        graph.push(frame)
        for made in ready(graph.pull):
            yield made.to_ndarray().reshape(-1, 2)


def signal(hertz: float, seconds: float) -> Samples:
    """A tone that says: now."""
    times = np.arange(round(seconds * RATE)) / RATE
    fade = np.minimum(times, seconds - times).clip(0, _FADE_SECONDS) / _FADE_SECONDS
    tone = _SIGNAL_VOLUME * fade * np.sin(2 * np.pi * hertz * times)
    return np.repeat(tone[:, None], 2, axis=1).astype(np.float32)


def mix(track: Samples, added: Samples, *, at_seconds: float) -> None:
    """Add samples to a track, in place; what lies before its start or past its end is left out."""
    start = round(at_seconds * RATE)
    added = added[max(-start, 0) :]
    place = track[max(start, 0) :][: len(added)]
    place += added[: len(place)]


def write_wave(path: Path, track: Samples) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((track.clip(-1, 1) * 32767).astype("<i2").tobytes())

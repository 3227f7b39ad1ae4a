"""Forecast of stages: minutes and gigabytes on this machine, within a factor of two.

What each stage takes was measured on one machine (benchmarks/README.md); a moment of arithmetic
tells how fast this one is now. Of a training on a GPU nothing was measured.
"""

import statistics
from collections.abc import Iterable, Mapping
from functools import cache, partial
from pathlib import Path
from timeit import repeat

import loky
import numpy as np

from motiontransfer.params import PARAMS_FILE, Transfer, load_section
from motiontransfer.project.entries import Video
from motiontransfer.puppet.silhouette import MOST_MASKS
from motiontransfer.video.isolation import run_isolated
from motiontransfer.video.reader import read_metadata

_COPIES = 2  # in the project and in DVC's cache
_REFERENCE_SECONDS = 0.005  # of `_slowness`'s arithmetic where the rates were measured
_OF_FILM = {"decode", "detect_keypoints"}  # whose frames all cores share
_NETWORK_SIZES = {"train_gan": "decode.size", "train_face_gan": "train_face_gan.crop_size"}
_RATES = {  # CPU seconds to start, per frame and per megapixel of a frame; megabytes of the latter
    "code": (1.0, 0.0, 0.0, 0.0, 0.0),
    "decode": (6.0, 0.005, 0.01, 0.08, 0.0),
    "detect_keypoints": (8.0, 0.038, 0.0, 0.01, 0.0),
    "segment_person": (5.0, 0.015, 0.0, 0.005, 0.0),
    "fit_appearance": (6.0, 0.08, 0.21, 0.0, 0.5),  # frames: references
    "train_gan": (12.0, 1.05e-7, 0.0, 0.0, 0.0),  # frames: steps x items x filters x pixels
    "train_face_gan": (10.0, 2.1e-7, 0.0, 0.0, 0.0),
    "evaluate": (8.0, 0.03, 0.0, 0.0, 0.0),
    "normalize": (2.0, 0.0, 0.0, 0.0, 0.0),
    "render": (8.0, 0.03, 0.03, 0.04, 0.0),
    "encode": (6.0, 0.045, 0.125, 0.035, 0.015),
    "evaluate_transfer": (7.0, 0.1, 0.03, 0.01, 0.0),
    "report": (6.0, 0.01, 0.04, 0.03, 0.0),
}
_OTHERS = (5.0, 0.0, 0.0, 0.0, 0.0)


def in_words(forecasts: Mapping[str, tuple[float, float]]) -> str:
    """Sum of what `forecast` returns."""
    seconds, megabytes = map(sum, zip((0.0, 0.0), *forecasts.values(), strict=True))
    return (
        f"{len(forecasts)} stages, about {seconds / 60:.2g} min and {megabytes / 1e3:.2g} GB on "
        "this machine, within a factor of two"
    )


def forecast(stages: Iterable[str], *, root: Path = Path()) -> dict[str, tuple[float, float]]:
    """Seconds and megabytes of stages, e.g. `decode@me`, with the params in `root`."""
    param = partial(load_section, path=root / PARAMS_FILE)

    @cache
    def film(name: str) -> tuple[float, float, float, float]:
        """Frames, megapixels of the film and of what is about kept of it, and its megabytes."""
        path = videos[name].path
        if not path.is_file():
            return 330.0, 0.07, 0.07, 1.0  # of the demo, not yet filmed
        metadata, num_bytes = run_isolated(read_metadata, path), path.stat().st_size
        (height, width), frames = metadata.size, float(metadata.num_frames or 0)
        kept = height * min(height, width)
        return frames, height * width / 1e6, kept / 1e6, num_bytes / 1e6

    def amount(stage: str, key: str) -> tuple[float, float]:
        """Frames, and megapixels of each."""
        if stage in _NETWORK_SIZES:
            size = param(int | tuple[int, int], _NETWORK_SIZES[stage])
            names = ("steps", "batch_size", "num_filters")
            steps, items, filters = (param(float, f"{stage}.{name}") for name in names)
            return steps * items * filters * int(np.resize(size, 2).prod()), 0.0
        if key in transfers:
            return film(transfers[key].source)[0], amount("", transfers[key].target)[1]
        if stage in _OF_FILM:
            return film(key)[:2]
        films = [film(name) for name, video in videos.items() if video.subject == key]
        frames = sum((it[0] for it in films), 0.0)
        if stage == "segment_person":
            frames = min(frames, float(MOST_MASKS))
        if stage == "fit_appearance":
            frames = min(frames, param(float, "fit_appearance.references"))
        return frames, max((it[2] for it in films), default=0.0)

    videos = param(dict[str, Video], "videos")
    transfers = param(dict[str, Transfer], "transfers")
    slowness, forecasts = _slowness(), {}
    for stage in stages:
        group, _, key = stage.partition("@")
        start, per_frame, per_megapixel, frame_mb, megapixel_mb = _RATES.get(group, _OTHERS)
        frames, size = amount(group, key)
        seconds = slowness * frames * (per_frame + size * per_megapixel)
        if group in _OF_FILM:
            seconds /= loky.cpu_count()
        if group in _NETWORK_SIZES and (limit := param(float | None, f"{group}.max_minutes")):
            seconds = min(seconds, 60 * limit)
        megabytes = frames * (frame_mb + size * megapixel_mb)
        megabytes += film(key)[3] if group == "decode" else 0.0
        forecasts[stage] = (slowness * start + seconds, _COPIES * megabytes)
    return forecasts


def _slowness() -> float:
    """How much longer one core takes now than one of the rates' machine."""
    numbers = np.ones((512, 512))
    seconds = repeat(lambda: np.fft.fft2(numbers), number=1, repeat=25)
    return statistics.median(seconds) / _REFERENCE_SECONDS

"""Self-contained pages: templates filled in, and videos within a budget of bytes.

A page is one HTML file. Nothing is fetched: images and videos are embedded, and the content
security policy allows no other source and no script but the page's own. Videos are copies that
every browser plays, in one of two qualities.
"""

import hashlib
import io
import json
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from PIL import Image

from motiontransfer.core.arrays import Frame
from motiontransfer.core.parallel import map_ahead
from motiontransfer.core.params import flattened
from motiontransfer.core.progress import track
from motiontransfer.core.storage import write_text
from motiontransfer.rendering.compositing import num_threads
from motiontransfer.report.tables import Chart, change_text, interval_text, name_of, number_text
from motiontransfer.video.container import open_input, video_stream
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import resize
from motiontransfer.video.writer import RESULT_PRESET, Sound, write_video


class QualityLevel(NamedTuple):
    crf: int
    """x264's quality."""
    scale: float
    """Factor of the size of the working image."""


QUALITY_LEVELS = (QualityLevel(crf=20, scale=1.0), QualityLevel(crf=30, scale=0.5))
"""Qualities of copies: visually lossless, and small for pages that would be too large to mail."""
_LARGEST_HEIGHT_PX = 512  # of copies; several are beside each other
_LARGEST_SHARE_AS_IT_IS = 0.4  # of the limit, up to which a finished video is not encoded again
_PLAYABLE_PROFILES = {"Constrained Baseline", "Baseline", "Main", "High"}
_JPEG_QUALITY = 82
_SCRIPTS = ("player.js", "charts.js", "page.js")


def write_page(path: Path, template: str, content: Mapping[str, object]) -> None:
    """Fill in a template of this package and write the page."""
    environment = Environment(
        loader=PackageLoader("motiontransfer.report"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "base64": lambda data: b64encode(data).decode("ascii"),
        "number": number_text,
        "interval": interval_text,
        "change": change_text,
        "name": name_of,
    }
    css = _source(environment, "page.css")
    script = "\n".join(_source(environment, name) for name in _SCRIPTS)
    html = environment.get_template(template).render(
        {
            **content,
            "style": Markup(css),
            "script": Markup(script),
            "policy": content_policy(css, script),
        }
    )
    write_text(path, html)


def leaf_texts(tree: object) -> dict[str, str]:
    """Every leaf of nested params or metrics, by its dotted key, as written in YAML."""
    return {
        key: leaf if isinstance(leaf, str) else json.dumps(leaf, default=str)
        for key, leaf in flattened(tree).items()
    }


def content_policy(style: str, script: str) -> str:
    """Content security policy of a page with this one style sheet and this one script."""
    return (
        "default-src 'none'; img-src data:; media-src blob: data:; "
        f"style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


def _source(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    source, _, _ = environment.loader.get_source(environment, name)
    return source


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelSource:
    name: str
    label: str
    description: str
    """Text alternative."""
    frames: Callable[[], Iterable[Frame]]
    """Called once for each time they are encoded."""
    finished: Path | None = None
    """A finished video of these frames, to be shown as it is if it is small, and for its sound."""
    is_hidden: bool = False
    """True if it is not shown at first."""


class Panel(NamedTuple):
    """A video as the page holds it."""

    source: PanelSource
    video: bytes
    size: tuple[int, int]
    """(height, width) in which it was encoded."""
    is_copy: bool
    """False where it is the finished video itself, byte for byte."""


def video_panel(
    name: str, label: str, description: str, path: Path, *, is_finished: bool = False
) -> PanelSource:
    """Show a video or frame store; a finished one as it is where it is small, with its sound."""

    def frames() -> Iterator[Frame]:
        with FrameStore(path) as store:
            yield from store.frames(size=_fitted(store.size))

    finished = path if is_finished else None
    return PanelSource(
        name=name, label=label, description=description, frames=frames, finished=finished
    )


def write_video_page(
    path: Path,
    template: str,
    content: Mapping[str, object],
    *,
    sources: Sequence[PanelSource],
    master: str,
    max_bytes: int,
    charts: Sequence[Chart] = (),
) -> None:
    """Write a page of videos in sync, in the better quality if all of them keep to so many bytes.

    Frames can be chosen up to the end of the shortest finished video.

    Args:
        master: name of the finished video that is the clock, and has the sound.
    """
    lengths: list[int] = []
    for source in sources:
        if source.finished is not None:
            with FrameStore(source.finished) as store:
                lengths.append(len(store))
                if source.name == master:
                    rate, sound = store.frame_rate, has_sound(source.finished)
    num_frames = min(lengths)
    panels, quality = make_panels(
        sources, frame_rate=rate, num_frames=num_frames, max_bytes=max_bytes
    )
    shown = [
        asdict(chart) | {"curves": [{"label": k, "values": v} for k, v in chart.curves.items()]}
        for chart in charts
    ]
    videos = {
        "panels": panels,
        "quality": quality,
        "master": master,
        "has_sound": sound,
        "charts": charts,
        "data": {"frames": num_frames, "rate": float(rate), "charts": shown},
    }
    write_page(path, template, {**content, **videos})


def make_panels(
    sources: Sequence[PanelSource], *, frame_rate: Fraction, num_frames: int, max_bytes: int
) -> tuple[tuple[Panel, ...], QualityLevel]:
    """Encode every panel, in the lower quality if all of them together are larger otherwise."""
    largest = int(_LARGEST_SHARE_AS_IT_IS * max_bytes)
    panels: tuple[Panel, ...] = ()
    for quality in QUALITY_LEVELS:
        encode = partial(
            _panel,
            quality=quality,
            frame_rate=frame_rate,
            num_frames=num_frames,
            largest_as_it_is=largest,
        )
        panels = tuple(map_ahead(encode, sources, num_threads=num_threads()))
        if sum(len(panel.video) for panel in panels) <= max_bytes:
            return panels, quality
    return panels, QUALITY_LEVELS[-1]


def _panel(
    source: PanelSource,
    *,
    quality: QualityLevel,
    frame_rate: Fraction,
    num_frames: int,
    largest_as_it_is: int,
) -> Panel:
    path = source.finished
    is_copy = path is None or not (
        path.stat().st_size <= largest_as_it_is and plays_everywhere(path)
    )
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as scratch:
        if path is None or is_copy:
            frames = track(source.frames(), f"encode {source.name}", total=num_frames)
            sound, path = path, Path(scratch) / "panel.mp4"
            write_video(
                path,
                (resize(frame, _fitted(frame.shape[:2], quality.scale)) for frame in frames),
                frame_rate=frame_rate,
                sound=Sound(sound) if sound and has_sound(sound) else None,
                crf=quality.crf,
                preset=RESULT_PRESET,
            )
        with FrameStore(path) as store:
            size = store.size
        return Panel(source=source, video=path.read_bytes(), size=size, is_copy=is_copy)


def jpeg(image: Image.Image, *, largest_px: int) -> bytes:
    """Encode an image as JPEG, downscaled where a side is longer than `largest_px`."""
    image.thumbnail((largest_px, largest_px), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return buffer.getvalue()


def plays_everywhere(path: Path) -> bool:
    """True if every browser plays the video: H.264 with 8 bits and 4:2:0, not lossless."""
    with open_input(path) as container:
        context = video_stream(container, path).codec_context
        return (
            context.codec.canonical_name == "h264"
            and context.pix_fmt == "yuv420p"
            and context.profile in _PLAYABLE_PROFILES
            and "mp4" in container.format.name.split(",")
        )


def has_sound(path: Path) -> bool:
    with open_input(path) as container:
        return bool(container.streams.audio)


def _fitted(size: tuple[int, int], scale: float = 1.0) -> tuple[int, int]:
    """(height, width) of a copy of frames of a (height, width)."""
    factor = scale * min(1.0, _LARGEST_HEIGHT_PX / size[0])
    height, width = (max(2, round(side * factor)) for side in size)
    return height, width

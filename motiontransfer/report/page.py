"""Self-contained pages: templates filled in, and videos within a budget of bytes.

A page is one HTML file. Nothing is fetched: images and videos are embedded, and the content
security policy allows no other source and no script but the page's own. Videos are small copies
that every browser plays; where a page would grow too large to mail, their quality and then their
size are reduced in steps.
"""

import hashlib
import io
import json
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from PIL import Image

from motiontransfer.core.params import flattened
from motiontransfer.core.progress import track
from motiontransfer.core.storage import replacing
from motiontransfer.video.color import Frame
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.reader import open_input, video_stream
from motiontransfer.video.writer import write_video

_LARGEST_HEIGHT_PX = 512
_PLAYABLE_PROFILES = {"Constrained Baseline", "Baseline", "Main", "High"}
_VERBATIM_SHARE = 0.4  # of the budget, up to which the result is not encoded again
_JPEG_QUALITY = 82


def write_page(
    path: Path,
    template: str,
    content: Mapping[str, object],
    *,
    style: str = "page.css",
    scripts: Sequence[str] = ("player.js", "charts.js", "page.js"),
) -> None:
    """Fill in a template of this package and write the page."""
    environment = Environment(
        loader=PackageLoader("motiontransfer.report"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["base64"] = lambda data: b64encode(data).decode("ascii")
    css = _source(environment, style)
    script = "\n".join(_source(environment, name) for name in scripts)
    html = environment.get_template(template).render(
        {
            **content,
            "style": Markup(css),
            "script": Markup(script),
            "policy": content_policy(css, script),
        }
    )
    with replacing(path) as temporary:
        temporary.write_text(html, encoding="utf-8")


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
    verbatim: Path | None = None
    """A finished video of these frames, to be shown as it is if it is small, and for its sound."""


class Panel(NamedTuple):
    """A video as the page holds it."""

    source: PanelSource
    video: bytes
    size: tuple[int, int]
    """(height, width) in which it was encoded."""
    is_copy: bool
    """False where it is the finished video itself, byte for byte."""


class Rung(NamedTuple):
    crf: int
    """x264's quality."""
    scale: float
    """Factor of the working size."""
    share: float
    """Share of the first rung's bytes, about."""


LADDER = (
    Rung(crf=20, scale=1.0, share=1.0),
    Rung(crf=26, scale=1.0, share=0.5),
    Rung(crf=30, scale=0.75, share=0.2),
    Rung(crf=34, scale=0.5, share=0.07),
)


def video_panel(
    name: str, label: str, description: str, path: Path, *, verbatim: bool = False
) -> PanelSource:
    """Show a video or frame store; `verbatim`: as it is where it is small, and with its sound."""

    def frames() -> Iterator[Frame]:
        with FrameStore(path) as store:
            yield from store.frames()

    return PanelSource(
        name=name,
        label=label,
        description=description,
        frames=frames,
        verbatim=path if verbatim else None,
    )


def make_panels(
    sources: Sequence[PanelSource], *, frame_rate: Fraction, num_frames: int, max_bytes: int
) -> tuple[tuple[Panel, ...], Rung]:
    """Encode every panel at the best quality at which all of them fit; the last rung always does.

    Args:
        max_bytes: limit for all videos together.

    Returns:
        The panels, and the quality of those that are copies.
    """
    rung = 0
    while True:
        panels = tuple(
            _panel(
                source,
                LADDER[rung],
                frame_rate=frame_rate,
                num_frames=num_frames,
                largest_verbatim=int(_VERBATIM_SHARE * max_bytes),
            )
            for source in sources
        )
        total = sum(len(panel.video) for panel in panels)
        if total <= max_bytes or rung == len(LADDER) - 1:
            return panels, LADDER[rung]
        # the first one below that should fit, by what the rungs are expected to save
        share = LADDER[rung].share * max_bytes / total
        fitting = (i for i in range(rung + 1, len(LADDER)) if LADDER[i].share <= share)
        rung = next(fitting, len(LADDER) - 1)


def jpeg(image: Image.Image, *, largest_px: int) -> bytes:
    """Encode an image as JPEG, downscaled where a side is longer than `largest_px`."""
    image.thumbnail((largest_px, largest_px), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return buffer.getvalue()


def _panel(
    source: PanelSource,
    quality: Rung,
    *,
    frame_rate: Fraction,
    num_frames: int,
    largest_verbatim: int,
) -> Panel:
    path = source.verbatim
    is_copy = path is None or not (
        path.stat().st_size <= largest_verbatim and plays_everywhere(path)
    )
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as scratch:
        if path is None or is_copy:
            frames = track(source.frames(), f"encode {source.name}", total=num_frames)
            path = Path(scratch) / "panel.mp4"
            write_video(
                path,
                (_resized(frame, quality.scale) for frame in frames),
                frame_rate=frame_rate,
                sound=source.verbatim if source.verbatim and has_sound(source.verbatim) else None,
                crf=quality.crf,
            )
        with FrameStore(path) as store:
            size = store.size
        return Panel(source=source, video=path.read_bytes(), size=size, is_copy=is_copy)


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


def _resized(frame: Frame, scale: float) -> UInt8[np.ndarray, "_ _ 3"]:
    height, width, _ = frame.shape
    factor = scale * min(1.0, _LARGEST_HEIGHT_PX / height)
    if factor == 1:
        return frame
    size = (max(2, round(width * factor)), max(2, round(height * factor)))
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS))

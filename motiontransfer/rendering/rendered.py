"""Section `render` of params.yaml; rendered clips on disk, with what their encoding must know.

Nothing here needs PyTorch, so that neither encoding nor signing waits for it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from pydantic import Field, TypeAdapter, ValidationError

from motiontransfer.core import layout
from motiontransfer.core.arrays import Frame, MaskedFrame
from motiontransfer.core.device import Precision
from motiontransfer.core.errors import MissingFileError, VideoError, one_line
from motiontransfer.core.parallel import in_thread
from motiontransfer.core.params import Idle, Section
from motiontransfer.core.storage import (
    read_checked_json,
    replacing_folder,
    sha256_of,
    write_checked_json,
)
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.rendering.compositing import FaceBlending, VisibleLabel
from motiontransfer.video.frame_store import frame_writer

FaceMode = Literal["residual", "none"]


class RenderParams(Section):
    """Section `render`, where each value is explained.

    The first three decide what `render` generates, `stature` what `place_in_film` does, the others
    what `encode` makes of it.
    """

    face: FaceMode | Literal["cycle"]
    face_blending: FaceBlending
    precision: Precision
    stature: Literal["dancer", "target"]
    match_light: bool
    height: int | None = Field(ge=16)
    crf: int = Field(ge=0, le=51)
    background: str = Field(pattern=r"^\w[^/\\]*$")
    contact_sheet_columns: int = Field(ge=1)
    provenance: Literal["c2pa", "none"]
    visible_label: VisibleLabel

    def idle(self) -> Iterator[Idle]:
        if self.face == "none":
            yield Idle("face_blending", "face is none")


_DESCRIPTION_FILE = "rendered.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What generated the frames of a clip."""

    style: PoseMapStyle
    """Style of the pose maps."""
    full_size: tuple[int, int]
    """(height, width) of the target's video, or without texture of the frames."""
    assertion: Mapping[str, object]
    """Networks and inputs, for the manifest of a video."""
    is_drawn: bool
    """Whether the puppet is drawn over the frames, which do not show the person."""
    stand_ins: Mapping[str, float]
    """Of the puppet, see `PuppetClip.stand_ins`; none without one."""


def transfer_assertion(
    networks: Mapping[str, tuple[Path, str]], source: Mapping[str, Path]
) -> Mapping[str, object]:
    """Hashes of the networks and inputs; no names.

    Args:
        networks: weights file and architecture by role, `generator` or `face`.
        source: files that show or describe the motion by kind, `frames`, `keypoints` or `video`;
            none of a camera's.
    """
    return {
        "networks": [
            {"role": role, "architecture": architecture, "weights_sha256": sha256_of(file)}
            for role, (file, architecture) in networks.items()
        ],
        "source": {f"{kind}_sha256": sha256_of(file) for kind, file in source.items()},
    }


def write_rendered(
    folder: Path, frames: Iterable[Frame | MaskedFrame], rendered: Rendered, *, frame_rate: Fraction
) -> None:
    """Write frames, lossless and in working pixels, and their description; atomically.

    There are none of a puppet alone, which is drawn in the size of the result. Where shadows are
    generated, they show the room, over which it is drawn.
    """
    with replacing_folder(folder) as work:
        write_checked_json(work / _DESCRIPTION_FILE, asdict(rendered))
        path = work / layout.FRAMES_FILE
        if frames == ():
            return
        with frame_writer(path, frame_rate=frame_rate) as write, in_thread(write) as write_later:
            for frame in frames:
                write_later(frame)


def read_rendered(folder: Path) -> Rendered:
    """Read the description; the frames are in the folder's `frames.mkv`.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: it is not as it was written.
        VideoError: it is not such a description.
    """
    path = folder / _DESCRIPTION_FILE
    if not path.exists():
        raise MissingFileError(f"{path}: missing; run the stage render for this transfer")
    try:
        return TypeAdapter(Rendered).validate_python(read_checked_json(path))
    except ValidationError as error:
        raise VideoError(
            f"{path}: not a description of rendered frames: {one_line(error)}; run render again"
        ) from error

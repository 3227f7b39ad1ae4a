"""Section `render` of params.yaml, for the pipeline and live transfer."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from motiontransfer.params import Section
from motiontransfer.rendering.compositing import VisibleLabel
from motiontransfer.rendering.faces import FaceBlending
from motiontransfer.rendering.renderer import FaceMode
from motiontransfer.training.distributed import Precision


class RenderParams(Section):
    """Section `render`, where each value is explained."""

    face: FaceMode | Literal["cycle"]
    face_blending: FaceBlending
    precision: Precision
    height: int | None = Field(ge=16)
    crf: int = Field(ge=0, le=51)
    contact_sheet_columns: int = Field(ge=1)
    provenance: Literal["c2pa", "none"]
    visible_label: VisibleLabel

    def choice_faults(self) -> Iterator[str]:
        """Blending without faces."""
        if self.face == "none" and self.face_blending != "feather":
            yield (
                "face_blending: has no effect where face is none; expected feather, got "
                f"{self.face_blending}"
            )

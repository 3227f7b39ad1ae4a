"""Section `render` of params.yaml, and the literals in it; without PyTorch."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from motiontransfer.device import Precision
from motiontransfer.params import Section
from motiontransfer.rendering.compositing import FaceBlending, VisibleLabel

FaceMode = Literal["residual", "none"]


class RenderParams(Section):
    """Section `render`, where each value is explained.

    The first three decide what `render` generates, the others what `encode` makes of it.
    """

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

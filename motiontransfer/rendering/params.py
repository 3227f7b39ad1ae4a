"""Section `render` of params.yaml, for the pipeline and live transfer."""

from typing import Literal

from pydantic import Field

from motiontransfer.errors import PARAMS_FILE, ParamsError
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

    def check_choices(self) -> None:
        """Refuse a blending where there is nothing to blend.

        Raises:
            ParamsError: there is one.
        """
        if self.face == "none" and self.face_blending != "feather":
            raise ParamsError(
                f"{PARAMS_FILE}: render.face_blending: has no effect where face is none; "
                f"expected feather, got {self.face_blending}"
            )

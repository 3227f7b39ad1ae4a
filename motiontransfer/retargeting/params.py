"""Sections of params.yaml on pose normalization, for the pipeline and live transfer."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from motiontransfer.core.params import Idle, Section
from motiontransfer.retargeting.normalization import MODES, Centering
from motiontransfer.retargeting.unfilmed_sides import UnfilmedSides


class FitNormalizationParams(Section):
    """Section `fit_normalization`: the arguments of `fit_statistics`."""

    min_score: float = Field(ge=0, le=1)
    cluster_fraction: float | None = Field(gt=0, le=1)
    cluster_epsilon_px: float | None = Field(gt=0)
    outlier_quantile: float = Field(ge=0.5, le=1)

    def conflicts(self) -> Iterator[str]:
        if None not in (self.cluster_fraction, self.cluster_epsilon_px):
            yield "cluster_epsilon_px: expected null where cluster_fraction is set, or the reverse"


def _known_mode(mode: str) -> str:
    mode = "body" if mode == "limbs" else mode  # as it was called before
    if mode not in MODES:
        raise ValueError(f"expected one of {', '.join(MODES)}")
    return mode


class NormalizationParams(Section):
    """Section `normalization`: the arguments of `normalize_poses`, and what is done after it."""

    mode: Annotated[str, AfterValidator(_known_mode)]
    centering: Centering | None
    path: Literal["fit", "as_danced"]
    smoothing: Literal["median", "gaussian", "none"]
    smoothing_frames: int = Field(ge=1)
    unfilmed_sides: UnfilmedSides

    def idle(self) -> Iterator[Idle]:
        if not MODES[self.mode].uses_floor:
            yield Idle("centering", f"mode is {self.mode}", None)
        if self.smoothing == "none":
            yield Idle("smoothing_frames", "smoothing is none")

    def conflicts(self) -> Iterator[str]:
        if self.centering is None and MODES[self.mode].uses_floor:
            yield f"centering: expected median or image with mode {self.mode}, got null"
        if self.smoothing_frames % 2 == 0:
            yield f"smoothing_frames: expected an odd number, got {self.smoothing_frames}"

"""Sections of params.yaml on pose normalization, for the pipeline and live transfer."""

from pydantic import Field

from motiontransfer.params import Section
from motiontransfer.retargeting.normalization import Centring, Mode, check_centring


class FitNormalizationParams(Section):
    """Section `fit_normalization`: the arguments of `fit_statistics`."""

    min_score: float = Field(ge=0, le=1)
    cluster_fraction: float | None = Field(gt=0, le=1)
    outlier_quantile: float = Field(ge=0.5, le=1)


class NormalizationParams(Section):
    """Section `normalization`: the arguments of `normalize_poses`."""

    mode: Mode
    centring: Centring | None

    def check_choices(self) -> None:
        """Refuse centring with a mode that does not center, and the reverse."""
        check_centring(self.mode, self.centring)

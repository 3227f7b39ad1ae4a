"""Ankle lines, heights and proportions of a subject: `python -m stages fit_normalization ada`."""

from dataclasses import asdict

from motiontransfer import layout
from motiontransfer.errors import MissingFileError, StatisticsError
from motiontransfer.keypoints import read_keypoints
from motiontransfer.params import load_section
from motiontransfer.retargeting.params import FitNormalizationParams
from motiontransfer.retargeting.plot import plot_statistics
from motiontransfer.retargeting.statistics import fit_statistics, write_statistics
from motiontransfer.storage import write_json

_NOT_COMPARED = ("image_size", "median_pose_px", "joints", "detector")


def main(subject: str) -> str:
    """Write the subject's statistics, a figure of them, and the number of frames used."""
    params = load_section(FitNormalizationParams, "fit_normalization")
    folder = layout.keypoints_folder(subject)
    paths = sorted(path for path in folder.glob("*.parquet") if not path.name.startswith("."))
    if not paths:
        raise MissingFileError(
            f"{folder}: no keypoints; expected a video whose subject is {subject} under videos "
            "in params.yaml"
        )
    clips = {path.stem: read_keypoints(path) for path in paths}
    try:
        statistics = fit_statistics(list(clips.values()), **params.model_dump())
    except StatisticsError as error:
        raise StatisticsError(f"{folder}: {error}") from error
    file = layout.statistics_file(subject)
    write_statistics(file, statistics)
    plot_statistics(file.with_suffix(".png"), clips, statistics, title=subject)
    metrics = {key: value for key, value in asdict(statistics).items() if key not in _NOT_COMPARED}
    write_json(layout.metrics_file("fit_normalization", subject), metrics)
    return f"{file}, and as a plot, .png"

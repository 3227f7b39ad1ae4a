"""Artifact paths, relative to the project's root: the outputs of dvc.yaml and files beside them.

`frames_file("ada", "walk")` is artifacts/frames/ada/walk/frames.mkv. The plot of a file has the
same name with the suffix .png.
"""

import re
from collections.abc import Callable
from pathlib import Path

FRAMES_FILE = "frames.mkv"
GENERATOR_FILE = "generator.safetensors"
DISCRIMINATOR_FILE = "discriminator.safetensors"
FACE_GENERATOR_FILE = "face_generator.safetensors"
FACE_CYCLE_FILE = "face_cycle.safetensors"
TRANSFER_FILE = "transfer.mp4"
COMPARISON_FILE = "comparison.mp4"
PREVIEW_FILE = "preview.mp4"
METRICS_FILE = "metrics.json"

VIDEOS_FOLDER = Path("data/videos")
TRUTH_FOLDER = Path("data/truth")
BACKGROUNDS_FOLDER = Path("data/backgrounds")
CHECKPOINTS_FOLDER = Path("checkpoints")
RESULTS_FOLDER = Path("results")
ARTIFACTS_FOLDER = Path("artifacts")
METRICS_FOLDER = ARTIFACTS_FOLDER / "metrics"
PARAMS_CHECKED_FILE = ARTIFACTS_FOLDER / "params_checked.json"
VIDEO_PARAMS_FOLDER = ARTIFACTS_FOLDER / "videos"
PARAMS_OF_RESULTS_FILE = ARTIFACTS_FOLDER / "params_of_results.json"
PLOTS_PAGE_FILE = ARTIFACTS_FOLDER / "plots_page.html"
INSPECTION_FOLDER = ARTIFACTS_FOLDER / "inspection"
COMPARISONS_FOLDER = ARTIFACTS_FOLDER / "comparisons"
LIVE_FOLDER = RESULTS_FOLDER / "live"


def _path_of(pattern: str) -> Callable[..., Path]:
    """Function from the names in braces, in their order, to a path."""
    names = re.findall(r"{(\w+)}", pattern)
    return lambda *values: Path(pattern.format_map(dict(zip(names, values, strict=True))))


code_file = _path_of("artifacts/code/{stage}.json")
video_params_file = _path_of("artifacts/videos/{video}/{stage}.json")
"""The keys of a video's entry in params.yaml that a stage reads."""
metrics_file = _path_of("artifacts/metrics/{stage}/{name}.json")
"""The few numbers of a training that `dvc metrics diff` compares."""
counts_file = _path_of("artifacts/counts/{stage}/{name}.json")
"""What a stage counted: frames, repairs, what it skipped."""
measurements_file = _path_of("artifacts/measurements/{stage}/{name}.parquet")
"""Tidy table of the measurements of `evaluate` or `evaluate_transfer`."""
clips_folder = _path_of("artifacts/frames/{subject}")
clip_folder = _path_of("artifacts/frames/{subject}/{video}")
frames_file = _path_of("artifacts/frames/{subject}/{video}/frames.mkv")
detections_file = _path_of("artifacts/detections/{subject}/{video}.parquet")
keypoints_folder = _path_of("artifacts/keypoints/{subject}")
keypoints_file = _path_of("artifacts/keypoints/{subject}/{video}.parquet")
quality_plot = _path_of("artifacts/quality/{subject}/{video}.png")
statistics_file = _path_of("artifacts/statistics/{subject}.json")
appearance_file = _path_of("artifacts/appearance/{target}.safetensors")
models_folder = _path_of("artifacts/models/{target}")
evaluation_folder = _path_of("artifacts/evaluation/{target}")
face_cycle_folder = _path_of("artifacts/face_cycles/{transfer}")
poses_file = _path_of("artifacts/poses/{transfer}.parquet")
rendered_folder = _path_of("artifacts/rendered/{transfer}")
results_folder = _path_of("results/{transfer}")
backgrounds_folder = _path_of("results/{transfer}/backgrounds")
"""The result over another background than its own room."""
transfer_evaluation_folder = _path_of("artifacts/evaluation_transfer/{transfer}")
detector_file = _path_of("artifacts/forensics/{name}.safetensors")
training_folder = _path_of("artifacts/training/{name}")
"""Curves and sample images of the trainings of a target, a transfer or the detectors."""


def masks_beside(keypoints: Path) -> Path:
    """Person masks of some frames of the video whose subject's keypoints a file has."""
    return keypoints.parents[2] / "masks" / keypoints.parent.name / keypoints.name


def appearance_beside(models: Path) -> Path:
    """Appearance of the target whose weights a folder has, in the same project."""
    return models.parent.parent / "appearance" / f"{models.name}.safetensors"

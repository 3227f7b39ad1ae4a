"""Artifact paths, relative to the project's root: the outputs of dvc.yaml and files beside them.

The plot of a file has the same name with the suffix .png.
"""

from pathlib import Path

FRAMES_FILE = "frames.mkv"
GENERATOR_FILE = "generator.safetensors"
DISCRIMINATOR_FILE = "discriminator.safetensors"
FACE_GENERATOR_FILE = "face_generator.safetensors"
FACE_CYCLE_FILE = "face_cycle.safetensors"
TRANSFER_FILE = "transfer.mp4"
COMPARISON_FILE = "comparison.mp4"
METRICS_FILE = "metrics.json"

VIDEOS_FOLDER = Path("data/videos")
TRUTH_FOLDER = Path("data/truth")
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


def code_file(stage: str) -> Path:
    return ARTIFACTS_FOLDER / "code" / f"{stage}.json"


def video_params_file(video: str, stage: str) -> Path:
    """The keys of a video's entry in params.yaml that a stage reads."""
    return VIDEO_PARAMS_FOLDER / video / f"{stage}.json"


def metrics_file(stage: str, name: str) -> Path:
    return METRICS_FOLDER / stage / f"{name}.json"


def clips_folder(subject: str) -> Path:
    return ARTIFACTS_FOLDER / "frames" / subject


def clip_folder(subject: str, video: str) -> Path:
    return clips_folder(subject) / video


def frames_file(subject: str, video: str) -> Path:
    return clip_folder(subject, video) / FRAMES_FILE


def detections_file(subject: str, video: str) -> Path:
    return ARTIFACTS_FOLDER / "detections" / subject / f"{video}.parquet"


def keypoints_folder(subject: str) -> Path:
    return ARTIFACTS_FOLDER / "keypoints" / subject


def keypoints_file(subject: str, video: str) -> Path:
    return keypoints_folder(subject) / f"{video}.parquet"


def masks_beside(keypoints: Path) -> Path:
    """Person masks of some frames of the video whose subject's keypoints a file has."""
    return keypoints.parents[2] / "masks" / keypoints.parent.name / keypoints.name


def quality_plot(subject: str, video: str) -> Path:
    return ARTIFACTS_FOLDER / "quality" / subject / f"{video}.png"


def statistics_file(subject: str) -> Path:
    return ARTIFACTS_FOLDER / "statistics" / f"{subject}.json"


def appearance_file(target: str) -> Path:
    return appearance_beside(models_folder(target))


def appearance_beside(models: Path) -> Path:
    """Appearance of the target whose weights a folder has, in the same project."""
    return models.parent.parent / "appearance" / f"{models.name}.safetensors"


def models_folder(target: str) -> Path:
    return ARTIFACTS_FOLDER / "models" / target


def face_cycle_folder(transfer: str) -> Path:
    return ARTIFACTS_FOLDER / "face_cycles" / transfer


def detector_file(name: str) -> Path:
    return ARTIFACTS_FOLDER / "forensics" / f"{name}.safetensors"


def training_folder(name: str) -> Path:
    """Curves and sample images of the trainings of a target, a transfer or the detectors."""
    return ARTIFACTS_FOLDER / "training" / name


def poses_file(transfer: str) -> Path:
    return ARTIFACTS_FOLDER / "poses" / f"{transfer}.parquet"


def rendered_folder(transfer: str) -> Path:
    return ARTIFACTS_FOLDER / "rendered" / transfer


def results_folder(transfer: str) -> Path:
    return RESULTS_FOLDER / transfer


def evaluation_folder(target: str) -> Path:
    return ARTIFACTS_FOLDER / "evaluation" / target


def transfer_evaluation_folder(transfer: str) -> Path:
    return ARTIFACTS_FOLDER / "evaluation_transfer" / transfer


def measurements_file(stage: str, name: str) -> Path:
    """Tidy table of the measurements of `evaluate` or `evaluate_transfer`."""
    return ARTIFACTS_FOLDER / "measurements" / stage / f"{name}.parquet"

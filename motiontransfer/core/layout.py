"""Artifact paths, relative to the project's root: the outputs of dvc.yaml and files beside them.

`frames_file("ada", "walk")` is artifacts/frames/ada/walk/frames.mkv. The plot of a file has the
same name with the suffix .png.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

FRAMES_FILE = "frames.mkv"
APPEARANCE_FILE = "appearance.safetensors"
GENERATOR_FILE = "generator.safetensors"
DISCRIMINATOR_FILE = "discriminator.safetensors"
FACE_GENERATOR_FILE = "face_generator.safetensors"
FACE_CYCLE_FILE = "face_cycle.safetensors"
TRANSFER_FILE = "transfer.mp4"
COMPARISON_FILE = "comparison.mp4"
SCENE_FILE = "scene.safetensors"
LEVELS_FILE = "levels.mkv"
FILM_OF_SCENE = "film"  # with its own suffix
PREVIEW_FILE = "preview.mp4"
REPORT_FILE = "report.html"
METRICS_FILE = "metrics.json"
GUIDE_FILE = "guide.mp4"
GUIDE_SHEET_FILE = "poses.png"
GUIDE_COUNTS_FILE = "counts.json"

VIDEOS_FOLDER = Path("data/videos")
TRUTH_FOLDER = Path("data/truth")
BACKGROUNDS_FOLDER = Path("data/backgrounds")
FILM, ALPHA = "film", "alpha"
"""Of backgrounds: the target's own room, and none."""
PLAIN_BACKGROUNDS: Mapping[str, tuple[int, int, int] | None] = MappingProxyType(
    {FILM: None, "green": (0, 177, 64), ALPHA: None}  # the chroma key's green
)
"""Backgrounds that are no pictures -> their color, if they are one."""
CHECKPOINTS_FOLDER = Path("checkpoints")
RESULTS_FOLDER = Path("results")
ARTIFACTS_FOLDER = Path("artifacts")
METRICS_FOLDER = ARTIFACTS_FOLDER / "metrics"
PARAMS_CHECKED_FILE = ARTIFACTS_FOLDER / "params_checked.json"
PARAMS_OF_RESULTS_FILE = ARTIFACTS_FOLDER / "params_of_results.json"
PLOTS_PAGE_FILE = ARTIFACTS_FOLDER / "plots_page.html"
INSPECTION_FOLDER = ARTIFACTS_FOLDER / "inspection"
COMPARISONS_FOLDER = ARTIFACTS_FOLDER / "comparisons"
LIVE_FOLDER = RESULTS_FOLDER / "live"


def inspections(name: str) -> tuple[Path, Path, Path]:
    """Of a video: its overlay as a film, and as a sheet; of a transfer: the poses it lacks."""
    film, sheet, poses = (
        INSPECTION_FOLDER / f"{name}{it}" for it in (".mp4", ".png", "_poses.png")
    )
    return film, sheet, poses


def code_file(stage: str) -> Path:
    return Path(f"artifacts/code/{stage}.json")


def video_params_file(video: str, stage: str) -> Path:
    """The keys of a video's entry in films.yaml that a stage reads."""
    return Path(f"artifacts/videos/{video}/{stage}.json")


def times_file(stage: str, name: str) -> Path:
    """How long a training took on this machine: no output, kept by neither git nor DVC."""
    return Path(f"artifacts/times/{name}/{stage}.json")


def counts_file(stage: str, name: str) -> Path:
    """What a stage counted: frames, repairs, what it skipped."""
    return Path(f"artifacts/counts/{name}/{stage}.json")


def measurements_file(stage: str, name: str) -> Path:
    """Tidy table of the measurements of `evaluate`, with its target's counts, or of a transfer."""
    if stage == "evaluate":
        return counts_file(stage, name).with_suffix(".parquet")
    return Path(f"artifacts/measurements/{stage}/{name}.parquet")


def clips_folder(subject: str) -> Path:
    return Path(f"artifacts/frames/{subject}")


def clip_folder(subject: str, video: str) -> Path:
    return Path(f"artifacts/frames/{subject}/{video}")


def frames_file(subject: str, video: str) -> Path:
    return Path(f"artifacts/frames/{subject}/{video}/frames.mkv")


def detections_file(subject: str, video: str) -> Path:
    return Path(f"artifacts/detections/{subject}/{video}.parquet")


def keypoints_folder(subject: str) -> Path:
    return Path(f"artifacts/keypoints/{subject}")


def keypoints_file(subject: str, video: str) -> Path:
    return Path(f"artifacts/keypoints/{subject}/{video}.parquet")


def motion_file(subject: str, video: str) -> Path:
    return Path(f"artifacts/motion/{subject}/{video}.parquet")


def quality_plot(subject: str, video: str) -> Path:
    return Path(f"artifacts/quality/{subject}/{video}.png")


def standing_plot(subject: str) -> Path:
    return Path(f"artifacts/standing/{subject}.png")


def statistics_file(subject: str) -> Path:
    return Path(f"artifacts/statistics/{subject}.json")


def appearance_file(target: str) -> Path:
    return models_folder(target) / APPEARANCE_FILE


def models_folder(target: str) -> Path:
    return Path(f"artifacts/models/{target}")


def evaluation_folder(target: str) -> Path:
    return Path(f"artifacts/evaluation/{target}")


def face_cycle_file(transfer: str) -> Path:
    """Where a transfer has a CycleGAN for faces: beside its poses, which `render` reads."""
    return Path(f"artifacts/poses/{transfer}") / FACE_CYCLE_FILE


def poses_file(transfer: str) -> Path:
    return Path(f"artifacts/poses/{transfer}/poses.parquet")


def place_file(transfer: str) -> Path:
    """Where a transfer's poses are in the dancer's film, if it is one of those `in_film`."""
    return poses_file(transfer).with_name("place.safetensors")


def scene_folder(video: str) -> Path:
    """A dancer's film without the dancer."""
    return Path(f"artifacts/scenes/{video}")


def rendered_folder(transfer: str) -> Path:
    return Path(f"artifacts/rendered/{transfer}")


def results_folder(transfer: str) -> Path:
    return Path(f"results/{transfer}")


def guide_folder(guide: str) -> Path:
    return Path(f"results/guides/{guide}")


def backgrounds_folder(transfer: str) -> Path:
    """The result over another background than its own room."""
    return Path(f"results/{transfer}/backgrounds")


def transfer_evaluation_folder(transfer: str) -> Path:
    return Path(f"artifacts/evaluation_transfer/{transfer}")


def detector_file(name: str) -> Path:
    return Path(f"artifacts/forensics/{name}.safetensors")


def training_folder(name: str) -> Path:
    """Curves and sample images of the trainings of a target, a transfer or the detectors."""
    return Path(f"artifacts/training/{name}")


def masks_beside(keypoints: Path) -> Path:
    """Person masks of some frames of the video whose subject's keypoints a file has."""
    return keypoints.parents[2] / "masks" / keypoints.parent.name / keypoints.name

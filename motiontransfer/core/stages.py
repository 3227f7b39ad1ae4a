"""Registry of the stages of dvc.yaml: what commands, forecasts, clusters and errors need of each.

What a stage reads and writes is in dvc.yaml, its params in its module in stages/.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    sentence: str = ""
    """What it does, to a person; `who` stands for its video or subject."""
    start_seconds: float = 6.0
    """Time to import libraries, load networks, and for a film of ten seconds if that is short."""
    seconds_per_frame: float = 0.0
    """CPU time for each frame of its film, or of a training's batches, for the default params."""
    most_frames: int | None = None
    """Frames of films that it takes; None: all."""
    gpu_memory_params: str = ""
    """Params that its memory on a GPU grows with; empty for a stage that uses none."""
    has_constant_outputs: bool = False
    """Outputs that are mostly the same as before: stages after it seldom run for its sake."""
    affects_results: bool = True
    """Whether a transfer's result depends on its section of params.yaml."""


STAGES: Mapping[str, Stage] = MappingProxyType(
    {
        "code": Stage(sentence="Reading the code", start_seconds=1.0, has_constant_outputs=True),
        "check_params": Stage(
            sentence="Checking the settings", start_seconds=1.2, has_constant_outputs=True
        ),
        "plots_page": Stage(sentence="Writing the page of plots"),
        "film": Stage(sentence="Filming the demo's {who}"),
        "decode": Stage(sentence="Reading the film of {who}", seconds_per_frame=0.02),
        "detect_keypoints": Stage(
            sentence="Finding the pose of {who}",
            start_seconds=3.0,
            seconds_per_frame=0.05,
            gpu_memory_params="compute.num_workers to 1",
        ),
        "clean_keypoints": Stage(sentence="Fitting a skeleton to {who}", start_seconds=3.0),
        "fit_normalization": Stage(sentence="Measuring {who}", start_seconds=1.0),
        "segment_person": Stage(sentence="Cutting out {who}"),
        "fit_appearance": Stage(
            sentence="Learning what {who} looks like", seconds_per_frame=0.28, most_frames=120
        ),
        "fit_scene": Stage(
            sentence="Removing {who} from the film", start_seconds=6.0, seconds_per_frame=0.1
        ),
        "place_in_film": Stage(sentence="Finding the place in the dancer's film"),
        "preview": Stage(
            sentence="Drawing a first look", seconds_per_frame=0.02, affects_results=False
        ),
        "guide": Stage(
            sentence="Drawing the poses to strike",
            start_seconds=4.0,
            seconds_per_frame=0.1,
            affects_results=False,
        ),
        "train_gan": Stage(
            sentence="Training on {who}",
            start_seconds=12.0,
            seconds_per_frame=0.2,
            gpu_memory_params="train_gan.batch_size, train_gan.num_filters or decode.size",
        ),
        "train_face_gan": Stage(
            sentence="Training the face of {who}",
            start_seconds=10.0,
            seconds_per_frame=0.03,
            gpu_memory_params=(
                "train_face_gan.batch_size, train_face_gan.num_filters or decode.size"
            ),
        ),
        "train_face_cycle": Stage(
            sentence="Training the face",
            start_seconds=1.0,
            seconds_per_frame=0.4,
            gpu_memory_params="train_face_cycle.batch_size or train_face_cycle.num_filters",
        ),
        "normalize": Stage(sentence="Fitting the dance to the body", start_seconds=0.5),
        "render": Stage(
            sentence="Drawing the frames",
            seconds_per_frame=0.03,
            gpu_memory_params="train_gan.num_filters or decode.size",
        ),
        "encode": Stage(sentence="Writing the video", start_seconds=2.0, seconds_per_frame=0.1),
        "evaluate": Stage(
            sentence="Comparing with unseen frames of {who}",
            start_seconds=15.0,
            gpu_memory_params="train_gan.num_filters or decode.size",
        ),
        "evaluate_transfer": Stage(
            sentence="Measuring the result",
            start_seconds=3.0,
            seconds_per_frame=0.11,
            gpu_memory_params="render.height",
        ),
        "report": Stage(
            sentence="Writing the report", seconds_per_frame=0.055, affects_results=False
        ),
        "train_forensics": Stage(
            sentence="Training the detector of rendered video",
            gpu_memory_params="train_forensics.batch_size or train_forensics.num_filters",
            affects_results=False,
        ),
    }
)
"""Stage -> its facts, in the order of dvc.yaml; `film` is the demo's."""


def sentence_of(stage: str, who: Mapping[str, str] = MappingProxyType({})) -> str:
    """What a stage such as `decode@waltz` does.

    Args:
        who: what to call videos and subjects; others go by their names.
    """
    group, _, key = stage.partition("@")
    known = STAGES.get(group, Stage()).sentence
    return known.format(who=who.get(key, key)) or stage

"""Check all of params.yaml before anything is computed: `python -m stages check_params`.

Videos, subjects, targets and transfers must fit together, and each section be as its stage expects
it: an error in the last stage's section is raised before the first stage runs. The output is
constant, so a new video invalidates no other stage.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from motiontransfer.errors import ParamsError
from motiontransfer.forensics.training import TrainForensicsParams
from motiontransfer.parallel import Compute
from motiontransfer.params import PARAMS_FILE, Name, Section, Transfer, load_section
from motiontransfer.pose.detectors.registry import load_detector
from motiontransfer.storage import write_json
from stages.clean_keypoints import CleanKeypointsParams
from stages.decode import DecodeParams
from stages.evaluate import EvaluateParams
from stages.evaluate_transfer import EvaluateTransferParams
from stages.fit_normalization import FitNormalizationParams
from stages.render import NormalizationParams, RenderParams
from stages.report import PARAMS_OF_RESULTS, ReportParams
from stages.train_face_cycle import TrainFaceCycleParams
from stages.train_face_gan import TrainFaceGanParams
from stages.train_gan import TrainGanParams

SECTIONS = {
    "decode": DecodeParams,
    "clean_keypoints": CleanKeypointsParams,
    "fit_normalization": FitNormalizationParams,
    "normalization": NormalizationParams,
    "train_gan": TrainGanParams,
    "train_face_gan": TrainFaceGanParams,
    "train_face_cycle": TrainFaceCycleParams,
    "render": RenderParams,
    "evaluate": EvaluateParams,
    "evaluate_transfer": EvaluateTransferParams,
    "report": ReportParams,
    "train_forensics": TrainForensicsParams,
    "compute": Compute,
}
"""Section -> its model; but for `detect_keypoints`, whose model depends on the detector."""

OF_RESULTS = (
    *("decode", "detect_keypoints", "clean_keypoints", "fit_normalization", "normalization"),
    *("train_gan", "train_face_gan", "train_face_cycle"),
    *("render", "evaluate", "evaluate_transfer"),
)
"""Sections that every result depends on, for the report."""


class Video(Section):
    """One entry of `videos`; the stages that use them check crop, detector and person."""

    path: Path
    subject: Name
    crop: object = "none"
    detector: object = None
    person: object = "largest"


def main() -> None:
    """Raise one error that lists every fault; if there is none, say so and write OF_RESULTS."""
    faults = [*_faults_of_names(), *_faults_of_sections()]
    if faults:
        raise ParamsError("\n".join(dict.fromkeys(faults)))  # a detector's is every video's
    write_json(Path("artifacts/params_checked.json"), {"names_fit_together": True})
    write_json(PARAMS_OF_RESULTS, {name: load_section(dict, name) for name in OF_RESULTS})


def _faults_of_sections() -> Iterator[str]:
    for name, model in SECTIONS.items():
        yield from _fault(lambda name=name, model=model: load_section(model, name))
    for video in load_section(dict, "videos"):
        yield from _fault(lambda video=video: load_detector(video))


def _fault(load: Callable[[], object]) -> list[str]:
    try:
        load()
    except ParamsError as error:
        return [str(error)]
    return []


def _faults_of_names() -> list[str]:
    videos = load_section(dict[Name, Video], "videos")
    subjects = load_section(list[Name], "subjects")
    targets = load_section(list[Name], "targets")
    transfers = load_section(dict[Name, Transfer], "transfers")
    load_section(list[Name], "detectors")
    faults = [
        *_video_faults(videos, subjects),
        *_unknown("targets", targets, subjects, "subjects"),
        *(
            fault
            for name, transfer in transfers.items()
            for fault in _transfer_faults(f"transfers.{name}", transfer, videos, targets)
        ),
    ]
    return [f"{PARAMS_FILE}: {fault}" for fault in faults]


def _video_faults(videos: dict[str, Video], subjects: list[str]) -> list[str]:
    filmed = {video.subject for video in videos.values()}
    return [
        *(
            f"videos.{name}.subject: unknown subject {video.subject!r}; subjects lists {subjects}"
            for name, video in videos.items()
            if video.subject not in subjects
        ),
        *(
            f"videos.{name}.path: no such file: {video.path}; copy the video there"
            for name, video in videos.items()
            if not video.path.exists() and not _is_made_or_pulled(video.path)
        ),
        *(
            f"subjects: {subject!r} is in no video; name it as the subject of one, or remove it"
            for subject in subjects
            if subject not in filmed
        ),
    ]


def _transfer_faults(
    key: str, transfer: Transfer, videos: dict[str, Video], targets: list[str]
) -> list[str]:
    faults = [
        *_unknown(f"{key}.source", [transfer.source], list(videos), "videos"),
        *_unknown(f"{key}.target", [transfer.target], targets, "targets"),
    ]
    video = videos.get(transfer.source)
    if video is not None and video.subject != transfer.source_subject:
        faults.append(
            f"{key}.source_subject: expected {video.subject!r}, the subject of "
            f"videos.{transfer.source}, got {transfer.source_subject!r}"
        )
    truth = transfer.truth_path
    if truth is not None and not truth.exists() and not _is_made_or_pulled(truth):
        faults.append(f"{key}.truth: no such file: {truth}; use `none` where there is no truth")
    return faults


def _unknown(key: str, names: list[str], known: list[str], section: str) -> list[str]:
    return [
        f"{key}: unknown name {name!r}; {section} has {known}"
        for name in names
        if name not in known
    ]


def _is_made_or_pulled(path: Path) -> bool:
    """True if another pipeline, as the demo's, makes the file, or DVC can pull it."""
    made = any(
        pipeline.parent in path.parents or str(path) in pipeline.read_text(encoding="utf-8")
        for pipeline in Path().glob("*/dvc.yaml")
    )
    kept = [path, *path.parents]
    return made or any(p.with_name(f"{p.name}.dvc").exists() for p in kept if p.name)

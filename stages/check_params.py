"""Check params.yaml and films.yaml before anything runs: `python -m stages check_params`.

An error in the last stage's section is raised before the first stage runs. Writes
artifacts/videos/<video>/<stage>.json, the keys of the video's entry that a stage reads, so that
editing another video or key reruns nothing.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from motiontransfer.core import layout
from motiontransfer.core.errors import FILMS_FILE, ParamsError, VideoError
from motiontransfer.core.names import CASE_ONLY, folded, is_device
from motiontransfer.core.params import (
    FILM_LISTS,
    PARAMS_FILE,
    Compute,
    DancersScene,
    Name,
    Pair,
    PersonAt,
    Section,
    SplitParams,
    Transfer,
    load_params,
    load_section,
)
from motiontransfer.core.stages import STAGES
from motiontransfer.core.storage import write_checked_json, write_json
from motiontransfer.evaluation.params import EvaluateParams, EvaluateTransferParams
from motiontransfer.models.choices import HAS_IMAGE
from motiontransfer.pose.detectors import load_detector
from motiontransfer.rendering.backgrounds import NO_MASK, check_background
from motiontransfer.rendering.rendered import RenderParams
from motiontransfer.retargeting.params import FitNormalizationParams, NormalizationParams
from motiontransfer.training.params import (
    LoggingParams,
    TrainFaceCycleParams,
    TrainFaceGanParams,
    TrainForensicsParams,
    TrainGanParams,
)
from stages.clean_keypoints import CleanEntry, CleanKeypointsParams
from stages.decode import DecodeEntry, DecodeParams
from stages.detect_keypoints import DetectEntry
from stages.fit_appearance import FitAppearanceParams
from stages.report import ReportParams

_MODELS: tuple[type[Section], ...] = (
    DecodeParams,
    CleanKeypointsParams,
    FitNormalizationParams,
    NormalizationParams,
    SplitParams,
    FitAppearanceParams,
    TrainGanParams,
    TrainFaceGanParams,
    TrainFaceCycleParams,
    RenderParams,
    TrainForensicsParams,
    LoggingParams,
    Compute,
    EvaluateParams,
    EvaluateTransferParams,
    ReportParams,
)
SECTIONS = {model.section(): model for model in _MODELS}
"""Section -> its model; but for `detect_keypoints`, whose model depends on the detector."""


_PAIRS = ("guides", "in_film", "face_cycles")
_ENTRIES: dict[str, type[Section]] = {
    "decode": DecodeEntry,
    "detect_keypoints": DetectEntry,
    "clean_keypoints": CleanEntry,
}
"""Stage -> the keys of an entry of `videos` that it reads."""


class VideoParams(CleanEntry, DetectEntry, DecodeEntry):
    """An entry of `videos`."""


def main() -> None:
    """Refuse params with a fault; if there is none, write the sections of results."""
    check()
    write_json(layout.PARAMS_CHECKED_FILE, {"names_fit_together": True})
    write_video_params()
    results = {name: params for name, params in load_params().items() if affects_results(name)}
    write_checked_json(layout.PARAMS_OF_RESULTS_FILE, results)


def check() -> None:
    """Check params.yaml and films.yaml; commands that tell what would run ask this, too.

    Raises:
        ParamsError: a line for each fault.
        MissingFileError: one of the two files is not there.
    """
    of_names = (f"{FILMS_FILE}: {fault}" for fault in _together(_name_faults()))
    faults = [*of_names, *_section_faults()]
    faults = faults or [*_conflicts()]
    if faults:
        raise ParamsError("\n".join(dict.fromkeys(faults)))  # a detector's is every video's


def affects_results(section: str) -> bool:
    """Whether a transfer's result depends on a section; those of names are in its own params."""
    is_stage = section in STAGES and STAGES[section].affects_results
    return is_stage or section in ("normalization", "split")


def write_video_params() -> None:
    """Write the keys of each video's entry that each stage reads, with their defaults.

    `decode` has the working size beside them. DVC finds past runs by all params but those named
    `size`, as it leaves the sizes of files out. It would restore frames of another size.
    """
    size = load_section(DecodeParams, "decode").size
    for name, video in load_section(dict[Name, VideoParams], "videos").items():
        for stage, model in _ENTRIES.items():
            # An entry without one of these has the same file as before there was such a key.
            without = {key for key in ("rotate", "trim") if not getattr(video, key)}
            keys, beside = set(model.model_fields) - without, {}
            if stage == "decode":
                beside["decode.size"] = size
                if video.crop == "auto" and isinstance(video.person, PersonAt):
                    keys.add("person")
            entry = video.model_dump(mode="json", include=keys)
            file = layout.video_params_file(name, stage)
            write_checked_json(file, {"videos": {name: entry}, **beside})


def _section_faults() -> Iterator[str]:
    videos = load_section(dict[Name, VideoParams], "videos")
    checks: list[Callable[[], object]] = [
        *(partial(load_section, model, name) for name, model in SECTIONS.items()),
        *(partial(load_detector, name, own=video.detector) for name, video in videos.items()),
    ]
    return _raised(checks)


def _conflicts() -> Iterator[str]:
    """Valid values that do not go together."""
    sections = (load_section(model, name) for name, model in SECTIONS.items())
    checks = [section.check_conflicts for section in sections]
    return _raised([*checks, _check_poses, _check_faces, _check_height, _check_background])


def _raised(checks: list[Callable[[], object]]) -> Iterator[str]:
    for check in checks:
        try:
            check()
        except ParamsError as error:
            yield str(error)


def _check_poses() -> None:
    repair = load_section(CleanKeypointsParams, "clean_keypoints").repair
    if repair != "body" and load_section(NormalizationParams, "normalization").mode == "body":
        raise ParamsError(
            f"{PARAMS_FILE}: normalization.mode: body needs the skeleton that clean_keypoints fits "
            f"with repair: body, got repair: {repair}; set one of mode: ankle and repair: body"
        )


def _check_faces() -> None:
    face_cycles = load_section(dict[Name, Pair], "face_cycles")
    transfers = load_section(dict[Name, Transfer], "transfers")
    if face_cycles and load_section(TrainFaceCycleParams, "train_face_cycle").steps == 0:
        raise ParamsError(
            f"{PARAMS_FILE}: train_face_cycle.steps: expected 1 or more for the face_cycles of "
            f"{FILMS_FILE}, got 0"
        )
    face = load_section(RenderParams, "render").face
    if load_section(TrainGanParams, "train_gan").texture == "puppet" and face != "residual":
        raise ParamsError(
            f"{PARAMS_FILE}: render.face: has no effect where train_gan.texture is puppet, as the "
            f"faces are those of the target's film; expected residual, got {face}"
        )
    if face == "cycle" and transfers and not face_cycles:
        raise ParamsError(
            f"{PARAMS_FILE}: render.face: cycle is trained of transfers in face_cycles of "
            f"{FILMS_FILE} to targets in trained, and there is none; choose residual or none"
        )


def _check_height() -> None:
    """The least; the most is that of a target's films, which `encode` knows."""
    size = load_section(DecodeParams, "decode").size
    height = load_section(RenderParams, "render").height
    least = size if isinstance(size, int) else size[0]
    if height is not None and height < least:
        raise ParamsError(
            f"{PARAMS_FILE}: render.height: expected null, or {least} or more, the height of the "
            f"working image (decode.size), got {height}"
        )


def _check_background() -> None:
    key = f"{PARAMS_FILE}: render.background"
    background = load_section(RenderParams, "render").background
    if background == layout.FILM:
        return
    if not HAS_IMAGE[load_section(TrainGanParams, "train_gan").background]:
        raise ParamsError(f"{key}: {NO_MASK.format(background)}")
    file = layout.BACKGROUNDS_FOLDER / background
    if _is_missing(file):
        raise ParamsError(
            f"{key}: no such file: {file}; copy a picture or video there, or set {layout.FILM}"
        )
    try:
        if file.is_file():  # one that DVC has yet to bring is opened by encode
            check_background(background)
    except VideoError as error:
        raise ParamsError(f"{key}: {error}") from error


def _together(faults: Iterable[str]) -> Iterator[str]:
    """The same fault of many entries as one, as where a subject was renamed."""
    groups: dict[tuple[str, str], list[str]] = {}
    for fault in faults:
        key, _, told = fault.partition(": ")
        groups.setdefault((re.sub(r"\..*\.", "..", key), told), []).append(key)
    for (_, told), keys in groups.items():
        others = f" and {len(keys) - 1} others" if len(keys) > 1 else ""
        yield f"{keys[0]}{others}: {told}"


def _name_faults() -> Iterator[str]:
    """Names that are unknown, and files that are missing."""
    videos = load_section(dict[Name, VideoParams], "videos")
    transfers = load_section(dict[Name, Transfer], "transfers")
    scenes = load_section(dict[Name, DancersScene], "scenes")
    lists = {key: load_section(list[Name], key) for key in FILM_LISTS}
    pairs = {key: load_section(dict[Name, Pair], key) for key in _PAIRS}
    known = {"videos": videos, "transfers": transfers, "scenes": scenes, **lists, **pairs}

    def unknown(key: str, name: str, section: str) -> Iterator[str]:
        if name not in known[section]:
            yield f"{key}: unknown name {name!r}; {section} has {[*known[section]]}"

    def of_pair(key: str, pair: Pair, targets: str) -> Iterator[str]:
        yield from unknown(f"{key}.source", pair.source, "videos")
        source = videos.get(pair.source)
        if source and source.subject != pair.source_subject:
            yield (
                f"{key}.source_subject: expected {source.subject!r}, the subject of "
                f"videos.{pair.source}, got {pair.source_subject!r}"
            )
        yield from unknown(f"{key}.target", pair.target, targets)

    for key in ("videos", "subjects", "detectors", "transfers", "guides"):
        yield from _unusable(key, known[key])
    filmed = {video.subject for video in videos.values()}
    for name, video in videos.items():
        key = f"videos.{name}"
        yield from unknown(f"{key}.subject", video.subject, "subjects")
        if _is_missing(video.path):
            yield f"{key}.path: no such file: {video.path}; copy it there, or delete videos.{name}"
    for subject in lists["subjects"]:
        if subject not in filmed:
            yield f"subjects: {subject!r} is in no video; name it as one's subject, or remove it"
    for key, section in {"targets": "subjects", "trained": "targets"}.items():
        for target in lists[key]:
            yield from unknown(key, target, section)
    for name, transfer in transfers.items():
        yield from of_pair(f"transfers.{name}", transfer, "targets")
        truth = transfer.truth_path
        if truth is not None and _is_missing(truth):
            key = f"transfers.{name}.truth"
            yield f"{key}: no such file: {truth}; `none` stands for no ground truth"
    for name, guide in pairs["guides"].items():
        yield from of_pair(f"guides.{name}", guide, "subjects")
    for name, scene in scenes.items():
        if name not in videos or videos[name].subject != scene.subject:
            yield f"scenes.{name}: expected a video and its subject; videos has {list(videos)}"
        elif (
            scene.film != videos[name].path and scene.film.parts[:1] != layout.RESULTS_FOLDER.parts
        ):
            yield f"scenes.{name}.film: expected {videos[name].path}, or a result in it"
    for key in ("in_film", "face_cycles"):
        for name, pair in pairs[key].items():
            if name not in transfers:
                yield f"{key}.{name}: unknown name; transfers has {list(transfers)}"
            elif pair != Pair(**transfers[name].model_dump(exclude={"truth"})):
                yield f"{key}.{name}: expected the source and target of transfers.{name}"
    for name, pair in pairs["in_film"].items():
        yield from unknown(f"in_film.{name}.source", pair.source, "scenes")
    for name, pair in pairs["face_cycles"].items():
        yield from unknown(f"face_cycles.{name}.target", pair.target, "trained")


def _unusable(key: str, names: Iterable[str]) -> Iterator[str]:
    """Names that some systems refuse, or take for one file."""
    known: dict[str, str] = {}
    for name in names:
        if is_device(name):
            yield f"{key}: {name!r} is a device on Windows, and no file; choose another name"
        other = known.setdefault(folded(name), name)
        if other != name:
            yield f"{key}: {CASE_ONLY.format(other, name)}"


def _is_missing(path: Path) -> bool:
    """True unless the file is there, another pipeline makes it (the demo's), or DVC can pull it."""
    is_made = any(
        pipeline.parent in path.parents or path.as_posix() in pipeline.read_text(encoding="utf-8")
        for pipeline in Path().glob("*/dvc.yaml")
    )
    kept = [path, *path.parents]
    can_pull = any(p.with_name(f"{p.name}.dvc").exists() for p in kept if p.name)
    return not (path.exists() or is_made or can_pull)

"""How well rendered video is told from filmed: each subject by a detector that never saw them.

    uv run python -m benchmarks.forensics FOLDER... [--other-recipe FOLDER...] [--real CLIP...]

A FOLDER is a finished project; subjects of the same name are taken for the same person, and at
least two must be targets. Each target in turn is held out: a detector is trained with this
project's `train_forensics` params on the others, calibrated on the later parts of their clips, and
tested on everything of the one who was held out. `--other-recipe` names projects whose renders are
only tested on: of the same subjects, by networks that were trained otherwise. `--real` names filmed
clips, to count false alarms on.

`pair` sees two consecutive frames, `frame`, the baseline, one, by the same network. Scores are
pooled over the subjects after calibration, so one threshold serves all; counted in pairs of frames,
with 95 % intervals by bootstrap of seconds.
"""

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from benchmarks.machine import recorded
from motiontransfer.fabric import Fabric
from motiontransfer.forensics.corruptions import CORRUPTIONS, EXACT
from motiontransfer.forensics.data import (
    ProjectClips,
    TargetClips,
    both_sides,
    project_clips,
    split_clips,
)
from motiontransfer.forensics.evaluation import Scores, evaluate, metrics, score_clips
from motiontransfer.forensics.model import DetectorConfig, TrainedDetector, write_detector
from motiontransfer.forensics.predict import predict_video
from motiontransfer.forensics.training import TrainForensicsParams, train_detector
from motiontransfer.params import Name, Transfer, load_section
from motiontransfer.target_clips import HeldOut
from motiontransfer.training.distributed import make_fabric

_OTHER_RECIPE = "other_recipe"
_DETECTORS: dict[str, Literal[1, 2]] = {"pair": 2, "frame": 1}


def main() -> None:
    """Train and test each fold; rows of all subjects together, of each, and of filmed clips."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="finished projects")
    parser.add_argument("--other-recipe", type=Path, nargs="*", default=[], help="only tested on")
    parser.add_argument("--real", type=Path, nargs="*", default=[], help="filmed clips")
    arguments = parser.parse_args()
    params = load_section(TrainForensicsParams, "train_forensics")
    fabric = make_fabric(precision=params.precision)
    with recorded("forensics") as rows, tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        clips = _clips(arguments.folders, params, fabric, scratch / "clips")
        others = _clips(arguments.other_recipe, params, fabric, scratch / "other")
        subjects = [target.subject for target in clips.targets]
        if len(subjects) < 2:
            parser.error(f"expected at least two subjects who are targets, got {subjects}")
        for name, input_frames in _DETECTORS.items():
            scores_of: dict[str, dict[str, Scores]] = {}
            for subject in subjects:
                weights = scratch / name / f"{subject}.safetensors"
                detector = _train(clips, subject, input_frames, params, fabric, weights)
                scores_of[subject] = _test(detector, clips, others, subject)
            for corruption in [*CORRUPTIONS, _OTHER_RECIPE]:
                tested = [of[corruption] for of in scores_of.values() if corruption in of]
                if tested:
                    rows.append({"detector": name, "tested on": corruption, **_row(*tested)})
            for subject, of in scores_of.items():
                rows.append({"detector": name, "tested on": subject, **_row(of[EXACT])})
                weights = scratch / name / f"{subject}.safetensors"
                rows += _false_alarms(f"{name}, without {subject}", weights, arguments.real)


def _clips(
    roots: Sequence[Path], params: TrainForensicsParams, fabric: Fabric, folder: Path
) -> ProjectClips:
    """Of several projects, those of one subject together."""
    parts = [
        project_clips(
            root,
            fabric,
            targets=load_section(list[Name], "targets", path=root / "params.yaml"),
            transfers=load_section(dict[Name, Transfer], "transfers", path=root / "params.yaml"),
            face=params.face,
            held_out=params.fill(HeldOut),
            max_frames=params.max_frames,
            folder=folder / str(index),
        )
        for index, root in enumerate(roots)
    ]
    by_subject: dict[str, TargetClips] = {}
    for target in (target for part in parts for target in part.targets):
        known = by_subject.get(target.subject)
        by_subject[target.subject] = target if known is None else _merged(known, target)
    unseen = {
        (clip.subject, clip.video, clip.frames.start): clip
        for part in parts
        for clip in part.unseen
        if clip.subject not in by_subject
    }
    return ProjectClips(targets=list(by_subject.values()), unseen=list(unseen.values()))


def _merged(one: TargetClips, other: TargetClips) -> TargetClips:
    return TargetClips(
        subject=one.subject,
        training=[*one.training, *other.training],
        held_out=[*one.held_out, *other.held_out],
        transfers=[*one.transfers, *other.transfers],
    )


def _train(
    clips: ProjectClips,
    held_out: str,
    input_frames: Literal[1, 2],
    params: TrainForensicsParams,
    fabric: Fabric,
    weights: Path,
) -> TrainedDetector:
    """Train on all subjects but one; write the detector."""
    split = split_clips(_with_last(clips, held_out))
    detector, _ = train_detector(
        split.training,
        split.calibration,
        fabric,
        config=params.fill(DetectorConfig, input_frames=input_frames),
        schedule=params.schedule,
        crop_size=params.crop_size,
        ema_decay=params.ema_decay,
        folder=weights.with_suffix(""),
    )
    write_detector(weights, detector, trained_on={})
    return detector


def _with_last(clips: ProjectClips, subject: str) -> ProjectClips:
    targets = sorted(clips.targets, key=lambda target: target.subject == subject)
    return replace(clips, targets=targets)


def _test(
    detector: TrainedDetector, clips: ProjectClips, others: ProjectClips, subject: str
) -> dict[str, Scores]:
    """Calibrated scores after each corruption: a pair counts as rendered from 0 on."""
    scores = evaluate(detector, split_clips(_with_last(clips, subject)).test)
    for target in others.targets:
        if target.subject == subject:
            fake = score_clips(
                detector,
                [*both_sides([*target.training, *target.held_out]).fake, *target.transfers],
                corruption=CORRUPTIONS[EXACT],
                description=f"test {_OTHER_RECIPE}",
            )
            scores[_OTHER_RECIPE] = Scores(real=scores[EXACT].real, fake=fake)
    slope, offset = detector.calibration.slope, detector.calibration.offset
    return {
        name: Scores(
            real=[slope * logits + offset for logits in raw.real],
            fake=[slope * logits + offset for logits in raw.fake],
        )
        for name, raw in scores.items()
    }


def _row(*tested: Scores) -> dict[str, object]:
    """Metrics of the scores together."""
    pooled = Scores(
        real=[second for scores in tested for second in scores.real],
        fake=[second for scores in tested for second in scores.fake],
    )
    found = metrics(pooled, threshold=0.0)
    confusion, seconds = found["confusion"], found["seconds"]
    return {
        "AUC": _interval(found, "auc"),
        "accuracy": _interval(found, "accuracy"),
        "real called rendered": _share(confusion["real"], "predicted_fake"),
        "rendered called real": _share(confusion["fake"], "predicted_real"),
        "seconds, real / rendered": f"{seconds['real']} / {seconds['fake']}",
    }


def _interval(found: Mapping, name: str) -> str:
    return f"{found[name]:.3f} [{found[f'{name}_low']:.3f}, {found[f'{name}_high']:.3f}]"


def _share(counts: Mapping[str, int], error: str) -> str:
    return f"{counts[error]} of {sum(counts.values())}"


def _false_alarms(name: str, weights: Path, clips: Sequence[Path]) -> Iterator[dict[str, object]]:
    for clip in clips:
        said = predict_video(clip, weights)
        alarms = sum(probability >= 0.5 for _, probability in said.per_second)
        wrong = f"{alarms} of {len(said.per_second)} s, {said.synthesised:.2f}"
        yield {"detector": name, "tested on": clip.stem, "real called rendered": wrong}


if __name__ == "__main__":
    main()

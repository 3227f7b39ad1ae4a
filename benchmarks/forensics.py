"""How well rendered video is told from filmed: each subject by a detector that never saw them.

    uv run python -m benchmarks.forensics FOLDER... [--other-recipe FOLDER...] [--real CLIP...]

A FOLDER is a finished project; subjects of the same name are taken for the same person, and at
least two must be targets. Each target in turn is held out: a detector is trained with this
project's `train_forensics` params on the others, calibrated on the later parts of their clips, and
tested on everything of the one who was held out. `--other-recipe` names projects whose renders are
only tested on: of the same subjects, by networks that were trained otherwise. `--real` names filmed
clips, to count false alarms on.

Both columns are the same network: `pair` sees two consecutive frames, `frame`, the baseline, one.
Scores are pooled over the subjects after calibration, so one threshold serves all; counted in pairs
of frames, with 95 % intervals by bootstrap of seconds.
"""

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from motiontransfer.fabric import Fabric
from motiontransfer.forensics.corruptions import CORRUPTIONS, EXACT
from motiontransfer.forensics.data import (
    ProjectClips,
    Split,
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
from motiontransfer.training.clips import HeldOut
from motiontransfer.training.distributed import make_fabric

OTHER_RECIPE = "other_recipe"
_DETECTORS: dict[str, Literal[1, 2]] = {"pair": 2, "frame": 1}

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """One subject held out."""

    subject: str
    detector: TrainedDetector
    scores_of: dict[str, Scores]
    """After calibration: from 0 on a pair counts as fake."""


def main() -> None:
    """Measure, and print tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="finished projects")
    parser.add_argument("--other-recipe", type=Path, nargs="*", default=[], help="only tested on")
    parser.add_argument("--real", type=Path, nargs="*", default=[], help="filmed clips")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    params = load_section(TrainForensicsParams, "train_forensics")
    fabric = make_fabric(precision=params.precision)
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as folder:
        scratch = Path(folder)
        clips = _clips(arguments.folders, params, fabric, scratch / "clips")
        others = _clips(arguments.other_recipe, params, fabric, scratch / "other")
        folds_of: dict[str, list[Fold]] = {}
        for name, input_frames in _DETECTORS.items():
            folds_of[name] = [
                _fold(
                    clips, others, subject, input_frames, params, fabric, scratch / name / subject
                )
                for subject in [target.subject for target in clips.targets]
            ]
        print(_table(folds_of))  # noqa: T201
        print(_by_subject(folds_of))  # noqa: T201
        if arguments.real:
            print(_false_alarms(folds_of["pair"], arguments.real, scratch))  # noqa: T201


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


def _fold(
    clips: ProjectClips,
    others: ProjectClips,
    subject: str,
    input_frames: Literal[1, 2],
    params: TrainForensicsParams,
    fabric: Fabric,
    folder: Path,
) -> Fold:
    split = _held_out(clips, subject)
    detector, _ = train_detector(
        split.training,
        split.calibration,
        fabric,
        config=params.fill(DetectorConfig, input_frames=input_frames),
        schedule=params.schedule,
        crop_size=params.crop_size,
        ema_decay=params.ema_decay,
        folder=folder,
    )
    raw = evaluate(detector, split.test)
    for target in others.targets:
        if target.subject == subject:
            fake = score_clips(
                detector,
                [*both_sides([*target.training, *target.held_out]).fake, *target.transfers],
                corruption=CORRUPTIONS[EXACT],
                description=f"test {OTHER_RECIPE}",
            )
            raw[OTHER_RECIPE] = Scores(real=raw[EXACT].real, fake=fake)
    scores_of = {name: _calibrated(detector, scores) for name, scores in raw.items()}
    for name, scores in scores_of.items():
        row = metrics(scores, threshold=0.0)
        _logger.info(
            "%d frames, %s held out, %s: %s", input_frames, subject, name, _cell(row, "auc")
        )
    return Fold(subject=subject, detector=detector, scores_of=scores_of)


def _held_out(clips: ProjectClips, subject: str) -> Split:
    last = [target for target in clips.targets if target.subject == subject]
    known = [target for target in clips.targets if target.subject != subject]
    if not known:
        raise SystemExit(f"expected at least two subjects who are targets, got only {subject}")
    return split_clips(replace(clips, targets=[*known, *last]))


def _calibrated(detector: TrainedDetector, scores: Scores) -> Scores:
    slope, offset = detector.calibration.slope, detector.calibration.offset
    real, fake = (
        [slope * logits + offset for logits in seconds] for seconds in (scores.real, scores.fake)
    )
    return Scores(real=real, fake=fake)


def _pooled(folds: Sequence[Fold], corruption: str) -> Scores:
    tested = [fold.scores_of[corruption] for fold in folds if corruption in fold.scores_of]
    return Scores(
        real=[second for scores in tested for second in scores.real],
        fake=[second for scores in tested for second in scores.fake],
    )


def _table(folds_of: dict[str, list[Fold]]) -> str:
    lines = [
        "| corruption | AUC, pair | AUC, frame | accuracy, pair | accuracy, frame "
        "| pair: real called rendered | pair: rendered called real | seconds, real / rendered |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for corruption in [*CORRUPTIONS, OTHER_RECIPE]:
        if not any(corruption in fold.scores_of for fold in folds_of["pair"]):
            continue
        rows = {
            name: metrics(_pooled(folds, corruption), threshold=0.0)
            for name, folds in folds_of.items()
        }
        confusion, seconds = rows["pair"]["confusion"], rows["pair"]["seconds"]
        cells = [_cell(row, name) for name in ("auc", "accuracy") for row in rows.values()]
        wrong = [
            f"{confusion[kind][error]} of {sum(confusion[kind].values())}"
            for kind, error in (("real", "predicted_fake"), ("fake", "predicted_real"))
        ]
        cells = [corruption, *cells, *wrong, f"{seconds['real']} / {seconds['fake']}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(row: dict, name: str) -> str:
    return f"{row[name]:.3f} [{row[f'{name}_low']:.3f}, {row[f'{name}_high']:.3f}]"


def _by_subject(folds_of: dict[str, list[Fold]]) -> str:
    lines = [
        "",
        f"| held out, {EXACT} | AUC, pair | AUC, frame | accuracy, pair | accuracy, frame |",
        "|---|---|---|---|---|",
    ]
    for folds in zip(*folds_of.values(), strict=True):
        rows = [metrics(fold.scores_of[EXACT], threshold=0.0) for fold in folds]
        cells = [f"{row[name]:.3f}" for name in ("auc", "accuracy") for row in rows]
        lines.append(f"| {' | '.join([folds[0].subject, *cells])} |")
    return "\n".join(lines)


def _false_alarms(folds: Sequence[Fold], clips: Sequence[Path], scratch: Path) -> str:
    lines = [
        "",
        "| filmed clip | " + " | ".join(f"without {fold.subject}" for fold in folds) + " |",
        "|---" * (len(folds) + 1) + "|",
    ]
    for clip in clips:
        cells = []
        for fold in folds:
            weights = scratch / f"{fold.subject}.safetensors"
            write_detector(weights, fold.detector, trained_on={})
            said = predict_video(clip, weights)
            alarms = sum(probability >= 0.5 for _, probability in said.per_second)
            low, high = said.interval
            cells.append(
                f"{said.synthesised:.2f} [{low:.2f}, {high:.2f}], {alarms} of "
                f"{len(said.per_second)} s"
            )
        lines.append(f"| {' | '.join([clip.stem, *cells])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

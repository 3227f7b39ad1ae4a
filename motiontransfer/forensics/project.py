"""A project's detector: from what it filmed and can render to weights, metrics and a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning_fabric import Fabric

from motiontransfer.forensics.division import Division, divide, seconds_of
from motiontransfer.forensics.footage import Footage, Share, input_files, project_footage
from motiontransfer.forensics.network import DetectorConfig
from motiontransfer.forensics.picture import plot_trial
from motiontransfer.forensics.trained import write_detector
from motiontransfer.forensics.training import DetectorSettings, train_detector
from motiontransfer.forensics.trial import measures, try_detector
from motiontransfer.nets.blocks import count_parameters
from motiontransfer.params import Transfer
from motiontransfer.rendering.renderer import FaceMode
from motiontransfer.source_fingerprint import source_files
from motiontransfer.training.checkpoints import run_folder, run_key
from motiontransfer.training.device import arithmetic
from motiontransfer.training.processes import wait_for_all
from motiontransfer.training.run_log import copy_logs
from motiontransfer.training.schedule import Schedule

_OTHER_SUBJECT = "{}, who was not trained on"
_SAME_SUBJECT = (
    "later frames and the transfers of {}, who was trained on, and filmed people who were not: "
    "with one target nothing can be said about renders of other subjects"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Whom a project films and renders."""

    root: Path
    """Its folder."""
    targets: Sequence[str]
    transfers: Mapping[str, Transfer]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorPaths:
    """Where a run keeps things."""

    checkpoints: Path
    """Runs that are not finished; outside DVC's outs."""
    weights: Path
    logs: Path
    """Curves and pictures."""


def make_detector(
    project: Project,
    fabric: Fabric,
    *,
    config: DetectorConfig,
    settings: DetectorSettings,
    schedule: Schedule,
    face: FaceMode,
    share: Share,
    paths: DetectorPaths,
) -> dict[str, object]:
    """Render, train, calibrate and test; write weights, curves and a picture; return metrics.

    Raises:
        MissingFileError: an artifact is not there.
        TrainingError: there is too little to train, calibrate or test on.
    """
    inputs = input_files(project.root, targets=project.targets, transfers=project.transfers)
    key = run_key(
        [config, settings, schedule, face, share, *arithmetic(fabric)],
        [*inputs, *source_files(__name__)],
    )
    with run_folder(fabric, paths.checkpoints, key) as folder:
        division = divide(_footage(project, fabric, face=face, share=share, folder=folder))
        detector, effort = train_detector(
            division.training,
            division.calibration,
            fabric,
            config=config,
            settings=settings,
            schedule=schedule,
            folder=folder,
        )
        if not fabric.is_global_zero:
            return {}
        scores_of = try_detector(detector, division.test)
        copy_logs(folder, paths.logs)
        shows = _shows(division)
        plot_trial(
            paths.logs / "trial.png",
            detector,
            division.test,
            scores_of,
            title=f"Detector of rendered video, tested on {shows.split(':')[0]}",
        )
        trained_on = seconds_of(division.training).description
        write_detector(paths.weights, detector, trained_on=trained_on)
    return {
        **effort.metrics,
        "detector_parameters": count_parameters(detector.network),
        "trained_on": trained_on,
        "calibrated_on": seconds_of(division.calibration).description,
        "tested_on": {"what": shows, **division.test.description},
        **measures(detector, scores_of),
    }


def _footage(
    project: Project, fabric: Fabric, *, face: FaceMode, share: Share, folder: Path
) -> Footage:
    """The first process renders; the others wait, and find all of it."""
    if not fabric.is_global_zero:
        wait_for_all(fabric)
    footage = project_footage(
        project.root,
        fabric,
        targets=project.targets,
        transfers=project.transfers,
        face=face,
        share=share,
        folder=folder,
    )
    if fabric.is_global_zero:
        wait_for_all(fabric)
    return footage


def _shows(division: Division) -> str:
    if division.held_out_subject is not None:
        return _OTHER_SUBJECT.format(division.held_out_subject)
    return _SAME_SUBJECT.format(division.training[0].real.subject)

"""Poses of a turning dance, as the stages make them of what was detected, with today's numbers."""

from dataclasses import replace
from pathlib import Path

from motiontransfer.body.completion import complete
from motiontransfer.body.fit import fit_body
from motiontransfer.body.repair import repair, with_guesses
from motiontransfer.core import layout
from motiontransfer.core.params import load_section
from motiontransfer.pose.cleaning import Filling
from motiontransfer.pose.keypoints import Keypoints, read_detections
from motiontransfer.pose.subject import choose_person
from motiontransfer.retargeting.in_view import fit_path
from motiontransfer.retargeting.normalization import normalize_poses
from motiontransfer.retargeting.params import FitNormalizationParams, NormalizationParams
from motiontransfer.retargeting.statistics import fit_statistics
from stages.clean_keypoints import CleanKeypointsParams


def danced(project: Path, case: str) -> Keypoints:
    """The dance on the target, in the working image, from both films' detections."""
    dance, own = (cleaned(project, name) for name in (f"{case.partition('_')[0]}_dance", case))
    fitting = load_section(FitNormalizationParams, "fit_normalization").model_dump()
    source, target = (fit_statistics([film], **fitting) for film in (dance, own))
    params = load_section(NormalizationParams, "normalization")
    poses = normalize_poses(
        dance, mode=params.mode, centering=params.centering, source=source, target=target
    )
    return fit_path(poses, dance, target)[0]


def cleaned(project: Path, film: str) -> Keypoints:
    detections = read_detections(project / layout.detections_file(film, film))
    tracks = choose_person(detections, "largest")
    detected = detections.of_person(*tracks)
    motion = fit_body(detected, detections.world_of_person(*tracks))
    filling = load_section(CleanKeypointsParams, "clean_keypoints").to_config(Filling)
    repaired, _ = repair(detected, motion, filling)
    keypoints = with_guesses(complete(repaired, motion), motion)
    return replace(keypoints, depth=motion.depth())

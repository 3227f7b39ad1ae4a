"""Poses of turning actors against the truth: joints, sides, yaw, and fast turns of wrists.

    uv run python -m benchmarks.transfer.turning_joints FOLDER/CHECKOUT [--every 3]

CHECKOUT is a project that `benchmarks.transfer.turning` made in FOLDER; its detections are cleaned
by this code. A row is a film: detected, with gaps filled and smoothed, then repaired by the body.
Of one in `--every` frames, actors move as many times as fast.

- `joints`: mean error of 14 joints without each joint's constant, % of the height.
- `missing`: share of them, %.
- `sides`: frames in which left and right are exchanged.
- `yaw`: mean error of hips and shoulders, degrees.
- `turns`: how often a wrist turns back within .15 s. Then the share whose extreme is within 2 %
  of the height of the true one.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float64

from benchmarks.machine import recorded
from benchmarks.transfer.turning_films import Shown, joints_file, read_definition
from motiontransfer.body.completion import complete
from motiontransfer.body.fit import fit_body
from motiontransfer.body.repair import repair, with_guesses
from motiontransfer.body.sides import measured_yaw
from motiontransfer.core import layout
from motiontransfer.core.params import load_section
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.pose.cleaning import Filling, fill
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.keypoints_file import read_detections, read_keypoints
from motiontransfer.pose.skeleton import BODY_JOINTS
from motiontransfer.pose.subject import choose_person
from motiontransfer.retargeting.in_view import fit_path
from motiontransfer.retargeting.normalization import normalize_poses
from motiontransfer.retargeting.params import FitNormalizationParams, NormalizationParams
from motiontransfer.retargeting.statistics import fit_statistics
from stages.clean_keypoints import CleanKeypointsParams

_JOINTS = [
    BODY_JOINTS.index(f"{side}_{part}")
    for side in ("left", "right")
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "heel")
]
_WRISTS = [BODY_JOINTS.index(f"{side}_wrist") for side in ("left", "right")]
_TURN_SECONDS, _TURN_WAY = 0.15, 0.03  # of a fast turn; least way before and after it, heights
_OPPOSITE = -0.3  # cosine between these ways
_NEAR = 2.0  # % of the height


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path, metavar="FOLDER/CHECKOUT")
    parser.add_argument("--every", type=int, default=1, metavar="FRAMES")
    arguments = parser.parse_args()
    project, every = arguments.project.resolve(), arguments.every
    pairs = read_definition()["pairs"]
    films = [f"{pair}_{film}" for pair in pairs for film in ("dance", *pairs[pair]["films"])]
    with recorded("turning_joints") as rows:
        for film in films:
            rows.append({"film": film, **Film.read(project, film, every).row()})
        names = dict.fromkeys(name for row in rows for name in row if name != "film")
        known = {name: [row[name] for row in rows if name in row] for name in names}
        rows.append({"film": "mean", **{name: np.mean(of) for name, of in known.items()}})
        rows[:] = [
            {k: v if isinstance(v, str | int) else round(float(v), 2) for k, v in row.items()}
            for row in rows
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """A film's poses, as detected and as cleaned, and the truth."""

    detected: Keypoints
    gaps: Keypoints
    """Detected ones with gaps filled, smoothed."""
    cleaned: Keypoints
    world: Float[np.ndarray, "frames joints 3"]
    """The detector's world landmarks."""
    true: Keypoints

    @classmethod
    def read(cls, project: Path, name: str, every: int) -> "Film":
        pair, _, shown = name.partition("_")
        kind: Shown = "dance" if shown == "dance" else "own"
        detected, world = detected_in(project, name, every)
        true = read_keypoints(joints_file(project.parent, pair, kind))
        if kind == "own":
            start, end = (round(s * true.frame_rate) for s in read_definition()["films"][shown])
            true = true.part(range(start, end))
        true = true.part([*range(0, true.num_frames, every)])
        return cls(
            detected=detected,
            gaps=fill(detected, _filling())[0],
            cleaned=cleaned(project, name, every),
            world=world,
            true=true.resized(detected.image_size),
        )

    def row(self) -> dict[str, float]:
        """The film's figures."""
        turns = self._turns()
        rows: dict[str, float] = {"frames": self.true.num_frames}
        for name, poses in (("detected", self.gaps), ("cleaned", self.cleaned)):
            seen, off = poses.score[:, _JOINTS] > 0, self._off(poses)
            rows |= {
                f"joints {name}": float(off[:, _JOINTS][seen].mean()),
                f"missing {name}": 100 * float(1 - seen.mean()),
                f"sides {name}": int(self._is_exchanged(poses).sum()),
            }
        rows |= {
            "yaw detected": self._yaw_error(self.world.astype(np.float64)),
            "yaw cleaned": self._yaw_error(_in_space(self.cleaned)),
            "turns": len(turns),
        }
        for name, poses in (("detected", self.detected), ("cleaned", self.cleaned)):
            near = [self._off(poses)[turn] < _NEAR for turn in turns]
            rows |= {f"turns {name}": float(np.mean(near))} if near else {}
        return rows

    def _off(self, poses: Keypoints) -> Float64[np.ndarray, "frames joints"]:
        """Distance of the body's joints without each joint's median offset, % of the height."""
        body = poses.skeleton.slice("body")
        away = poses.points[:, body].astype(np.float64) - self.true.points[:, body]
        away = np.where(poses.score[:, body, None] > 0, away, np.nan)
        away -= np.nanmedian(away, axis=0)
        return 100 / body_height_px(self.true) * np.linalg.norm(away, axis=2)

    def _is_exchanged(self, poses: Keypoints) -> np.ndarray:
        everywhere = np.ones(poses.num_frames, np.bool_)
        own, other = (
            np.nanmean(self._away(it), axis=1) for it in (poses, poses.exchanged(everywhere))
        )
        return other < own

    def _away(self, poses: Keypoints) -> Float64[np.ndarray, "frames joints"]:
        away = np.linalg.norm(poses.points[:, _JOINTS] - self.true.points[:, _JOINTS], axis=2)
        return np.where(poses.score[:, _JOINTS] > 0, away, np.nan)

    def _yaw_error(self, joints: Float64[np.ndarray, "frames joints 3"]) -> float:
        """Degrees."""
        turn = measured_yaw(joints) - measured_yaw(_in_space(self.true))
        return float(np.degrees(np.abs(np.angle(np.exp(1j * turn)))).mean())

    def _turns(self) -> list[tuple[int, int]]:
        """Frame and joint of each fast turn of a true wrist that was detected."""
        reach = max(1, round(_TURN_SECONDS * float(self.true.frame_rate) / 2))
        height = body_height_px(self.true)
        found = []
        for joint in _WRISTS:
            places = self.true.points[:, joint].astype(np.float64) / height
            ways = places[reach:] - places[:-reach]
            came, went = ways[:-reach], ways[reach:]
            lengths = [np.linalg.norm(way, axis=1) for way in (came, went)]
            turns = np.min(lengths, axis=0) > _TURN_WAY
            turns &= (came * went).sum(axis=1) < _OPPOSITE * lengths[0] * lengths[1]
            at = reach + np.flatnonzero(turns)
            found += [(i, joint) for i in at.tolist() if self.detected.score[i, joint] > 0]
        return found


def _in_space(poses: Keypoints) -> Float64[np.ndarray, "frames joints 3"]:
    """Joints of the body with their depth, heights."""
    body, depth = poses.skeleton.slice("body"), poses.depth
    assert depth is not None
    flat = poses.points[:, body].astype(np.float64) / body_height_px(poses)
    return np.concatenate([flat, depth[:, body, None]], axis=2)


def _filling() -> Filling:
    return load_section(CleanKeypointsParams, "clean_keypoints").to_config(Filling)


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


def detected_in(
    project: Path, film: str, every: int
) -> tuple[Keypoints, Float[np.ndarray, "frames joints 3"]]:
    """What was detected of the actor in one of so many frames, and the world landmarks."""
    detections = read_detections(project / layout.detections_file(film, film))
    tracks = choose_person(detections, "largest")
    detected, world = detections.of_person(*tracks), detections.world_of_person(*tracks)
    return detected.part([*range(0, detected.num_frames, every)]), world[::every]


def cleaned(project: Path, film: str, every: int = 1) -> Keypoints:
    detected, world = detected_in(project, film, every)
    motion = fit_body(detected, world)
    repaired, _ = repair(detected, motion, _filling())
    keypoints = with_guesses(complete(repaired, motion), motion)
    return replace(keypoints, depth=motion.depth())


if __name__ == "__main__":
    main()

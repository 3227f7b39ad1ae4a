"""The demo with the joints of each detector: frames with a face, and how alike the results are.

    uv run python -m benchmarks.detectors FOLDER [--only NAME ...]

After `uv run dvc repro`. MediaPipe's detections of the demo's two films are written as other
detectors write theirs, with the joints that these know. A project in FOLDER imports them, trains
and transfers. So rows differ by the joints that there are, not by how well a detector finds them;
`mediapipe_tasks` alone detects anew. Rows whose poses are another's are not trained again. Keypoint
R-CNN knows the joints of COCO-18. FOLDER/NAME.png are the contact sheets.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from benchmarks.machine import recorded
from benchmarks.transfer.project import make_project, reproduce, write_params
from benchmarks.transfer.results import value_at
from motiontransfer.core.layout import measurements_file
from motiontransfer.evaluation.measurements import read_measurements
from motiontransfer.evaluation.metrics import nested
from motiontransfer.pose.boxes import face_boxes
from motiontransfer.pose.keypoints import Keypoints, read_detections, read_keypoints
from motiontransfer.pose.skeleton import (
    BODY_25,
    COCO_18,
    COCO_WHOLEBODY,
    LEFT_HAND_JOINTS,
    OPENPOSE_FACE_70,
    RIGHT_HAND_JOINTS,
    JointSet,
    remap_joints,
)

OPENPOSE_PARTS = {
    "pose": BODY_25,
    "face": OPENPOSE_FACE_70,
    "hand_left": LEFT_HAND_JOINTS,
    "hand_right": RIGHT_HAND_JOINTS,
}
_TRANSFER = "ada_as_ben"
_METRICS = {
    "held out": (measurements_file("evaluate", "ada"), "ours"),
    "transfer": (measurements_file("evaluate_transfer", _TRANSFER), "truth.ours"),
}
_FIGURES = {
    **{region: f"{region}.likeness" for region in ("person", "face", "hands")},
    "sharpness": "person.sharpness",
}


class _Video(NamedTuple):
    clip: str
    name: str
    subject: str

    @property
    def keypoints(self) -> Path:
        return Path("artifacts/keypoints") / self.subject / f"{self.name}.parquet"


_VIDEOS = _Video("target", "demo_target", "ada"), _Video("source", "demo_dance", "ben")
_ROWS = {
    "mediapipe_holistic": ("mediapipe_holistic",) * 2,
    "mixed": ("mediapipe_holistic", "openpose_json"),
    "openpose_json": ("openpose_json",) * 2,
    "openpose_json_coco_18": ("openpose_json_coco_18",) * 2,
    "coco_wholebody": ("coco_wholebody",) * 2,
    "mediapipe_tasks": ("mediapipe_tasks",) * 2,
}
"""Name -> detector of the target and of the source."""


def main() -> None:
    """A row for each detector."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=_ROWS, default=list(_ROWS))
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    make_project(folder, "demo/clips", "data/truth")
    known: dict[bytes, dict[str, object]] = {}
    with recorded("detectors") as rows:
        for name in arguments.only:
            _set_detectors(folder, _ROWS[name])
            reproduce(folder, *(f"clean_keypoints@{video.name}" for video in _VIDEOS))
            cleaned = [read_keypoints(folder / video.keypoints) for video in _VIDEOS]
            poses = b"".join(clip.points.tobytes() + clip.score.tobytes() for clip in cleaned)
            if poses not in known:
                reproduce(folder, "evaluate@ada", f"evaluate_transfer@{_TRANSFER}")
                sheet = folder / "results" / _TRANSFER / "contact_sheet.png"
                shutil.copy(sheet, folder / f"{name}.png")
                known[poses] = _row(folder, cleaned)
            rows.append({"detector": name, **known[poses]})
            print(*rows[-1].values(), file=sys.stderr, flush=True)  # noqa: T201 - it takes an hour


def _set_detectors(folder: Path, detectors: Sequence[str]) -> None:
    videos = {}
    for video, detector in zip(_VIDEOS, detectors, strict=True):
        path = Path("demo/clips") / f"{video.clip}.mp4"
        if not detector.startswith("mediapipe"):
            path = _with_keypoints(folder, video, detector)
        named = detector.removesuffix("_coco_18")
        videos[video.name] = {
            **{"path": str(path), "subject": video.subject, "crop": "none", "detector": named}
        }
    write_params(folder, {"videos": videos})


def _with_keypoints(folder: Path, video: _Video, detector: str) -> Path:
    """Folder of a film and MediaPipe's detections in it, as another detector writes them."""
    path = Path("data/videos") / detector / video.clip
    (folder / path).mkdir(parents=True, exist_ok=True)
    shutil.copy(Path("demo/clips") / f"{video.clip}.mp4", folder / path)
    found = read_detections(Path("artifacts/detections") / video.subject / f"{video.name}.parquet")
    keypoints = found.of_person(found.people[0])
    if detector == "coco_wholebody":
        write_coco_wholebody(folder / path, keypoints)
    elif detector == "openpose_json":
        write_openpose(folder / path, keypoints, OPENPOSE_PARTS)
    else:
        write_openpose(folder / path, keypoints, {"pose": COCO_18})
    return path


def write_openpose(folder: Path, keypoints: Keypoints, parts: Mapping[str, JointSet]) -> None:
    """A file for each frame with these parts' joints."""
    of_part = {part: _as_set(keypoints, joints) for part, joints in parts.items()}
    for index in range(keypoints.num_frames):
        person = {
            f"{part}_keypoints_2d": found[index].ravel().tolist() for part, found in of_part.items()
        }
        content = json.dumps({"version": 1.3, "people": [person]})
        path = folder / f"dance_{index:012d}_keypoints.json"
        path.write_text(content, encoding="utf-8")


def write_coco_wholebody(folder: Path, keypoints: Keypoints) -> None:
    """One file as rtmlib's arrays."""
    content = [
        {"keypoints": [found[:, :2].tolist()], "scores": [found[:, 2].tolist()]}
        for found in _as_set(keypoints, COCO_WHOLEBODY)
    ]
    (folder / "dance.json").write_text(json.dumps(content), encoding="utf-8")


def _as_set(keypoints: Keypoints, joints: JointSet) -> Float[np.ndarray, "frames joints 3"]:
    """x, y and score of a set's joints; zeros for those that are unknown."""
    found = np.dstack([keypoints.points, keypoints.score])
    return remap_joints(found, source=keypoints.skeleton.joints, target=joints)


def _row(folder: Path, cleaned: Sequence[Keypoints]) -> dict[str, object]:
    poses = read_keypoints(folder / f"artifacts/poses/{_TRANSFER}/poses.parquet")
    row: dict[str, object] = {
        f"faces, {role}": f"{face_boxes(of)[1].sum()} of {of.num_frames}"
        for role, of in zip(("target", "source", "transfer"), (*cleaned, poses), strict=True)
    }
    for measured, (path, system) in _METRICS.items():
        metrics = nested(read_measurements(folder / path))
        for figure, key in _FIGURES.items():
            value = value_at(metrics, f"{system}.{key}")
            row[f"{measured}: {figure}"] = "none" if value is None else f"{value:.3f}"
    return row


if __name__ == "__main__":
    main()

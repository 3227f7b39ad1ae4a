"""Frames a second of `draw_poses` on the CPU, against a loop of OpenCV lines that draws the same.

    uv run python -m benchmarks.drawing [--keypoints FILE.parquet] [--size 512]

Both draw the same poses in turns, in one process, so that what else the machine does burdens both.
The fastest turn of each counts; in brackets, frames for each second that cores were busy with it
(median of its turns), which others on the machine change least. OpenCV draws 8-bit lines one after
another (`cv2.line`, anti-aliased, ends to 1/16 of a pixel, a whole number of pixels thick);
`to tensor` adds what a network needs of that: float32, channels first. `differ` is the mean
difference of the two pictures. For heatmaps the loop is NumPy's, one window a joint.
"""

import argparse
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch

from motiontransfer.keypoints import read_keypoints
from motiontransfer.pose.drawing import Encoding, PoseMapStyle, draw_poses
from motiontransfer.pose.limb_palette import limb_palette
from motiontransfer.skeleton import FACE_JOINTS, HOLISTIC, LEFT_HAND_JOINTS, Skeleton

_BATCHES = (1, 8)
_FRAMES_A_TURN = 8
_THREADS = (1, 2)
_ENCODINGS: tuple[Encoding, ...] = ("sticks", "limbs", "heatmaps")
_SHIFT = 4  # bits of the position within a pixel that OpenCV takes

# (x, y) of someone 1 high, from between the hips; the right side is the mirrored left.
_BODY = {
    **{"nose": (0.0, -0.42), "left_eye": (0.02, -0.44), "left_ear": (0.05, -0.43)},
    **{"left_shoulder": (0.11, -0.3), "left_elbow": (0.21, -0.16), "left_wrist": (0.26, -0.01)},
    **{"left_index": (0.28, 0.07), "left_pinky": (0.25, 0.07), "left_hip": (0.06, 0.0)},
    **{"left_knee": (0.08, 0.25), "left_ankle": (0.09, 0.5), "left_heel": (0.08, 0.52)},
    "left_foot_index": (0.13, 0.54),
}


def main() -> None:
    """Measure and print one table for each number of threads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keypoints", type=Path, help="of a clip; without it, of a drawn figure")
    parser.add_argument("--size", type=int, default=512, help="height and width, pixels")
    parser.add_argument("--line-width", type=float, default=10.0, help="of a body stick, pixels")
    parser.add_argument("--frames", type=int, default=160, help="how many poses are drawn")
    arguments = parser.parse_args()
    if arguments.keypoints:
        keypoints = read_keypoints(arguments.keypoints)
        scale = arguments.size / max(keypoints.image_size)
        points, score, skeleton = keypoints.points * scale, keypoints.score, keypoints.skeleton
    else:
        points, score = _figure(arguments.frames, arguments.size)
        skeleton = HOLISTIC
    points, score = points[: arguments.frames], score[: arguments.frames]
    size = (arguments.size, arguments.size)
    for threads in _THREADS:
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
        _say(f"\n{threads} thread(s), {size[0]}x{size[1]}, frames a second:")
        names = [*(f"batch {batch}" for batch in _BATCHES), "loop", "to tensor", "differ, of 255"]
        _say(" " * 10 + "".join(f"{name:>14}" for name in names[:-1]) + f"{names[-1]:>16}")
        for encoding in _ENCODINGS:
            style = PoseMapStyle(encoding=encoding, line_width_px=arguments.line_width)
            _say(_row(points, score, skeleton=skeleton, size=size, style=style))


def _row(
    points: np.ndarray,
    score: np.ndarray,
    *,
    skeleton: Skeleton,
    size: tuple[int, int],
    style: PoseMapStyle,
) -> str:
    def ours(frames: range, batch: int) -> Iterator[np.ndarray]:
        for start in frames[::batch]:
            chunk = slice(start, start + batch)
            with torch.inference_mode():
                pose_maps = draw_poses(
                    torch.from_numpy(points[chunk]),
                    torch.from_numpy(score[chunk]),
                    skeleton=skeleton,
                    size=size,
                    style=style,
                )
            yield from pose_maps.numpy()

    def loop(frames: range) -> Iterator[np.ndarray]:
        draw = _spots if style.encoding == "heatmaps" else _lines
        for i in frames:
            yield draw(points[i], score[i], skeleton=skeleton, size=size, style=style)

    def tensors(frames: range) -> Iterator[torch.Tensor]:
        for picture in loop(frames):
            yield torch.from_numpy(picture)[None].float().div(255).contiguous()

    ways = [*(partial(ours, batch=batch) for batch in _BATCHES), loop, tensors]
    wall: list[list[float]] = [[] for _ in ways]
    cores: list[list[float]] = [[] for _ in ways]
    far = []
    for start in range(0, len(points) - _FRAMES_A_TURN + 1, _FRAMES_A_TURN):
        frames = range(start, start + _FRAMES_A_TURN)
        for number, way in enumerate(ways):
            began = time.perf_counter(), time.process_time()
            for _ in way(frames):
                pass
            wall[number].append(time.perf_counter() - began[0])
            cores[number].append(time.process_time() - began[1])
        pairs = zip(ours(frames, batch=1), loop(frames), strict=True)
        far += [np.abs(255 * a - b).mean() for a, b in pairs]
    rates = [
        f"{_FRAMES_A_TURN / min(of_wall):.0f} ({_FRAMES_A_TURN / median(of_cores):.0f})"
        for of_wall, of_cores in zip(wall, cores, strict=True)
    ]
    return f"{style.encoding:10}{''.join(f'{rate:>14}' for rate in rates)}{np.mean(far):16.3f}"


def _lines(
    points: np.ndarray,
    score: np.ndarray,
    *,
    skeleton: Skeleton,
    size: tuple[int, int],
    style: PoseMapStyle,
) -> np.ndarray:
    """One pose as OpenCV draws it: one call a limb."""
    palette = limb_palette(skeleton, "limbs" if style.encoding == "limbs" else "sticks")
    planes = np.zeros((style.num_channels, *size), np.uint8)
    picture = np.zeros((*size, 3), np.uint8)
    fixed = np.round(points * (1 << _SHIFT)).astype(int).tolist()
    for start, end, thinning, channels, shades in zip(
        *(palette.start, palette.end, palette.thinning, palette.channels, palette.shades),
        strict=True,
    ):
        confidence = min(score[start], score[end])
        if confidence <= 0:
            continue
        limbs = style.encoding == "limbs"
        cv2.line(
            planes[channels[0]] if limbs else picture,
            fixed[start],
            fixed[end],
            255 * float(confidence) if limbs else tuple(255 * shade for shade in shades),
            thickness=max(1, round(style.line_width_px * thinning)),
            lineType=cv2.LINE_AA,
            shift=_SHIFT,
        )
    return planes if style.encoding == "limbs" else picture.transpose(2, 0, 1)


def _spots(
    points: np.ndarray,
    score: np.ndarray,
    *,
    skeleton: Skeleton,
    size: tuple[int, int],
    style: PoseMapStyle,
) -> np.ndarray:
    """One pose's heatmaps with NumPy, one spot after another; OpenCV has no such call."""
    names = (
        *("nose", "neck", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow"),
        *("left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee"),
        *("left_ankle", "right_ankle", "left_eye", "right_eye", "left_ear", "right_ear"),
    )
    planes = np.zeros((len(names), *size), np.float32)
    sigma, reach = style.line_width_px, int(4 * style.line_width_px)
    for plane, name in zip(planes, names, strict=True):
        of = ("left_shoulder", "right_shoulder") if name == "neck" else (name,)
        indices = [skeleton.index(joint) for joint in of]
        x, y = points[indices].mean(0)
        left, right = max(int(x) - reach, 0), min(int(x) + reach + 2, size[1])
        top, bottom = max(int(y) - reach, 0), min(int(y) + reach + 2, size[0])
        if left >= right or top >= bottom:
            continue
        across = np.exp(-(((np.arange(left, right) - x) / sigma) ** 2) / 2)
        down = np.exp(-(((np.arange(top, bottom) - y) / sigma) ** 2) / 2)
        plane[top:bottom, left:right] = 255 * score[indices].min() * np.outer(down, across)
    return planes


def _figure(num_frames: int, size_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Points and scores of a figure that sways, 0.8 of the picture high, every joint in view."""
    points = np.zeros((len(HOLISTIC.joints), 2))
    for index, name in enumerate(HOLISTIC.joints):
        mirrored = -1 if name.startswith("right_") else 1
        x, y = _place(name.replace("right_", "left_"))
        points[index] = mirrored * x, y
    sway = 0.05 * np.sin(np.arange(num_frames) / 5)[:, None, None] * points[None, :, ::-1]
    moving = (points + sway + (0, -0.05)) * 0.8 * size_px + size_px / 2
    return moving.astype(np.float32), np.full(moving.shape[:2], 0.9, np.float32)


def _place(name: str) -> tuple[float, float]:
    if name in LEFT_HAND_JOINTS:
        joint = LEFT_HAND_JOINTS.index(name)
        finger, phalanx = divmod(joint + 3, 4)
        return (0.23 + 0.012 * finger, 0.02 + 0.012 * phalanx) if joint else _BODY["left_wrist"]
    if name in FACE_JOINTS:
        angle = 2.4 * FACE_JOINTS.index(name)
        return 0.04 * abs(np.cos(angle)), -0.43 + 0.05 * np.sin(angle)
    return _BODY.get(name, (0.01, -0.4))


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a benchmark speaks to a person


if __name__ == "__main__":
    main()

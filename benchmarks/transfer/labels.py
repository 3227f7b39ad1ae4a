"""Pose maps and face boxes that others made of a clip's frames, in place of ours."""

import io
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor

from motiontransfer.models.faces import crop_boxes
from motiontransfer.pose.drawing import Array, BatchPoints, BatchScores
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.torch_drawing import PoseDrawer
from motiontransfer.video.geometry import resize


class Labels:
    """Labels of a clip's frames, found by the poses that we detected in them."""

    def __init__(self, poses: Keypoints, images: Sequence[bytes], faces: Sequence[bytes]) -> None:
        """Take them from files.

        Args:
            poses: of the clip's frames, no two alike; as labels show all of the image.
            images: RGB images.
            faces: first and last row, first and last column of each face, as text.
        """
        keys = map(_key, poses.points, poses.score)
        self._frame_of = {key: index for index, key in enumerate(keys)}
        assert len(self._frame_of) == len(images) == len(faces), "two poses are alike"
        self._images, self._size = images, poses.image_size
        scale = self._size[1] / _read(images[0]).shape[1]
        y0, y1, x0, x1 = np.round(scale * np.array([face.split() for face in faces], float)).T
        self._boxes = np.stack([x0, y0, x1, y1], axis=1).astype(np.int64)

    def draw(
        self, points: BatchPoints, score: BatchScores, *, size: tuple[int, int]
    ) -> Float[Tensor, "batch 3 height width"]:
        assert size == self._size, "labels are of whole frames"
        shown = [self._images[index] for index in self._frames(*map(np.asarray, (points, score)))]
        maps = np.stack([resize(_read(file), size) for file in shown])
        return torch.from_numpy(maps).permute(0, 3, 1, 2) / 255

    def draw_crops(
        self,
        points: BatchPoints,
        score: BatchScores,
        boxes: Int[Array, "batch 4"],
        *,
        crop_size: int,
    ) -> Float[Tensor, "batch 3 _ _"]:
        frames = self.draw(points, score, size=self._size)
        return crop_boxes(frames, torch.as_tensor(boxes), crop_size=crop_size)

    def face_boxes(self, poses: Keypoints) -> tuple[Int[np.ndarray, "frames 4"], np.ndarray]:
        boxes = self._boxes[self._frames(poses.points, poses.score)]
        return boxes, np.ones(len(boxes), bool)

    def _frames(self, points: Iterable[np.ndarray], score: Iterable[np.ndarray]) -> list[int]:
        return [self._frame_of[key] for key in map(_key, points, score)]


def _key(points: np.ndarray, score: np.ndarray) -> bytes:
    return points.tobytes() + score.tobytes()


def _read(file: bytes) -> UInt8[np.ndarray, "height width 3"]:
    return np.array(Image.open(io.BytesIO(file)).convert("RGB"))


@contextmanager
def labeled(labels: Labels) -> Generator[None]:
    """Let whatever draws poses or cuts out faces in this process take these labels instead."""
    with (
        patch.multiple(PoseDrawer, draw=labels.draw, draw_crops=labels.draw_crops),
        patch("motiontransfer.training.face_gan.face_boxes", labels.face_boxes),
        patch("motiontransfer.rendering.frame.face_boxes", labels.face_boxes),
    ):
        yield

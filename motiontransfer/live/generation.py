"""Generation of frames from poses as they arrive, with the face's residual on top."""

from contextlib import suppress
from functools import partial

import numpy as np
import torch

from motiontransfer.keypoints import Keypoints
from motiontransfer.live.session import Finish
from motiontransfer.models.roll_out import StreamingRollOut
from motiontransfer.pose.boxes import face_boxes
from motiontransfer.rendering.faces import FacePatch, ResidualFaces, blend
from motiontransfer.rendering.renderer import Renderer
from motiontransfer.video.color import Frame
from motiontransfer.video.tensors import Images, tensor_to_frames


class LiveGenerator:
    """Frames of a target who comes and goes."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._stream: StreamingRollOut | None = None
        plate = renderer.main.network.plate
        self.size = renderer.main.config.size
        self.line_width_px = renderer.main.style.line_width_px
        self._background = np.zeros((*self.size, 3), np.uint8)
        if plate is not None:
            self._background = tensor_to_frames(plate[None])[0]

    def generate(self, poses: Keypoints | None) -> Finish:
        """The next frame, but for its face.

        Args:
            poses: the latest, of which the last is shown; None: nobody is, and the frame is the
                background image (black without one).
        """
        if poses is None:
            self._stream = None
            return lambda: self._background
        renderer = self._renderer
        if self._stream is None:
            self._stream = StreamingRollOut(
                renderer.main.network,
                skeleton=poses.skeleton,
                size=self.size,
                style=renderer.main.style,
                autocast=renderer.fabric.autocast,
            )
        images = self._stream.extend(poses.points[-1:], poses.score[-1:])
        image, face = next(images)[None], renderer.face
        boxes, valid = face_boxes(poses)
        if not isinstance(face, ResidualFaces) or not valid[-1]:
            return lambda: tensor_to_frames(image)[0]
        box = torch.from_numpy(boxes[-1:]).long()
        find_patch = partial(face.patch, image, poses, poses.num_frames - 1, box)
        if face.previous_frame != "corrected":
            return lambda: self._blended(image, find_patch())
        patch = find_patch()
        with suppress(StopIteration):
            images.send(patch.image)
        return partial(self._blended, image, patch)

    def _blended(self, image: Images, patch: FacePatch) -> Frame:
        blended = blend(image, patch, blending=self._renderer.face_blending)
        return tensor_to_frames(blended)[0]

"""Generation of frames from poses as they arrive, with the face's residual on top."""

from functools import partial

import numpy as np
import torch

from motiontransfer.keypoints import Keypoints
from motiontransfer.live.session import Finish
from motiontransfer.models.rollout import Rollout
from motiontransfer.pose.boxes import face_boxes
from motiontransfer.rendering.faces import FacePatch, ResidualFaces, blend
from motiontransfer.rendering.renderer import Renderer
from motiontransfer.video.color import Frame
from motiontransfer.video.tensors import Images, tensor_to_frames


class LiveGenerator:
    """Frames of a target who comes and goes."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._rollout: Rollout | None = None
        self._previous: Images | None = None
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
            self._rollout = self._previous = None
            return lambda: self._background
        renderer = self._renderer
        if self._rollout is None:
            self._rollout = Rollout(
                renderer.main.network,
                skeleton=poses.skeleton,
                size=self.size,
                style=renderer.main.style,
                autocast=renderer.fabric.autocast,
            )
        (pose,) = self._rollout.draw(poses.points[-1:], poses.score[-1:])
        image = self._previous = self._rollout.step(pose, self._previous)
        face = renderer.face
        boxes, valid = face_boxes(poses)
        if not isinstance(face, ResidualFaces) or not valid[-1]:
            return lambda: tensor_to_frames(image)[0]
        box = torch.from_numpy(boxes[-1:]).long()
        make_patch = partial(face.patch, poses, poses.num_frames - 1, box)
        if face.previous_frame != "corrected":
            return lambda: self._blended(image, make_patch(image))
        patch = make_patch(image)
        self._previous = patch.image
        return partial(self._blended, image, patch)

    def _blended(self, image: Images, patch: FacePatch) -> Frame:
        blended = blend(image, patch, blending=self._renderer.face_blending)
        return tensor_to_frames(blended)[0]

"""Keypoint R-CNN (He et al. 2017): several people's bodies, on a GPU where there is one."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import ClassVar

import numpy as np
import torch
import torchvision
from jaxtyping import Float32, UInt8
from scipy.special import expit
from torch import Tensor
from torchvision.models.detection import KeypointRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import FrozenBatchNorm2d

from motiontransfer.device import choose_accelerator
from motiontransfer.downloads import Pretrained, pretrained_file
from motiontransfer.errors import ParamsError, WeightsError
from motiontransfer.keypoints import People
from motiontransfer.pose.detectors.protocol import Detector
from motiontransfer.skeleton import COCO_17, HOLISTIC, Skeleton, remap_joints
from motiontransfer.video.tensors import frames_to_tensor

OFFICIAL_WEIGHTS = "coco_v1"

# torchvision itself names the first eight digits; the whole hash is what many have computed.
_PUBLISHED = Pretrained(
    name="keypointrcnn_resnet50_fpn_coco-fc266e95.pth",
    url="https://download.pytorch.org/models/keypointrcnn_resnet50_fpn_coco-fc266e95.pth",
    sha256="fc266e953d2b302cdcbb9ae66f71f6b0d4649928bf02dc573961e361e4918926",
    needed_by="the detector keypointrcnn",
    file_param="detect_keypoints.model",
    without="set detect_keypoints.detector: mediapipe_tasks and model: wheel",
)

_PERSON = 1  # torchvision's label; 0 is the background

# Detectron's drawings leave a joint out below this logit (facebookresearch/Detectron,
# lib/utils/vis.py: kp_thresh).
_DOUBTFUL_LOGIT = 2.0

Network = Callable[[list[Tensor]], list[dict[str, Tensor]]]
"""Gives for each image (RGB in [0, 1]) what `torchvision.models.detection.KeypointRCNN` gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeypointRcnnConfig:
    """Settings of Keypoint R-CNN."""

    model: str
    """Weights: `coco_v1`, torchvision's own (226 MiB, downloaded once), or a path to a state dict.
    """
    max_people: int
    """Maximum number of people per frame, by confidence."""
    min_detection_confidence: float
    """Confidence in [0, 1] from which a box counts as a person."""
    min_visibility: float
    """Joints whose confidence, in [0, 1], is lower are missing; the network always names a place.
    """

    def __post_init__(self) -> None:
        """Check what can be checked without a download.

        Raises:
            ParamsError: the model is neither known nor a file.
        """
        if self.model != OFFICIAL_WEIGHTS and not Path(self.model).is_file():
            raise ParamsError(
                f"model: expected {OFFICIAL_WEIGHTS} or the path of a state dict of torchvision's"
                f" keypointrcnn_resnet50_fpn, got {self.model!r}, and there is no such file"
            )

    skeleton: ClassVar[Skeleton] = HOLISTIC
    """The joints that are found, in their order; hands, feet and face are left out."""

    @property
    def label(self) -> str:
        """Detector, version and weights."""
        return f"keypointrcnn torchvision {torchvision.__version__} {Path(self.model).name}"

    @property
    def batch_frames(self) -> int:
        """Several frames keep a GPU busy; on a CPU they would cost memory and save nothing."""
        return 8 if choose_accelerator() == "cuda" else 1

    @contextmanager
    def open(self) -> Generator[Detector]:
        """A detector of each frame by itself.

        On a CPU it runs on one thread: segments share the cores already, and sums come out the same
        however many do.

        Raises:
            MissingFileError: the weights are not here and cannot be downloaded.
            WeightsError: the weights do not fit.
        """
        num_threads = torch.get_num_threads()
        accelerator = choose_accelerator()
        torch.set_num_threads(num_threads if accelerator == "cuda" else 1)
        try:
            network = load_network(self).to(accelerator)
            yield partial(self.detect, network)
        finally:
            torch.set_num_threads(num_threads)

    @torch.inference_mode()
    def detect(
        self, network: Network, frames: Sequence[UInt8[np.ndarray, "_ _ 3"]]
    ) -> list[People]:
        """All people in each frame, by confidence; a joint outside the image is missing.

        Frames for which the GPU's memory does not suffice are halved until it does.

        Raises:
            OutOfMemoryError: it does not suffice for one.
        """
        device = choose_accelerator()
        images = [frames_to_tensor([frame])[0].to(device).add(1).div(2) for frame in frames]
        try:
            answers = network(images)
        except torch.OutOfMemoryError:
            if len(frames) == 1:
                raise
            answers = None
        if answers is None:  # outside the handler, whose error keeps what the network had taken
            half = len(frames) // 2
            return self.detect(network, frames[:half]) + self.detect(network, frames[half:])
        return [
            self._people(
                {name: values.cpu() for name, values in found.items()}, image_size=frame.shape[:2]
            )
            for found, frame in zip(answers, frames, strict=True)
        ]

    def _people(self, found: dict[str, Tensor], *, image_size: tuple[int, int]) -> People:
        confidence = found["scores"]
        certain = (found["labels"] == _PERSON) & (confidence >= self.min_detection_confidence)
        order = torch.argsort(confidence, descending=True, stable=True)
        chosen = order[certain[order]][: self.max_people]
        points = found["keypoints"][chosen, :, :2].numpy().astype(np.float32)
        score = joint_confidence(found["keypoints_scores"][chosen].numpy())
        height, width = image_size
        inside = ((points >= 0) & (points < (width, height))).all(axis=2)
        kept = inside & (score >= self.min_visibility)
        joints = np.where(kept, np.stack([*points.transpose(2, 0, 1), score]), np.float32(0))
        people = remap_joints(joints.transpose(1, 2, 0), source=COCO_17, target=HOLISTIC.joints)
        return people[people[..., 2].any(axis=1)]


def joint_confidence(
    logits: Float32[np.ndarray, "people joints"],
) -> Float32[np.ndarray, "people joints"]:
    """Confidence in [0, 1] of joints, from the peak of each one's heatmap of logits.

    The logistic function of the peak, one half where Detectron's drawings draw the line. It orders
    joints as the network does, but is no probability: the network is trained to say where a joint
    is in the box, never whether it is there.
    """
    return expit(logits - np.float32(_DOUBTFUL_LOGIT))


def load_network(config: KeypointRcnnConfig) -> KeypointRCNN:
    """The network with its weights, on the CPU."""
    network = KeypointRCNN(
        resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=FrozenBatchNorm2d),
        num_classes=2,
        num_keypoints=len(COCO_17),
        box_score_thresh=config.min_detection_confidence,
        box_detections_per_img=config.max_people,
    )
    for module in network.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = 0.0  # as these weights were trained; torchvision does the same
    is_official = config.model == OFFICIAL_WEIGHTS
    path = pretrained_file(_PUBLISHED, file=None if is_official else Path(config.model))
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, TypeError, UnpicklingError, EOFError) as error:
        raise WeightsError(
            f"{path}: not weights of torchvision's keypointrcnn_resnet50_fpn"
            f" ({str(error).splitlines()[0]}); set detect_keypoints.model: {OFFICIAL_WEIGHTS}, or"
            " another file"
        ) from error
    return network.eval()

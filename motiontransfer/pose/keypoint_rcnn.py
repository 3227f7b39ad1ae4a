"""Keypoint R-CNN (He et al. 2017): several people's bodies, on a GPU where there is one."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
import torchvision
from jaxtyping import Float32
from scipy.special import expit
from torch import Tensor
from torchvision.models.detection import KeypointRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import FrozenBatchNorm2d

from motiontransfer.core.arrays import AnyFrame
from motiontransfer.core.device import choose_accelerator
from motiontransfer.core.downloads import Pretrained, pretrained_file
from motiontransfer.core.errors import WeightsError
from motiontransfer.pose.keypoints import People
from motiontransfer.pose.landmarks import Detector
from motiontransfer.pose.skeleton import COCO_17, HOLISTIC, remap_joints
from motiontransfer.video.tensors import frames_to_tensor

OFFICIAL_WEIGHTS = "coco_v1"
"""torchvision's own, 226 MiB, downloaded once."""

# torchvision itself names the first eight digits; the whole hash is what many have computed.
PUBLISHED = Pretrained(
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

RunRcnn = Callable[[list[Tensor]], list[dict[str, Tensor]]]
"""Gives for each image (RGB in [0, 1]) what `torchvision.models.detection.KeypointRCNN` gives."""


@contextmanager
def open_keypoint_rcnn(
    model: str, *, max_people: int, min_detection_confidence: float, min_visibility: float
) -> Generator[Detector]:
    """Several people's bodies in each frame by itself; on a CPU on one thread, for equal sums.

    Args:
        model: `coco_v1` or the path of a state dict.
        min_visibility: joints of lower confidence, in [0, 1], are missing; the network always
            names a place.

    Raises:
        WeightsError: the weights do not fit.
    """
    num_threads = torch.get_num_threads()
    accelerator = choose_accelerator()
    torch.set_num_threads(num_threads if accelerator == "cuda" else 1)
    try:
        network = load_network(
            model, max_people=max_people, min_detection_confidence=min_detection_confidence
        )
        yield partial(
            detect,
            network.to(accelerator),
            max_people=max_people,
            min_detection_confidence=min_detection_confidence,
            min_visibility=min_visibility,
        )
    finally:
        torch.set_num_threads(num_threads)


def label_of(model: str) -> str:
    return f"keypointrcnn torchvision {torchvision.__version__} {Path(model).name}"


@torch.inference_mode()
def detect(
    network: RunRcnn,
    frames: Sequence[AnyFrame],
    *,
    max_people: int,
    min_detection_confidence: float,
    min_visibility: float,
) -> list[People]:
    """All people in each frame, by confidence; a joint outside the image is missing.

    Frames for which the GPU's memory does not suffice are halved until it does.

    Raises:
        OutOfMemoryError: it does not suffice for one.
    """
    device = choose_accelerator()
    images = [frames_to_tensor([frame])[0].to(device).add(1).div(2) for frame in frames]
    people = []
    for found, frame in zip(_run(network, images), frames, strict=True):
        confidence = found["scores"].cpu()
        certain = (found["labels"].cpu() == _PERSON) & (confidence >= min_detection_confidence)
        order = torch.argsort(confidence, descending=True, stable=True)
        chosen = order[certain[order]][:max_people]
        points = found["keypoints"].cpu()[chosen, :, :2].numpy().astype(np.float32)
        score = joint_confidence(found["keypoints_scores"].cpu()[chosen].numpy())
        inside = ((points >= 0) & (points < frame.shape[1::-1])).all(axis=2)
        kept = inside & (score >= min_visibility)
        joints = np.where(kept, np.stack([*points.transpose(2, 0, 1), score]), np.float32(0))
        named = remap_joints(joints.transpose(1, 2, 0), source=COCO_17, target=HOLISTIC.joints)
        people.append(named[named[..., 2].any(axis=1)])
    return people


def _run(network: RunRcnn, images: list[Tensor]) -> list[dict[str, Tensor]]:
    try:
        return network(images)
    except torch.OutOfMemoryError:
        if len(images) == 1:
            raise
    half = len(images) // 2  # outside the handler, whose error keeps what the network had taken
    return _run(network, images[:half]) + _run(network, images[half:])


def joint_confidence(
    logits: Float32[np.ndarray, "people joints"],
) -> Float32[np.ndarray, "people joints"]:
    """Confidence in [0, 1] from heatmaps' peaks: logistic, one half where Detectron draws the line.

    No probability: the network is trained to say where a joint is, never whether it is there.
    """
    return expit(logits - np.float32(_DOUBTFUL_LOGIT))


def load_network(model: str, *, max_people: int, min_detection_confidence: float) -> KeypointRCNN:
    """The network with its weights, on the CPU."""
    network = KeypointRCNN(
        resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=FrozenBatchNorm2d),
        num_classes=2,
        num_keypoints=len(COCO_17),
        box_score_thresh=min_detection_confidence,
        box_detections_per_img=max_people,
    )
    for module in network.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = 0.0  # as these weights were trained; torchvision does the same
    is_official = model == OFFICIAL_WEIGHTS
    path = pretrained_file(PUBLISHED, file=None if is_official else Path(model))
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, TypeError, UnpicklingError, EOFError) as error:
        raise WeightsError(
            f"{path}: not weights of torchvision's keypointrcnn_resnet50_fpn"
            f" ({str(error).splitlines()[0]}); set detect_keypoints.model: {OFFICIAL_WEIGHTS}, or"
            " another file"
        ) from error
    return network.eval()

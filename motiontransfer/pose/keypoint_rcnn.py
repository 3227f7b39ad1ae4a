"""Keypoint R-CNN (He et al. 2017): several people's bodies, on a GPU where there is one."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
from jaxtyping import Float32
from scipy.special import expit
from torch import Tensor
from torchvision.models.detection import KeypointRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import FrozenBatchNorm2d

from motiontransfer.core.arrays import AnyFrame
from motiontransfer.core.device import choose_accelerator
from motiontransfer.core.downloads import pretrained_file
from motiontransfer.core.errors import WeightsError
from motiontransfer.pose.keypoints import People, people_inside
from motiontransfer.pose.landmarks import Detector, Limits
from motiontransfer.pose.published import COCO_WEIGHTS, KEYPOINT_RCNN
from motiontransfer.pose.skeleton import COCO_17, HOLISTIC, remap_joints
from motiontransfer.video.tensors import frames_to_tensor

_PERSON = 1  # torchvision's label; 0 is the background

# Detectron's drawings leave a joint out below this logit (facebookresearch/Detectron,
# lib/utils/vis.py: kp_thresh).
_DOUBTFUL_LOGIT = 2.0

RunRcnn = Callable[[list[Tensor]], list[dict[str, Tensor]]]
"""Gives for each image (RGB in [0, 1]) what `torchvision.models.detection.KeypointRCNN` gives."""


@contextmanager
def open_keypoint_rcnn(model: str, limits: Limits) -> Generator[Detector]:
    """Several people's bodies in each frame by itself; on a CPU on one thread, for equal sums.

    Args:
        model: `coco_v1` or the path of a state dict.

    Raises:
        WeightsError: the weights do not fit.
    """
    num_threads = torch.get_num_threads()
    accelerator = choose_accelerator()
    torch.set_num_threads(num_threads if accelerator == "cuda" else 1)
    try:
        yield partial(detect, load_network(model, limits).to(accelerator), limits=limits)
    finally:
        torch.set_num_threads(num_threads)


@torch.inference_mode()
def detect(network: RunRcnn, frames: Sequence[AnyFrame], *, limits: Limits) -> list[People]:
    """All people in each frame, by confidence.

    A joint outside the image is missing, and so is a doubtful one, which has a place, too.

    Frames for which the GPU's memory does not suffice are halved until it does.

    Raises:
        OutOfMemoryError: it does not suffice for one.
    """
    device = choose_accelerator()
    images = [frames_to_tensor([frame])[0].to(device).add(1).div(2) for frame in frames]
    people = []
    for found, frame in zip(_run(network, images), frames, strict=True):
        confidence = found["scores"].cpu()
        certain = confidence >= limits.min_detection_confidence
        certain &= found["labels"].cpu() == _PERSON
        order = torch.argsort(confidence, descending=True, stable=True)
        chosen = order[certain[order]][: limits.max_people]
        points = found["keypoints"].cpu()[chosen, :, :2].numpy().astype(np.float32)
        score = joint_confidence(found["keypoints_scores"].cpu()[chosen].numpy())
        score *= score >= limits.min_visibility
        joints = np.concatenate([points, score[..., None]], axis=2)
        named = remap_joints(joints, source=COCO_17, target=HOLISTIC.joints)
        people.append(people_inside(named, (0, 0, *frame.shape[1::-1])))
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


def load_network(model: str, limits: Limits) -> KeypointRCNN:
    """The network with its weights, on the CPU."""
    network = KeypointRCNN(
        resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=FrozenBatchNorm2d),
        num_classes=2,
        num_keypoints=len(COCO_17),
        box_score_thresh=limits.min_detection_confidence,
        box_detections_per_img=limits.max_people,
    )
    for module in network.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = 0.0  # as these weights were trained; torchvision does the same
    is_official = model == COCO_WEIGHTS
    path = pretrained_file(KEYPOINT_RCNN, file=None if is_official else Path(model))
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, TypeError, UnpicklingError, EOFError) as error:
        raise WeightsError(
            f"{path}: not weights of torchvision's keypointrcnn_resnet50_fpn"
            f" ({str(error).splitlines()[0]}); set detect_keypoints.model: {COCO_WEIGHTS}, or"
            " another file"
        ) from error
    return network.eval()

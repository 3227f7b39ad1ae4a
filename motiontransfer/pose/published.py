"""Networks of detectors, by the names that params.yaml has for them, with their addresses."""

from motiontransfer.core.downloads import Pretrained

WHEEL = "wheel"
"""The model that needs no file: the networks in MediaPipe's own package."""

# Version 1 of each, never `latest`: the full model's two are different files.
_SHA256_OF_BUNDLE = {
    "pose_landmarker_lite": "59929e1d1ee95287735ddd833b19cf4ac46d29bc7afddbbf6753c459690d574a",
    "pose_landmarker_full": "5134a3aad27a58b93da0088d431f366da362b44e3ccfbe3462b3827a839011b1",
    "pose_landmarker_heavy": "64437af838a65d18e5ba7a0d39b465540069bc8aae8308de3e318aad31fcbc7b",
}

POSE_BUNDLES: dict[str, Pretrained] = {
    name: Pretrained(
        name=f"{name}.task",
        url=f"https://storage.googleapis.com/mediapipe-models/pose_landmarker/{name}/float16/1/{name}.task",
        sha256=sha256,
        needed_by="the detector mediapipe_tasks",
        file_param="detect_keypoints.model",
        without=f"set detect_keypoints.model: {WHEEL}",
    )
    for name, sha256 in _SHA256_OF_BUNDLE.items()
}
"""MediaPipe's published bundles."""

COCO_WEIGHTS = "coco_v1"
KEYPOINT_RCNN = Pretrained(
    # torchvision itself names the first eight digits; the whole hash is what many have computed.
    name="keypointrcnn_resnet50_fpn_coco-fc266e95.pth",
    url="https://download.pytorch.org/models/keypointrcnn_resnet50_fpn_coco-fc266e95.pth",
    sha256="fc266e953d2b302cdcbb9ae66f71f6b0d4649928bf02dc573961e361e4918926",
    needed_by="the detector keypointrcnn",
    file_param="detect_keypoints.model",
    without="set detect_keypoints.detector: mediapipe_tasks and model: wheel",
)
"""torchvision's own weights, 226 MiB, downloaded once."""

"""Do-as-I-do motion transfer, as a library.

These names are for notebooks and scripts: keypoint tables, pose normalization, pose maps and
rendering with trained networks. Each is imported lazily, so that `import motiontransfer` loads no
PyTorch. The project's own code imports modules.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from motiontransfer.errors import MotionTransferError
    from motiontransfer.keypoints import Keypoints, keypoint_table, read_keypoints, write_keypoints
    from motiontransfer.pose.normalization import normalize_poses
    from motiontransfer.pose.rendering import draw_rgb
    from motiontransfer.pose.statistics import PoseStatistics, fit_statistics, read_statistics
    from motiontransfer.rendering.renderer import Renderer, load_renderer, render_poses
    from motiontransfer.training.distributed import make_fabric
    from motiontransfer.video.frame_store import FrameStore

__all__ = [
    "FrameStore",
    "Keypoints",
    "MotionTransferError",
    "PoseStatistics",
    "Renderer",
    "draw_rgb",
    "fit_statistics",
    "keypoint_table",
    "load_renderer",
    "make_fabric",
    "normalize_poses",
    "read_keypoints",
    "read_statistics",
    "render_poses",
    "write_keypoints",
]

_MODULES = {
    "errors": ("MotionTransferError",),
    "keypoints": ("Keypoints", "keypoint_table", "read_keypoints", "write_keypoints"),
    "pose.normalization": ("normalize_poses",),
    "pose.rendering": ("draw_rgb",),
    "pose.statistics": ("PoseStatistics", "fit_statistics", "read_statistics"),
    "rendering.renderer": ("Renderer", "load_renderer", "render_poses"),
    "training.distributed": ("make_fabric",),
    "video.frame_store": ("FrameStore",),
}


def __getattr__(name: str) -> object:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

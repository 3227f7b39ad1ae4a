from .core.errors import MotionTransferError
from .models.runtime import make_runtime
from .pose.drawing import draw_rgb
from .pose.keypoints import Keypoints, keypoint_table
from .pose.keypoints_file import read_keypoints, write_keypoints
from .rendering.frame import Renderer, render_poses
from .rendering.renderer import load_renderer
from .retargeting.normalization import normalize_poses
from .retargeting.statistics import PoseStatistics, fit_statistics, read_statistics
from .video.frame_store import FrameStore

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
    "make_runtime",
    "normalize_poses",
    "read_keypoints",
    "read_statistics",
    "render_poses",
    "write_keypoints",
]

"""Keypoints as a table for pandas: one row for each joint in each frame.

For people who look at data; the pipeline itself works on arrays.
"""

import numpy as np
import pandas as pd

from motiontransfer.keypoints import Keypoints


def keypoint_table(keypoints: Keypoints) -> pd.DataFrame:
    """One row a (frame, joint), in that order; x and y are missing where the joint is.

    Columns: frame_index, seconds, group, joint, x and y (pixels of the working image), score (0 to
    1) and filled (whether cleaning filled the position in).
    """
    frames, joints = keypoints.score.shape
    groups = [group for group, names in keypoints.skeleton.groups for _ in names]
    missing = (keypoints.score == 0)[..., None]
    points = np.where(missing, np.float32(np.nan), keypoints.points).reshape(-1, 2)
    filled = np.zeros((frames, joints), bool) if keypoints.filled is None else keypoints.filled
    frame_index = np.repeat(np.arange(frames, dtype=np.int32), joints)
    return pd.DataFrame(
        {
            "frame_index": frame_index,
            "seconds": frame_index / float(keypoints.frame_rate),
            "group": pd.Categorical(groups * frames, categories=dict.fromkeys(groups)),
            "joint": pd.Categorical(
                keypoints.skeleton.joints * frames, categories=keypoints.skeleton.joints
            ),
            "x": points[:, 0],
            "y": points[:, 1],
            "score": keypoints.score.reshape(-1),
            "filled": filled.reshape(-1),
        }
    )

"""A photograph that every detector is shown, and the settings of one of them."""

import pytest
import skimage.data

from motiontransfer.pose.detectors import TasksConfig


@pytest.fixture(scope="session")
def astronaut():
    """A woman who faces the camera, down to the waist."""
    return skimage.data.astronaut()


def tasks_config(**changes):
    settings = {
        **{"max_people": 3, "min_detection_confidence": 0.5, "min_tracking_confidence": 0.5},
        **{"min_visibility": 0.3, "segment_frames": 100},
    }
    return TasksConfig(detector="mediapipe_tasks", **{**settings, **changes})

"""Keypoints in Rerun's viewer: frames, joints, limbs, tracks and measures on one time line.

Hides Rerun (https://rerun.io), which is an extra: nothing else needs it, and it is imported when a
recording begins.
"""

import importlib
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from motiontransfer.errors import MissingLibraryError
from motiontransfer.media.frame_store import FrameStore
from motiontransfer.media.tensors import Frame
from motiontransfer.pose.limb_palette import limb_palette
from motiontransfer.pose.person_box import enclosing_box
from motiontransfer.pose.track_colours import track_colour
from motiontransfer.progress import track
from motiontransfer.rendering.inspection import Inspection, measures_over_time
from motiontransfer.storage import replacing

_JPEG_QUALITY = 90


def viewer_opens() -> bool:
    """Whether Rerun is installed and there is a screen to open its viewer on."""
    has_screen = sys.platform != "linux" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    return has_screen and find_spec("rerun") is not None


def write_recording(path: Path, inspection: Inspection) -> None:
    """Write a recording for `rerun FILE.rrd`.

    Raises:
        MissingLibraryError: Rerun is not installed.
    """
    recording = _Recording(inspection)
    with replacing(path) as temporary:
        recording.open_file(temporary)
        recording.fill()


def show_recording(inspection: Inspection) -> None:
    """Open the viewer and fill it.

    Raises:
        MissingLibraryError: Rerun is not installed.
    """
    recording = _Recording(inspection)
    recording.open_viewer()
    recording.fill()


class _Recording:
    """A stream of what is to be shown, to a file or to a viewer."""

    def __init__(self, inspection: Inspection) -> None:
        try:
            self._rerun = importlib.import_module("rerun")
        except ModuleNotFoundError as error:
            raise MissingLibraryError(
                "the package rerun-sdk is not installed; `uv sync --extra rerun` installs it; an "
                ".mp4 or a .png can be written without it"
            ) from error
        self._inspection = inspection
        measures = measures_over_time(inspection.keypoints)
        self._curves = {
            f"measures/{quantity}/{label}".replace(" ", "_"): (label, values)
            for quantity, curves in measures.items()
            for label, values in curves.items()
        }
        self._stream = self._rerun.RecordingStream(f"motiontransfer inspect {inspection.video}")
        # The video on the left, one plot a quantity on the right.
        views = importlib.import_module("rerun.blueprint")
        plots = [
            views.TimeSeriesView(origin=f"measures/{quantity}".replace(" ", "_"), name=quantity)
            for quantity in measures
        ]
        video = views.Spatial2DView(origin="video", name=inspection.video)
        self._layout = views.Blueprint(views.Horizontal(video, views.Vertical(*plots)))

    def open_file(self, path: Path) -> None:
        self._stream.save(path, default_blueprint=self._layout)

    def open_viewer(self) -> None:
        self._stream.spawn(default_blueprint=self._layout)

    def fill(self) -> None:
        """Send every frame, and wait until all has arrived."""
        for entity, (label, _) in self._curves.items():
            self._stream.log(entity, self._rerun.SeriesLines(names=label), static=True)
        keypoints = self._inspection.keypoints
        with FrameStore(self._inspection.frames) as store:
            frames = track(store.frames(), "inspect", total=keypoints.num_frames)
            for index, frame in enumerate(frames):
                self._stream.set_time("frame", sequence=index)
                self._stream.set_time("time", duration=float(index / keypoints.frame_rate))
                self._log_frame(frame, index)
        self._stream.flush()
        self._stream.disconnect()

    def _log_frame(self, frame: Frame, index: int) -> None:
        picture = self._rerun.Image(frame).compress(jpeg_quality=_JPEG_QUALITY)
        self._stream.log("video/frame", picture)
        self._log_everyone(index)
        self._log_followed(index)
        for entity, (_, values) in self._curves.items():
            self._stream.log(entity, self._rerun.Scalars(float(values[index])))

    def _log_everyone(self, index: int) -> None:
        """A numbered box around each person as detected, in a colour of its own."""
        everyone = self._inspection.everyone
        if everyone is None:
            return
        numbers, boxes = [], []
        for row in np.flatnonzero(everyone.frame_index == index):
            found = everyone.points[row][everyone.score[row] > 0]
            box = enclosing_box(found, margin=0.03, image_size=everyone.image_size)
            if box is not None:
                numbers.append(int(everyone.person[row]))
                boxes.append(box)
        corners = np.array(boxes, np.float32).reshape(-1, 4)
        self._stream.log(
            "video/everyone",
            self._rerun.Boxes2D(
                mins=corners[:, :2],
                sizes=corners[:, 2:] - corners[:, :2],
                labels=[str(number) for number in numbers],
                colors=[track_colour(number) for number in numbers],
            ),
        )

    def _log_followed(self, index: int) -> None:
        """Joints with their names, and limbs in the colours that pose maps have."""
        keypoints = self._inspection.keypoints
        points = keypoints.points[index] + np.float32(0.5)  # Rerun counts from a pixel's corner
        found = keypoints.score[index] > 0
        indices = np.flatnonzero(found)
        filled = keypoints.filled[index] if keypoints.filled is not None else ~found
        names = keypoints.skeleton.joints
        self._stream.log(
            "video/followed/joints",
            self._rerun.Points2D(
                points[indices],
                labels=[f"{names[i]}{' (filled in)' if filled[i] else ''}" for i in indices],
                show_labels=False,
                colors=[(255, 90, 90) if filled[i] else (255, 255, 255) for i in indices],
                radii=[self._rerun.Radius.ui_points(2.0)] * len(indices),
            ),
        )
        palette = limb_palette(keypoints.skeleton, "sticks")
        limbs = [
            ((start, end), shade)
            for start, end, shade in zip(palette.start, palette.end, palette.shades, strict=True)
            if found[start] and found[end]
        ]
        self._stream.log(
            "video/followed/limbs",
            self._rerun.LineStrips2D(
                [points[list(ends)] for ends, _ in limbs], colors=[shade for _, shade in limbs]
            ),
        )

"""The held-out tail of a clip, as the film and each variant show it, and its figures.

Tails are lossless videos in the size in which poses are detected.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.transfer.wholeness import border_step, wholeness
from motiontransfer.core import layout
from motiontransfer.core.arrays import Frame
from motiontransfer.core.params import Compute, SplitParams, load_section
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.evaluation.frames import PosedFrames
from motiontransfer.evaluation.measurements import Measurements, MetricKey
from motiontransfer.evaluation.params import NetworkParams
from motiontransfer.evaluation.protocols import open_lpips, score_videos
from motiontransfer.evaluation.sharp_frames import (
    blurred_boxes,
    detection_size,
    film_frames,
    sharp_frames,
)
from motiontransfer.evaluation.streaming import FrameMetric, measure
from motiontransfer.evaluation.surroundings import film_room, surroundings_scores
from motiontransfer.models.runtime import make_runtime
from motiontransfer.plate.masks import LEAST_MASK, read_masks
from motiontransfer.plate.target_clips import HeldOut, TargetClip, read_target_clips
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.puppet.appearance_file import read_appearance
from motiontransfer.puppet.draw.warping import Puppet
from motiontransfer.rendering.compositing import puppet_frames
from motiontransfer.rendering.frame import render_poses, result_size
from motiontransfer.rendering.rendered import FaceMode
from motiontransfer.rendering.renderer import load_renderer
from motiontransfer.video.clip import detection_frames
from motiontransfer.video.film import Film
from motiontransfer.video.frame_store import FrameStore, write_frames
from motiontransfer.video.geometry import resize

FILM, PUPPET = "film", "puppet alone"
"""Videos of every clip; the others are variants."""

_COMPARED = {
    "person": MetricKey("likeness", "person", "", "truth"),
    "face": MetricKey("likeness", "face", "", "truth"),
    "hands": MetricKey("likeness", "hands", "", "truth"),
    "switches": MetricKey("switches", "", "", "temporal"),
    "pose px": MetricKey("pose_distance_px", "all", "", "truth"),
    "hands missed": MetricKey("missed_detections", "hands", "", "truth"),
    "face missed": MetricKey("missed_detections", "face", "", "truth"),
    "sharpness": MetricKey("sharpness", "person", "", "truth"),
    "frame change": MetricKey("frame_change_to_truth", "", "", "temporal"),
    "background flicker": MetricKey("background_flicker", "", "", "temporal"),
    "person SSIM": MetricKey("ssim", "person", "", "truth"),
    "L1": MetricKey("l1", "person", "", "truth"),
}
"""Column -> metric of any system's video."""
_OWN = (
    "film's face blurred",
    "film's hands blurred",
    "sharp face",
    "sharp hands",
    "foggy rim",
    "trace",
    "border step",
    "holes",
    "stray",
    "left over",
    "seams",
    "shadow",
)
COLUMNS = (*list(_COMPARED)[:4], *_OWN, *list(_COMPARED)[4:])
_NUM_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class Tail:
    """The film's tail, in the project of the current folder."""

    clip: TargetClip
    folder: Path = Path("tails")

    @cached_property
    def size(self) -> tuple[int, int]:
        with FrameStore(detection_frames(self.clip.frames.parent)) as store:
            return store.size

    @property
    def poses(self) -> Keypoints:
        """Of the film, in the working image."""
        return self.clip.keypoints.part(self.clip.held_out)

    def video(self, shown: str) -> Path:
        return self.folder / f"{shown.replace(' ', '_')}.mkv"

    @cached_property
    def shown_large(self) -> list[int]:
        """Frames of the tail for looking at."""
        return evenly_spaced(range(len(self.clip.held_out)), count=_NUM_SHOWN)

    def write(self, shown: str, frames: Iterable[Frame]) -> None:
        """Write the video and the sheet of a system.

        Args:
            frames: of the tail, at full size or smaller.
        """
        large: dict[int, Frame] = {}

        def reduced() -> Iterator[Frame]:
            for index, frame in enumerate(frames):
                if index in self.shown_large:
                    large[index] = frame
                yield resize(frame, self.size)

        self.folder.mkdir(exist_ok=True)
        write_frames(self.video(shown), reduced(), frame_rate=self.clip.keypoints.frame_rate)
        self.write_sheet(shown, [large[index] for index in self.shown_large])

    def write_sheet(self, shown: str, frames: Sequence[Frame]) -> None:
        rows = np.array_split(np.stack(frames), 2)
        padded = np.zeros((2, len(rows[0]), *frames[0].shape), np.uint8)
        for row, of_row in zip(padded, rows, strict=True):
            row[: len(of_row)] = of_row
        sheet = np.concatenate([np.concatenate([*row], axis=1) for row in padded])
        Image.fromarray(sheet).save(self.video(shown).with_suffix(".png"))


def read_tail(name: str) -> Tail:
    """The tail of the only clip of a target in the project of the current folder."""
    held_out = load_section(SplitParams, "split").to_config(HeldOut)
    (clip,) = read_target_clips(name, held_out)
    return Tail(clip=clip)


def write_film(tail: Tail) -> None:
    """Write the film's own tail."""
    clip, held_out = tail.clip, tail.clip.held_out
    with FrameStore(detection_frames(clip.frames.parent)) as store:
        tail.write(FILM, (store[index] for index in held_out))
    shown = [held_out[index] for index in tail.shown_large]
    tail.write_sheet(FILM, [*Film(clip.frames.parent).read(shown)])


def write_puppet(tail: Tail) -> None:
    """Write the puppet over the background image, before any network."""
    appearance = read_appearance(layout.appearance_file(tail.clip.name))
    puppet, size = Puppet(appearance, tail.poses.image_size), appearance.background.shape[:2]
    tail.write(PUPPET, puppet_frames(puppet, tail.poses, size=size))


def write_variant(tail: Tail, variant: str, *, face: FaceMode = "residual") -> None:
    """Write the frames of the trained networks."""
    models = layout.models_folder(tail.clip.name)
    renderer = load_renderer(models, make_runtime(precision="auto"), face=face)
    size = result_size(renderer, height=None)
    tail.write(variant, render_poses(renderer, tail.poses, size=size))


def compared(tail: Tail, shown: Sequence[str]) -> Measurements:
    """Videos against the film's tail, by the metrics that any system's video has."""
    asked = load_section(NetworkParams, "evaluate_transfer")
    lpips = open_lpips(asked.lpips_weights, param="evaluate_transfer.lpips_weights")
    compute = load_section(Compute, "compute")
    videos = {name: tail.video(name) for name in shown}
    (film,) = film_frames([tail.clip])
    blurred = blurred_boxes(detection_size(tail.clip, tail.clip.held_out), film)
    options = {"compute": compute, "lpips": lpips, "blurred": blurred}
    return score_videos(videos, tail.video(FILM), **options)


def figures(tail: Tail, shown: str, found: Measurements) -> dict[str, float]:
    """Figures of a video by column; those that could not be measured are left out.

    Args:
        found: of the comparison of all videos.
    """
    poses = tail.poses.resized(tail.size)
    film, made = (_frames(tail.video(name)) for name in (FILM, shown))
    background = resize(
        read_appearance(layout.appearance_file(tail.clip.name)).background, tail.size
    )
    frames = [(tail.video(shown), index) for index in range(poses.num_frames)]
    films = film_frames([tail.clip], height=tail.size[0])
    made_frames = PosedFrames(frames=frames, keypoints=poses)
    sharp, _ = sharp_frames(made_frames, films, intended=poses, system=shown)
    values = {one.key: one.value for one in found.summary}
    of_videos = {
        column: value
        for column, key in _COMPARED.items()
        if (value := values.get(key._replace(system=shown))) is not None
    }
    blurred = {
        f"film's {region} blurred": values.get(MetricKey("blurred", region, "", "truth")) or 0.0
        for region in ("face", "hands")
    }
    masks = read_masks(tail.clip.masks_file)
    training = [masks[index] for index in masks.frames_of(tail.clip.training)]
    unseen = np.all(np.array(training) >= LEAST_MASK, axis=0)
    room = {
        "border step": border_step(
            resize(background, unseen.shape), unseen, height_px=body_height_px(poses)
        )
    }
    return {
        **blurred,
        **{column: value for column, value in room.items() if value is not None},
        **_around(tail, shown),
        **{f"sharp {key.region}": metric.mean() or 0.0 for key, metric in sharp.items()},
        **wholeness(poses, film, made, background),
        **of_videos,
    }


def _around(tail: Tail, shown: str) -> dict[str, float]:
    """Foggy rim and traces, in the working image."""
    room, indices = film_room(tail.clip), tail.clip.held_out
    around = partial(surroundings_scores, room=room, indices=indices, real="real", systems=(shown,))
    videos = {
        name: PosedFrames(
            frames=[(tail.video(video), index) for index in range(tail.poses.num_frames)],
            keypoints=tail.poses,
        )
        for name, video in {"real": FILM, shown: shown}.items()
    }
    scores = measure(videos, [FrameMetric(around)])
    return {key.metric.replace("_", " "): one.mean() or 0.0 for key, one in scores.items()}


def _frames(video: Path) -> list[Frame]:
    with FrameStore(video) as store:
        return list(store.frames())

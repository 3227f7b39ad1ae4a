"""The puppet of a turning dance: `python -m benchmarks.transfer.turning_puppet CASE PAIR`.

A project of turning actors runs it with the code that is judged, which has its own copy if it knows
this benchmark. Writes drawn/CASE/WORN_POSES.mkv, for clothes and suit, by the pipeline's poses and
by true joints. Suits are drawn without cross-fades, whose mixed colors are those of no part.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from motiontransfer.core import layout
from motiontransfer.core.arrays import Frame
from motiontransfer.core.parallel import map_ahead
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.keypoints_file import read_keypoints
from motiontransfer.puppet.appearance import Appearance
from motiontransfer.puppet.appearance_file import read_appearance
from motiontransfer.puppet.draw.warping import Puppet
from motiontransfer.rendering.compositing import draw_puppet, num_threads, without_mask
from motiontransfer.video.frame_store import write_frames

TARGETS = {"clothes": "{}", "suit": "{}_suit"}
POSES = ("pipeline", "true")


def main(case: str, pair: str) -> None:
    poses = poses_of(case, Path(f"data/films/{pair}_truth.parquet"))
    for worn, target in TARGETS.items():
        appearance = read_appearance(layout.appearance_file(target.format(case)))
        for kind, keypoints in poses.items():
            frames = drawn(appearance, keypoints, fades=worn != "suit")
            video = drawn_file(Path(), case, worn, kind)
            video.parent.mkdir(parents=True, exist_ok=True)
            write_frames(video, frames, frame_rate=keypoints.frame_rate)


def drawn_file(project: Path, case: str, worn: str, poses: str) -> Path:
    return project / "drawn" / case / f"{worn}_{poses}.mkv"


def poses_of(case: str, true_joints: Path) -> dict[str, Keypoints]:
    """The poses of a transfer in the working image, and the true joints there."""
    poses = read_keypoints(layout.poses_file(case))
    true = read_keypoints(true_joints).resized(poses.image_size)
    return dict(zip(POSES, (poses, true), strict=True))


def drawn(
    appearance: Appearance, poses: Keypoints, *, fades: bool, every: int = 1
) -> Iterator[Frame]:
    """The puppet alone over its background image, at full size, without any network.

    Args:
        every: one in so many poses is drawn; all of them decide from which references.
    """
    clip = Puppet(appearance, poses.image_size).follow(poses)
    clip = clip if fades else replace(clip, fade=0)
    frames = map_ahead(
        lambda index: draw_puppet(clip, index, poses.image_size, appearance.background),
        range(0, poses.num_frames, every),
        num_threads=num_threads(),
    )
    return map(without_mask, frames)


if __name__ == "__main__":
    main(*sys.argv[1:])

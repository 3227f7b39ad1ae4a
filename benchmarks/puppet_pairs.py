"""Pairs of a target's film and a dance in which it is drawn: of actors, films and transfers.

A folder has the film's frames and poses as a clip, and the dance's poses. Where the target was
filmed in that dance it has the truth, of actors also the true parts of the film's frames.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from benchmarks.part_labels import part_of_faces, true_labels
from demo.actors.choreography import Motion, Move, compose
from demo.actors.renderer import in_place_of, load_actor, pose_actor, shoot, true_keypoints
from motiontransfer.core import layout
from motiontransfer.core.arrays import Frame
from motiontransfer.core.params import Transfer, load_section
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.plate.target_clips import NOTHING_HELD_OUT, TargetClip, read_target_clips
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.keypoints_file import read_keypoints, write_keypoints
from motiontransfer.video.clip import DETECTION_FILE, FULL_SIZE_FILE, detection_frames
from motiontransfer.video.frame_store import FrameStore, write_frames
from motiontransfer.video.geometry import resize

_HEIGHT, _WORKING = 512, 256
_RATE = Fraction(25, 2)
_FILM_SECONDS, _DANCE_SECONDS = 21, 6.4
NUM_FRAMES = 60  # of the film, and references
_TRAINED, _TAIL = 0.6, 0.75  # of a film: up to there it is cut out, from there on drawn

# Who performs, their own moves, and those of the dance.
_MOVES: tuple[Move, ...] = ("walk", "crouch", "touch", "cross_left", "jump", "cross_right")
PAIRS: Mapping[str, tuple[str, tuple[Move, ...], tuple[Move, ...]]] = {
    "alike": ("ada", _MOVES, _MOVES),
    "sleeves": ("ben", _MOVES, _MOVES),
    "turns": ("cleo", ("walk", "touch"), ("turn_left", "turn_right", "crouch")),
    "arms": ("dan", ("walk", "crouch"), ("stand",)),
    "jumps": ("eve", ("walk", "touch"), ("jump", "cross_left", "cross_right")),
    "steps": ("finn", ("stand",), ("walk", "touch")),
}

LABELS = "labels.npz"  # in a pair's folder: true parts of the film's frames
TRUTH = "truth.mkv"  # the target in the dance


def film_actor(folder: Path, pair: str) -> None:
    """Film an actor in a dance of their own, and in another one."""
    if (folder / "truth.parquet").exists():
        return
    name, own_moves, moves = PAIRS[pair]
    actor, rate = load_actor(name, (_HEIGHT, _HEIGHT), 2), float(_RATE)

    def dance(seconds: float, seed: int, moves: tuple[Move, ...]) -> Motion:
        return compose(
            round(seconds * rate), frame_rate=rate, beats_per_minute=112, seed=seed, moves=moves
        )

    def shots(motion: Motion, count: int) -> tuple[list[Frame], Keypoints, Sequence[np.ndarray]]:
        kept = evenly_spaced(range(len(motion.angles)), count=count)
        places, joints = zip(*(pose_actor(actor, motion, index) for index in kept), strict=True)
        seen = np.array(
            [actor.film.room.camera.project(each, (_HEIGHT, _HEIGHT)) for each in joints]
        )
        frames = [shoot(actor.film, points)[0] for points in places]
        poses = true_keypoints(seen, size=(_HEIGHT, _HEIGHT), frame_rate=_RATE)
        return frames, poses, places

    own = dance(_FILM_SECONDS, 7, own_moves)
    theirs = in_place_of(dance(_DANCE_SECONDS, 21, moves), own, actor)
    film, poses, places = shots(own, NUM_FRAMES)
    truth, theirs_poses, _ = shots(theirs, len(theirs.angles))
    _write(folder, (film, poses), theirs_poses, truth)
    parts = part_of_faces(actor.film.dressed)
    labels = [true_labels(actor.film, points, parts) for points in places]
    np.savez_compressed(folder / LABELS, parts=np.stack(labels))


def film_tail(folder: Path, clip: Path) -> None:
    """Take frames of a clip from its beginning, and all of its end."""
    if (folder / "truth.parquet").exists():
        return
    subject, video = clip.parts[-2:]
    poses = read_keypoints(clip.parents[2] / "keypoints" / subject / f"{video}.parquet")
    count = poses.num_frames
    film = evenly_spaced(range(round(_TRAINED * count)), count=NUM_FRAMES)
    truth, dance = _shots(clip, poses, range(round(_TAIL * count), count))
    _write(folder, _shots(clip, poses, film), dance, truth)


def _shots(clip: Path, poses: Keypoints, chosen: Sequence[int]) -> tuple[list[Frame], Keypoints]:
    """Frames of a clip's folder, and poses."""
    size = _size(poses)
    with FrameStore(detection_frames(clip)) as store:
        frames = [resize(store[index], size) for index in chosen]
    return frames, poses.part([*chosen]).resized(size)


def _size(poses: Keypoints) -> tuple[int, int]:
    return _HEIGHT, round(_HEIGHT * poses.image_size[1] / poses.image_size[0])


def take_dance(folder: Path, transfer: str) -> None:
    """Take frames of the target's first clip, and the poses of a transfer."""
    if (folder / "truth.parquet").exists():
        return
    names = load_section(Transfer, f"transfers.{transfer}")
    clip = read_target_clips(names.target, NOTHING_HELD_OUT)[0]
    film = evenly_spaced(clip.training, count=NUM_FRAMES)
    poses = read_keypoints(layout.poses_file(transfer))
    _write(folder, _shots(clip.frames.parent, clip.keypoints, film), poses.resized(_size(poses)))


def _write(
    folder: Path, film: tuple[list[Frame], Keypoints], dance: Keypoints, truth: Sequence[Frame] = ()
) -> None:
    """The frames, and poses, of a target's film and of the dance that it is drawn in."""
    folder.mkdir(parents=True, exist_ok=True)
    frames, poses = film
    small = working_size(poses)
    write_frames(folder / FULL_SIZE_FILE, iter(frames), frame_rate=_RATE)
    (folder / DETECTION_FILE).unlink(missing_ok=True)
    (folder / DETECTION_FILE).hardlink_to(folder / FULL_SIZE_FILE)
    write_frames(
        folder / layout.FRAMES_FILE, (resize(one, small) for one in frames), frame_rate=_RATE
    )
    write_keypoints(folder / "film.parquet", poses.resized(small))
    if truth:
        write_frames(folder / TRUTH, iter(truth), frame_rate=_RATE)
    write_keypoints(folder / "truth.parquet", dance)


def working_size(poses: Keypoints) -> tuple[int, int]:
    height, width = poses.image_size
    return _WORKING, round(width * _WORKING / height)


def clip_of(folder: Path) -> TargetClip:
    file = folder / "film.parquet"
    poses = read_keypoints(file)
    every = range(poses.num_frames)
    return TargetClip(
        name="film", frames=folder / layout.FRAMES_FILE, keypoints=poses, keypoints_file=file,
        training=every, held_out=range(len(every), len(every)), masks=folder / "masks.parquet",
    )  # fmt: skip

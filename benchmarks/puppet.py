"""What the numbers of the puppet are worth: computed actors at 512 pixels, by exact poses.

    uv run python -m benchmarks.puppet FOLDER [--pairs arms turns ...] [--each canvas bending ...]
        [--set bending._REACH=4.8 ...] [--drawn-only]

The target of each pair is cut out of frames of one dance, and drawn in another one, in which they
are filmed, too. Likeness of the person, the face and hands is printed beside its ceiling, the truth
moved by half a pixel, with the standard error over frames, and `switches` as `evaluate` counts it.

With `--each`, every number of these modules of `motiontransfer.puppet` is taken 0.7 and 1.3 times,
one after another, and rows are differences of the means over the pairs. What is fitted to a film is
made anew each time unless `--drawn-only` says that the modules only draw. Films stay in FOLDER.
"""

import argparse
import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from benchmarks.machine import answer, in_own_process, recorded
from demo.actors.choreography import Motion, Move, compose
from demo.actors.renderer import in_place_of, load_actor, pose_actor, shoot, true_keypoints
from motiontransfer import puppet
from motiontransfer.core import layout
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.evaluation.frames import HALF_PIXEL, all_regions, moved
from motiontransfer.evaluation.likeness import likeness
from motiontransfer.evaluation.temporal_metrics import flow_between, switches
from motiontransfer.pose.keypoints import Keypoints, read_keypoints, write_keypoints
from motiontransfer.puppet.appearance import Appearance
from motiontransfer.puppet.appearance_file import read_appearance, write_appearance
from motiontransfer.puppet.background import median_background
from motiontransfer.puppet.fitting import target_appearance
from motiontransfer.puppet.full_size import FullSizeFrames
from motiontransfer.puppet.masks import write_masks
from motiontransfer.puppet.segmentation import clip_masks
from motiontransfer.puppet.target_clips import TargetClip
from motiontransfer.puppet.warping import Puppet
from motiontransfer.rendering.compositing import draw_puppet
from motiontransfer.video.clip import DETECTION_FILE, FULL_SIZE_FILE
from motiontransfer.video.color import Frame
from motiontransfer.video.frame_store import FrameStore, write_frames
from motiontransfer.video.geometry import resize

_SIZE, _WORKING = (512, 512), (256, 256)
_RATE = Fraction(25, 2)
_FILM_SECONDS, _DANCE_SECONDS = 21, 6.4
_NUM_FRAMES = 60  # of the film, and references
_SMALLEST_PX = 11  # side of a box that has a likeness
_FACTORS = 0.7, 1.3
_REGIONS = ("person", "face", "hands")

# Who performs, their own moves, and those of the dance.
_MOVES: tuple[Move, ...] = ("walk", "crouch", "touch", "cross_left", "jump", "cross_right")
_PAIRS: Mapping[str, tuple[str, tuple[Move, ...], tuple[Move, ...]]] = {
    "alike": ("ada", _MOVES, _MOVES),
    "sleeves": ("ben", _MOVES, _MOVES),
    "turns": ("cleo", ("walk", "touch"), ("turn_left", "turn_right", "crouch")),
    "arms": ("dan", ("walk",), ("stand",)),
    "jumps": ("eve", ("walk", "touch"), ("jump", "cross_left", "cross_right")),
    "steps": ("finn", ("stand",), ("walk", "touch")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", nargs="+", choices=_PAIRS, default=list(_PAIRS))
    parser.add_argument("--set", nargs="*", default=[], metavar="MODULE.NUMBER=VALUE")
    parser.add_argument("--each", nargs="*", default=[], metavar="MODULE")
    parser.add_argument("--drawn-only", action="store_true")
    parser.add_argument("--answer", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.answer:
        for number, value in (each.split("=") for each in arguments.set):
            change(number, float(value))
        answer({"rows": [_measured(arguments, pair) for pair in arguments.pairs]})
        return
    with recorded("puppet") as rows:
        first = in_own_process("--answer")["rows"]
        if not arguments.each:
            rows += first
            return
        for number, value in (found for each in arguments.each for found in numbers_of(each)):
            for factor in _FACTORS:
                other = f"{number}={value * factor:.6g}"
                changed = in_own_process("--answer", "--set", *arguments.set, other)["rows"]
                rows.append({"change": other, "was": value, **_differences(first, changed)})
                print(*rows[-1].values(), flush=True)  # noqa: T201 - it takes hours


def _differences(first: Sequence[Mapping], other: Sequence[Mapping]) -> dict[str, float]:
    names = (*_REGIONS, "switches")
    return {
        name: round(
            float(np.mean([b[name] - a[name] for a, b in zip(first, other, strict=True)])), 5
        )
        for name in names
    }


def numbers_of(module: str) -> Iterator[tuple[str, float]]:
    """Each number that a module has by a name of its own, alone or in a tuple."""
    for name, value in vars(importlib.import_module(f"{puppet.__name__}.{module}")).items():
        if name.isupper() and isinstance(value, int | float):
            yield f"{module}.{name}", value
        elif name.isupper() and isinstance(value, tuple):
            numbers = (each for each in enumerate(value) if isinstance(each[1], int | float))
            yield from ((f"{module}.{name}[{index}]", number) for index, number in numbers)


def change(number: str, value: float) -> None:
    """Take another number, wherever modules of the puppet have it by that name."""
    module, _, place = number.partition(".")
    name, _, index = place.rstrip("]").partition("[")
    before = getattr(importlib.import_module(f"{puppet.__name__}.{module}"), name)
    after: object = type(before)(value) if not index else None
    if index:
        numbers = [*before]
        numbers[int(index)] = type(numbers[int(index)])(value)
        after = tuple(numbers)
    for each in pkgutil.iter_modules(puppet.__path__):
        holder = importlib.import_module(f"{puppet.__name__}.{each.name}")
        if getattr(holder, name, None) is before:
            setattr(holder, name, after)


def _measured(arguments: argparse.Namespace, pair: str) -> dict[str, object]:
    folder = arguments.folder / pair
    if not (folder / "truth.parquet").exists():
        _film(folder, pair)
    poses = read_keypoints(folder / "truth.parquet")
    with FrameStore(folder / "truth.mkv") as store:
        truth = [*store.frames()]
    appearance = folder / "appearance.safetensors"
    if not (arguments.drawn_only and appearance.exists()):
        write_appearance(appearance, _fitted(_clip(folder)))
    drawn = _drawn(read_appearance(appearance), poses)
    scores = _scores(truth, drawn, poses)
    ceiling = {}  # the same whatever the numbers are
    if not arguments.each:
        ceiling = _scores(truth, [moved(frame, HALF_PIXEL[0]) for frame in truth], poses)
    return {
        "pair": pair,
        **{region: round(float(np.mean(scores[region])), 4) for region in _REGIONS},
        "switches": round(_switches(truth, drawn, poses), 5),
        **{f"{region} ceiling": round(float(np.mean(of)), 4) for region, of in ceiling.items()},
        **{
            f"{region} error": round(float(np.std(values) / np.sqrt(len(values))), 4)
            for region, values in scores.items()
        },
    }


def _film(folder: Path, pair: str) -> None:
    """Film an actor in a dance of their own, and in another one."""
    name, own_moves, moves = _PAIRS[pair]
    actor, rate = load_actor(name, _SIZE, 2), float(_RATE)

    def dance(seconds: float, seed: int, moves: tuple[Move, ...]) -> Motion:
        return compose(
            round(seconds * rate), frame_rate=rate, beats_per_minute=112, seed=seed, moves=moves
        )

    def shots(motion: Motion, count: int) -> tuple[list[Frame], Keypoints]:
        kept = evenly_spaced(range(len(motion.angles)), count=count)
        places, joints = zip(*(pose_actor(actor, motion, index) for index in kept), strict=True)
        seen = np.array([actor.film.room.camera.project(each, _SIZE) for each in joints])
        frames = [shoot(actor.film, points)[0] for points in places]
        return frames, true_keypoints(seen, size=_SIZE, frame_rate=_RATE)

    folder.mkdir(parents=True, exist_ok=True)
    own = dance(_FILM_SECONDS, 7, own_moves)
    frames, poses = shots(own, _NUM_FRAMES)
    write_frames(folder / FULL_SIZE_FILE, iter(frames), frame_rate=_RATE)
    (folder / DETECTION_FILE).hardlink_to(folder / FULL_SIZE_FILE)
    small = (resize(frame, _WORKING) for frame in frames)
    write_frames(folder / layout.FRAMES_FILE, small, frame_rate=_RATE)
    write_keypoints(folder / "film.parquet", poses.resized(_WORKING))
    theirs = in_place_of(dance(_DANCE_SECONDS, 21, moves), own, actor)
    frames, poses = shots(theirs, len(theirs.angles))
    write_frames(folder / "truth.mkv", iter(frames), frame_rate=_RATE)
    write_keypoints(folder / "truth.parquet", poses)


def _clip(folder: Path) -> TargetClip:
    file = folder / "film.parquet"
    poses = read_keypoints(file)
    every = range(poses.num_frames)
    return TargetClip(
        name="film", frames=folder / layout.FRAMES_FILE, keypoints=poses, keypoints_file=file,
        training=every, held_out=range(len(every), len(every)),
    )  # fmt: skip


def _fitted(clip: TargetClip) -> Appearance:
    write_masks(clip.masks_file, clip_masks(clip))
    with FullSizeFrames([clip]) as frames:
        background = median_background(frames)
        return target_appearance(frames, background, num_references=_NUM_FRAMES, num_workers=1)


def _drawn(appearance: Appearance, poses: Keypoints) -> list[Frame]:
    clip = Puppet(appearance, _WORKING).follow(poses.resized(_WORKING))
    room = resize(appearance.background, _SIZE)
    drawn = (draw_puppet(clip, index, _WORKING, room) for index in range(poses.num_frames))
    return [np.ascontiguousarray(frame[..., :3]) for frame in drawn]


def _scores(
    truth: Sequence[Frame], drawn: Sequence[Frame], poses: Keypoints
) -> dict[str, list[float]]:
    scores: dict[str, list[float]] = {region: [] for region in _REGIONS}
    for region, boxes in all_regions(poses).items():
        for index in range(0, len(truth), 2):
            box = boxes[index]
            if box and min(box[2] - box[0], box[3] - box[1]) >= _SMALLEST_PX:
                group = "hands" if "hand" in region else region
                scores[group].append(likeness(truth[index], drawn[index], box))
    return scores


def _switches(truth: Sequence[Frame], drawn: Sequence[Frame], poses: Keypoints) -> float:
    shares = []
    for index, box in enumerate(all_regions(poses)["person"][:-1]):
        if box:
            x0, y0, x1, y1 = box
            part = np.s_[y0:y1, x0:x1]
            real, made = ((video[index][part], video[index + 1][part]) for video in (truth, drawn))
            shares.append(switches(made, real, flow_between(*real)).mean())
    return float(np.mean(shares))


if __name__ == "__main__":
    main()

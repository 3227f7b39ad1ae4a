"""Film one clip of the demo: target, source or truth (the target's actor in the source's dance)."""

import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
from pydantic import Field

from demo.actors.choreography import Motion, compose, strike
from demo.actors.music import SAMPLE_RATE, compose_music, write_wave
from demo.actors.renderer import film_clip, in_place_of, load_actor, pose_actor, true_keypoints
from motiontransfer.core import layout
from motiontransfer.core.errors import ParamsError
from motiontransfer.core.params import Compute, Section, load_section
from motiontransfer.core.progress import track
from motiontransfer.filming.key_poses import find_key_poses
from motiontransfer.pose.keypoints_file import write_keypoints
from motiontransfer.video.writer import Sound, store_sound, write_video

PARAMS = Path("demo/params.yaml")
CLIPS = Path("demo/clips")
VIDEOS = {
    "target": CLIPS / "target.mp4",
    "source": CLIPS / "source.mp4",
    "truth": layout.TRUTH_FOLDER / "demo.mp4",
}
ACTORS = {"target": "ada", "source": "ben", "truth": "ada"}


class FilmParams(Section):
    """How the clips are filmed."""

    side: int = Field(ge=64, le=512, multiple_of=2)
    frame_rate: int = Field(ge=5, le=60)
    samples: int = Field(ge=1, le=8)
    crf: int = Field(ge=0, le=51)


class DanceParams(Section):
    """One dance."""

    seconds: float = Field(gt=0.2, le=600)
    beats_per_minute: float = Field(ge=60, le=180)
    seed: int = Field(ge=0)


class StrikeParams(DanceParams):
    """A dance that begins with the key poses of another one."""

    poses: int = Field(ge=1)
    place: tuple[float, float]
    change_seconds: float = Field(gt=0, le=10)
    hold_seconds: float = Field(gt=0, le=10)


DANCES = {"target": StrikeParams, "source": DanceParams}


def main(clip: str) -> str:
    """Film a clip; write its video and `<clip>_joints.parquet`."""
    if clip not in VIDEOS:
        raise ParamsError(f"{clip}: no such clip; the demo has {', '.join(VIDEOS)}")
    params = load_section(FilmParams, "film", path=PARAMS)
    motion = _dance("source", params)
    if clip == "target":
        motion = _with_poses_of(motion, params)
    if clip == "truth":
        actor = load_actor(ACTORS[clip], (params.side, params.side), params.samples)
        motion = in_place_of(motion, _dance("target", params), actor)
    film_video(
        VIDEOS[clip],
        CLIPS / f"{clip}_joints.parquet",
        actor=ACTORS[clip],
        motion=motion,
        params=params,
        compute=load_section(Compute, "compute"),
        tune=load_section(DanceParams, "source", path=PARAMS).seed if clip == "source" else None,
    )
    return f"{len(motion.angles)} frames in {VIDEOS[clip]}"


def film_video(
    video: Path,
    joints_file: Path,
    *,
    actor: str,
    motion: Motion,
    params: FilmParams,
    compute: Compute,
    tune: int | None,
) -> None:
    """Film an actor's dance; write the video, and the true positions of the joints as Parquet.

    Args:
        tune: seed of the music; None: no sound.
    """
    size, frame_rate = (params.side, params.side), Fraction(params.frame_rate)
    shots = film_clip(actor, motion, size=size, samples=params.samples, compute=compute)
    joints = []

    def frames():  # noqa: ANN202 - a generator that also keeps the joints
        for shot in track(shots, f"film {video.stem}", total=len(motion.angles)):
            joints.append(shot.joints)
            yield shot.frame

    with tempfile.TemporaryDirectory() as folder:
        sound = None
        if tune is not None:
            sound = _music(Path(folder), motion, params.frame_rate, tune)
        write_video(video, frames(), frame_rate=frame_rate, sound=sound, crf=params.crf)
    write_keypoints(joints_file, true_keypoints(np.array(joints), size=size, frame_rate=frame_rate))


def _dance(name: str, params: FilmParams) -> Motion:
    dance = load_section(DANCES[name], name, path=PARAMS)
    return compose(
        round(dance.seconds * params.frame_rate),
        frame_rate=float(params.frame_rate),
        beats_per_minute=dance.beats_per_minute,
        seed=dance.seed,
    )


def _with_poses_of(dance: Motion, params: FilmParams) -> Motion:
    """What the target does: first the poses that cover a dance, then a dance of her own."""
    own = load_section(StrikeParams, "target", path=PARAMS)
    size = params.side, params.side
    dancer = load_actor(ACTORS["source"], size, params.samples)
    joints = [pose_actor(dancer, dance, index)[1] for index in range(len(dance.angles))]
    keypoints = true_keypoints(
        dancer.film.room.camera.project(np.array(joints), size),
        size=size,
        frame_rate=Fraction(params.frame_rate),
    )
    free = _dance("target", params)
    frames = sorted(find_key_poses(keypoints, num_poses=own.poses, least_gain=0.0).frames)
    change, hold = (
        max(round(seconds * params.frame_rate), 1)
        for seconds in (own.change_seconds, own.hold_seconds)
    )
    if len(frames) * (change + hold) >= len(free.angles):
        raise ParamsError(
            f"{PARAMS}: target.seconds: {own.seconds:g} s are too short for {len(frames)} poses of "
            f"{own.change_seconds:g} + {own.hold_seconds:g} s; film longer, or strike them faster"
        )
    return strike(free, dance, frames, place=own.place, change_frames=change, hold_frames=hold)


def _music(folder: Path, motion: Motion, frame_rate: int, seed: int) -> Sound | None:
    seconds = len(motion.angles) / frame_rate
    track_samples = compose_music(
        round(seconds * SAMPLE_RATE), beat_seconds=motion.beat_seconds, seed=seed
    )
    write_wave(folder / "music.wav", track_samples)
    return store_sound(folder / "music.wav", folder / "music.mka", origin_seconds=0.0)

"""Film an actor: `python -m prior film 7`."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from pydantic import Field
from scipy import ndimage

from demo.actors.renderer import pose_actor, shoot
from motiontransfer.params import Section, load_section
from motiontransfer.progress import track
from motiontransfer.video.color import Frame
from motiontransfer.video.writer import write_video
from prior.actors import moved_folds, random_actor

CLIPS = Path("clips")


class FilmParams(Section):
    """How the actors are filmed."""

    frames: int = Field(ge=20)
    frame_rate: int = Field(ge=5, le=60)
    size: int = Field(ge=64, le=512, multiple_of=8)
    samples: int = Field(ge=1, le=8)


def video_file(actor: int) -> Path:
    return CLIPS / f"{actor}.mp4"


def main(number: str) -> None:
    """Write the actor's video."""
    actor, params = int(number), load_section(FilmParams, "film")
    drawn = random_actor(
        actor,
        num_frames=params.frames,
        frame_rate=params.frame_rate,
        size=params.size,
        samples=params.samples,
    )

    def frames() -> Iterator[Frame]:
        for index in track(range(params.frames), f"film actor {actor}", total=params.frames):
            points, _ = pose_actor(drawn.actor, drawn.motion, index)
            frame, _ = shoot(
                drawn.actor.film, moved_folds(points, drawn, seconds=index / params.frame_rate)
            )
            noise = np.random.default_rng((21, actor, index)).normal(0, drawn.noise, frame.shape)
            sigma = (drawn.blur, drawn.blur, 0)
            seen = ndimage.gaussian_filter(frame.astype(np.float32), sigma) + noise
            yield np.clip(np.rint(seen), 0, 255).astype(np.uint8)

    rate = Fraction(params.frame_rate)
    write_video(video_file(actor), frames(), frame_rate=rate, crf=drawn.crf)

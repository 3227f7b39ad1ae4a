"""Film one clip of the benchmark set: `python -m benchmarks.transfer.film PAIR ROLE`.

Writes demo/clips/<pair>_<clip>.mp4 and its true joints, the truth into data/truth/<pair>.mp4.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from demo.actors.choreography import Motion, compose
from demo.actors.renderer import in_place_of, load_actor
from demo.film import CLIPS, FilmParams, film_video
from motiontransfer.core.params import Compute, load_section

SET_FILE = Path("benchmarks/transfer/set.yaml")


def clip_path(pair: str, role: str) -> Path:
    """Where a clip of the set lies."""
    return Path(f"data/truth/{pair}.mp4") if role == "truth" else CLIPS / f"{pair}_{role}.mp4"


def main(pair: str, role: str) -> None:
    """Film the clip."""
    content = yaml.safe_load(SET_FILE.read_text(encoding="utf-8"))
    entry, params = content["pairs"][pair], FilmParams(**content["film"])
    motion = _dance(content, entry, "target" if role == "target" else "source")
    if role == "truth":
        actor = load_actor(entry["target"], (params.side, params.side), params.samples)
        motion = in_place_of(motion, _dance(content, entry, "target"), actor)
    film_video(
        clip_path(pair, role),
        CLIPS / f"{pair}_{role}_joints.parquet",
        actor=entry["source" if role == "source" else "target"],
        motion=motion,
        params=params,
        compute=load_section(Compute, "compute"),
        tune=entry["source_seed"] if role == "source" else None,
    )


def _dance(content: Mapping, entry: Mapping, role: str) -> Motion:
    frame_rate = content["film"]["frame_rate"]
    moves = content["target_moves"] if role == "target" else entry["moves"]
    return compose(
        round(content[f"{role}_seconds"] * frame_rate),
        frame_rate=float(frame_rate),
        beats_per_minute=float(content["beats_per_minute"]),
        seed=entry[f"{role}_seed"],
        moves=tuple(moves),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

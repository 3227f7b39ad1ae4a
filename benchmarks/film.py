"""CPU time, memory and disk of every stage on films of a phone's sizes and lengths.

    uv run python -m benchmarks.film CLIP FOLDER [--sizes 720x1280 1080x1920 2160x3840]
        [--minutes 1 3 10] [--stages decode detect_keypoints ...]

CLIP, of constant rate, is played there and back until it is as long, in H.264. It is source and
target at once. The networks are trained for a few steps. Each stage is a process of its own, as DVC
runs it; `live` takes the whole film in its own time. Films and projects stay in FOLDER: a later
call with other stages goes on from there. Starting up is in all figures; milliseconds beyond it are
those between two lengths. `peak MiB` is of the largest process, `MB` what the stage wrote.
"""

import argparse
import itertools
import sys
from fractions import Fraction
from pathlib import Path

import av

from benchmarks.machine import recorded, usage_of
from benchmarks.transfer.project import read_sections, write_sections
from motiontransfer.video.container import open_output
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import resize
from motiontransfer.video.writer import set_up_x264, to_yuv

_FILM = Path("data/videos/film.mp4")
_STEPS = 20
_STAGES = {
    **dict.fromkeys(("decode", "detect_keypoints", "clean_keypoints"), "film"),
    **dict.fromkeys(("fit_normalization", "segment_person", "fit_appearance"), "me"),
    **dict.fromkeys(("train_gan", "train_face_gan", "evaluate"), "me"),
    **dict.fromkeys(("normalize", "render", "encode"), "again"),
    **dict.fromkeys(("evaluate_transfer", "report"), "again"),
}
_COMMANDS = {
    **{name: [sys.executable, "-m", "stages", name, key] for name, key in _STAGES.items()},
    "export": ["motiontransfer", "export", "me", "--output", "exported"],
    "live": ["motiontransfer", "live", "--target", "me", "--video", str(_FILM), "--headless"],
}


def main() -> None:
    """A row for each film and stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", nargs="+", default=["720x1280", "1080x1920", "2160x3840"])
    parser.add_argument("--minutes", nargs="+", type=Fraction, default=[1, 3, 10])
    parser.add_argument("--stages", nargs="+", choices=_COMMANDS, default=list(_COMMANDS))
    arguments = parser.parse_args()
    with recorded("film") as rows:
        for size, minutes in itertools.product(arguments.sizes, arguments.minutes):
            project = arguments.folder / f"{size}_{float(minutes):g}"
            num_frames = _make_project(project, arguments.clip, size, minutes)
            for stage in arguments.stages:
                before = _bytes_in(project)
                used = usage_of(_COMMANDS[stage], folder=project)
                row = {
                    **{"film": size, "minutes": f"{float(minutes):g}", "stage": stage},
                    "CPU s": round(used.cpu_seconds, 1),
                    "CPU ms a frame": round(1000 * used.cpu_seconds / num_frames, 1),
                    "peak MiB": round(used.peak_mib),
                    "MB": round((_bytes_in(project) - before) / 1e6, 1),
                }
                rows.append(row)
                print(*row.values(), file=sys.stderr, flush=True)  # noqa: T201 - it takes hours


def _make_project(folder: Path, clip: Path, size: str, minutes: Fraction) -> int:
    """Film and params; return the number of frames."""
    with FrameStore(clip) as store:
        rate, num_frames = store.frame_rate, round(60 * minutes * store.frame_rate)
    width, height = map(int, size.split("x"))
    if not (folder / _FILM).exists():
        write_film(clip, folder / _FILM, (height, width), num_frames=num_frames, frame_rate=rate)
    params = read_sections()
    params |= {
        "videos": {"film": {"path": str(_FILM), "subject": "me", "crop": "auto"}},
        **{key: ["me"] for key in ("subjects", "targets", "trained")},
        "transfers": {
            "again": {"source": "film", "source_subject": "me", "target": "me", "truth": "none"}
        },
    }
    params["train_gan"]["steps"] = params["train_face_gan"]["steps"] = _STEPS
    write_sections(folder, params)
    usage_of([sys.executable, "-m", "stages", "check_params"], folder=folder)
    return num_frames


def write_film(
    clip: Path, path: Path, size: tuple[int, int], *, num_frames: int, frame_rate: Fraction
) -> None:
    """Encode a clip there and back, and copy its packets until there are so many frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FrameStore(clip) as store:
        frames = list(store.frames())
    shown = [*frames, *frames[-2:0:-1]][:num_frames]
    temporary = path.with_suffix(".part")
    with open_output(temporary, container_format="mp4", options={}) as container:
        stream = container.add_stream("libx264", rate=frame_rate)
        set_up_x264(stream.codec_context, (*size, 3), crf=20, preset="veryfast")
        stream.codec_context.options |= {"bf": "0"}  # so that packets follow in the frames' order
        packets = []
        for index, frame in enumerate(shown):
            packets += stream.encode(to_yuv(resize(frame, size), index, frame_rate))
        packets += stream.encode(None)
        contents = [(bytes(packet), packet.is_keyframe) for packet in packets]
        for index, (content, is_key) in zip(range(num_frames), itertools.cycle(contents)):
            packet = av.Packet(content)
            packet.stream, packet.is_keyframe = stream, is_key
            packet.pts = packet.dts = index
            packet.time_base = 1 / frame_rate
            container.mux(packet)
    temporary.rename(path)


def _bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


if __name__ == "__main__":
    main()

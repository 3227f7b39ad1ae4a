"""Rate, latency, CPU time by part and memory of live motion transfer, and what it loses.

    uv run python -m benchmarks.live [--seconds 60] [--rate 30] [--transfer ada_as_ben] [--record]
        [--without-bf16]

The transfer's source is played there and back as a camera, and shown in a window that is not on a
screen: all is done but to put the picture there. `shown/s` and latency are of the wall clock and
mean something on an idle machine only; CPU milliseconds are those of one shown frame. `detection`
is what the process used beside its own threads: MediaPipe has its own. `--without-bf16` imitates
slow processors, with OpenVINO: fp32, and hands in turns.

What is lost against the offline rendering of the same clip is measured frame by frame and without a
clock. `live` is all of it, with OpenVINO's detections if it is installed, then also with hands in
turns. `from MediaPipe's detections` has those of the offline rendering, and the rows below change
one thing more. Both are compared in the working image.
"""

import argparse
import os
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import psutil
import torch

from benchmarks.machine import recorded
from motiontransfer.core import layout
from motiontransfer.core.params import Transfer, load_section
from motiontransfer.evaluation.frames import person_regions
from motiontransfer.evaluation.image_metrics import frame_metrics
from motiontransfer.evaluation.pose_metrics import pose_scores
from motiontransfer.live.command import open_detector, source_motion
from motiontransfer.live.devices import Load, Source, Window, recording
from motiontransfer.live.motion import SourceMotion
from motiontransfer.live.networks import load_target, use_openvino
from motiontransfer.live.session import Session
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.keypoints_file import read_detections, read_keypoints
from motiontransfer.pose.landmarks import Detector
from motiontransfer.pose.mediapipe_detectors import mediapipe_models
from motiontransfer.pose.openvino_holistic import IS_INSTALLED, follow_person, openvino_core
from motiontransfer.puppet.draw.warping import PuppetClip
from motiontransfer.rendering.frame import ResidualFaces, live_generator, render_poses
from motiontransfer.rendering.rendered import RenderParams
from motiontransfer.rendering.renderer import TrainedRenderer
from motiontransfer.rendering.torch_networks import TorchNetworks
from motiontransfer.retargeting.statistics import read_statistics
from motiontransfer.video.clip import read_clip
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import resize

_WARM_UP_SECONDS = 10.0  # until memory counts
_MARGIN = 0.1
_CRF = 16


def main() -> None:
    """Measure speed, then the loss."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=Fraction, default=Fraction(30), help="frames a second")
    parser.add_argument("--transfer", default="ada_as_ben")
    parser.add_argument("--record", action="store_true", help="record as well")
    parser.add_argument("--without-bf16", action="store_true", help="imitate slow processors")
    arguments = parser.parse_args()
    names = load_section(Transfer, f"transfers.{arguments.transfer}")
    params = load_section(RenderParams, "render")
    detector = open_detector
    if arguments.without_bf16:
        openvino_core().set_property("CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        params, detector = params.model_copy(update={"precision": "32-true"}), in_turns
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // 2))
    cv2.setNumThreads(1)
    clip = read_clip(Path("artifacts/frames") / names.source_subject / names.source)
    renderer = load_target(names.target, params)
    with FrameStore(clip.frames) as store:
        frames = list(store.frames())
    source = Source(
        name=names.source,
        stream=partial(_there_and_back, frames, float(arguments.rate), arguments.seconds),
        frame_rate=arguments.rate,
        size=clip.size,
    )
    use_openvino(renderer)
    with recorded("live") as rows:
        rows.append(_speed(source, names.target, renderer, detector, record=arguments.record))
    with recorded("live_loss") as rows:
        rows += _losses(source, frames, arguments.transfer, names, renderer)


def _there_and_back(
    frames: list[np.ndarray], rate: float, seconds: float
) -> Generator[tuple[float, Load]]:
    order = [*range(len(frames)), *range(len(frames) - 2, 0, -1)]
    for index in range(round(seconds * rate)):
        yield index / rate, partial(np.copy, frames[order[index % len(order)]])


class Offscreen(Window):
    """Does all for a window but to open it."""

    def __init__(self) -> None:
        pass

    def show(self, image: np.ndarray) -> None:
        """Convert."""
        cv2.cvtColor(image, cv2.COLOR_RGB2BGR)

    def key(self) -> str:
        """None is pressed."""
        return ""


def in_turns() -> AbstractContextManager[Detector]:
    """OpenVINO's detector, as on slow processors."""
    return nullcontext(follow_person(mediapipe_models(), max_seconds=0.0))


def _speed(
    source: Source,
    target: str,
    renderer: TrainedRenderer,
    detector: Callable[[], AbstractContextManager[Detector]],
    *,
    record: bool,
) -> dict[str, object]:
    process, memory = psutil.Process(), []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(1.0):
            memory.append((time.monotonic(), process.memory_info().rss / 2**20))

    with detector() as detect, tempfile.TemporaryDirectory() as folder:
        session = Session(
            source, _motion(target, source, renderer), live_generator(renderer), detect=detect
        )
        path = Path(folder) / "live.mp4"
        parts = {
            "generation": (Session, "_generate"),
            "display": (Session, "_show_all"),
            "normalization": (type(session._motion), "follow"),
            "puppet": (PuppetClip, "draw"),
            "network": (TorchNetworks, "generate"),
            "shadows": (TorchNetworks, "scene"),
            "face": (ResidualFaces, "_patch"),
        }
        watcher = threading.Thread(target=watch)
        watcher.start()
        began, cpu_before = time.monotonic(), time.process_time()
        with _timed(parts) as spent, ExitStack() as stack:
            recorder = recording(source, path, crf=_CRF)
            outputs = [stack.enter_context(recorder)] if record else []
            session.run(window=Offscreen(), outputs=outputs)
        cpu = time.process_time() - cpu_before
        ended.set()
        watcher.join()
    shown = len(session.latencies_ms)
    dropped = [queue.dropped for queue in (session.captured, session.detected, session.results)]
    own = {name: spent.pop(name) for name in ("generation", "display")}
    warm = [size for at, size in memory if at - began > min(_WARM_UP_SECONDS, session.seconds / 2)]
    per_frame = {
        "detection": (cpu - sum(own.values())) / max(shown + sum(dropped[1:]), 1),
        **{name: seconds / max(shown, 1) for name, seconds in own.items()},
        **{f"of it {name}": seconds / max(shown, 1) for name, seconds in spent.items()},
    }
    return {
        "seconds": round(session.seconds, 1),
        "shown/s": round(shown / session.seconds, 1),
        "latency ms, median": int(np.quantile(session.latencies_ms, 0.5)),
        "95 %": int(np.quantile(session.latencies_ms, 0.95)),
        "dropped": " + ".join(map(str, dropped)),
        **{f"{name} CPU ms": round(1000 * seconds, 1) for name, seconds in per_frame.items()},
        "MiB, warm": round(warm[0]),
        "MiB, half": round(warm[len(warm) // 2]),
        "MiB, end": round(warm[-1]),
        "peak MiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _motion(target: str, source: Source, renderer: TrainedRenderer) -> SourceMotion:
    statistics = read_statistics(layout.statistics_file(target))
    return source_motion(statistics, source, size=renderer.networks.size)


@contextmanager
def _timed(parts: dict[str, tuple[type, str]]) -> Generator[dict[str, float]]:
    """CPU seconds of methods, in the thread that calls them."""
    spent = dict.fromkeys(parts, 0.0)
    originals = {name: getattr(owner, method) for name, (owner, method) in parts.items()}

    def timed(name: str, *arguments: object, **options: object) -> object:
        before = time.thread_time()
        answer = originals[name](*arguments, **options)
        spent[name] += time.thread_time() - before
        return answer

    def method_of(name: str):  # noqa: ANN202 - a method
        return lambda *arguments, **options: timed(name, *arguments, **options)

    try:
        for name, (owner, method) in parts.items():
            setattr(owner, method, method_of(name))
        yield spent
    finally:
        for name, (owner, method) in parts.items():
            setattr(owner, method, originals[name])


def _losses(
    source: Source,
    frames: list[np.ndarray],
    transfer: str,
    names: Transfer,
    renderer: TrainedRenderer,
) -> list[dict[str, object]]:
    """Against the offline rendering, where the clip has been seen once, backwards."""
    offline = read_keypoints(Path("artifacts/poses", transfer, "poses.parquet"))
    cleaned = read_keypoints(
        Path("artifacts/keypoints") / names.source_subject / f"{names.source}.parquet"
    )
    folder = Path("artifacts/detections") / names.source_subject
    detections = read_detections(folder / f"{names.source}.parquet")
    detected = detections.of_person(detections.people[0])
    statistics = read_statistics(Path("artifacts/statistics") / f"{names.source_subject}.json")
    expected = list(render_poses(renderer, offline))
    detectors = {"live": open_detector}
    if IS_INSTALLED:
        detectors["live, hands in turns"] = in_turns
    order, followed = _back_and_there(len(frames)), {}
    for name, detector in detectors.items():
        with detector() as detect:
            followed[name] = [detect([frames[index]])[0] for index in order]
    rows = []
    for name, people, is_known in (
        *((name, people, False) for name, people in followed.items()),
        ("from MediaPipe's detections", _people(detected), False),
        ("with the offline statistics", _people(detected), True),
        ("from cleaned keypoints", _people(cleaned), False),
        ("both", _people(cleaned), True),
    ):
        motion = _motion(names.target, source, renderer)
        if is_known:
            motion.statistics, motion.is_frozen = statistics, True
        generator = live_generator(renderer)
        made, shown = [], []
        for number, index in enumerate(_back_and_there(len(frames))):
            found = people[number][0] if len(people[number]) else None
            live = motion.follow(found, number / float(offline.frame_rate))
            if number < len(frames):
                continue
            if live is None:
                generator.restart()
                continue
            made.append((index, generator.generate(live)()))
            shown.append((index, live))
        rows.append({"poses": name, **_against(offline, expected, made, shown)})
    return rows


def _back_and_there(num_frames: int) -> list[int]:
    return [*reversed(range(num_frames)), *range(num_frames)]


def _people(poses: Keypoints) -> list[np.ndarray]:
    """Who is in each frame, backwards and then forwards."""
    joints = np.concatenate([poses.points, poses.score[..., None]], axis=2)
    each = [joints[index : index + 1] for index in _back_and_there(poses.num_frames)]
    return [people[people[..., 2].any(axis=1)] for people in each]


def _against(
    offline: Keypoints,
    expected: list[np.ndarray],
    made: list[tuple[int, np.ndarray]],
    shown: list[tuple[int, Keypoints]],
) -> dict[str, object]:
    indices = [index for index, _ in shown]
    reference = offline.part(indices)
    poses = replace(
        reference,
        points=np.stack([live.points[-1] for _, live in shown]),
        score=np.stack([live.score[-1] for _, live in shown]),
        filled=None,
    )
    distance = {
        key.region: round(float(found.total.sum() / found.weight.sum()), 2)
        for key, found in pose_scores(poses, reference, system="live").items()
        if key.metric == "pose_distance_px"
    }
    regions = person_regions(reference, margin=_MARGIN)
    similar = [
        frame_metrics(expected[index], resize(frame, offline.image_size), boxes={"person": box})
        for (index, frame), box in zip(made, regions, strict=True)
    ]
    return {
        "frames": len(indices),
        **{f"pose distance, {group}": value for group, value in distance.items()},
        "likeness": _mean(similar, "likeness"),
        "SSIM": _mean(similar, "ssim"),
    }


def _mean(metrics: list[dict[str, dict[str, float]]], name: str) -> float:
    of_person = [values["person"] for values in metrics]
    return round(float(np.mean([values[name] for values in of_person if values])), 3)


if __name__ == "__main__":
    main()

"""Inference engines and precisions for the main generator: time, difference, loss of similarity.

    uv sync --extra openvino
    GOMP_SPINCOUNT=2000 uv run python -m benchmarks.engines TARGET TRANSFER [--frames 32] \
        [--rounds 7] [--threads 1 2]

The generator of TARGET is exported, and quantised with what it is fed on TARGET's own frames: int8
in all convolutions but the first and the last, static, one scale a channel. What it is fed while
PyTorch rolls out on the poses of TRANSFER is then given to each engine, in turns: milliseconds are
medians over frames, differences those of single frames, in levels of 255. At last each rolls out by
itself: the similarity lost is 1 minus the person's shift-tolerant SSIM to PyTorch's roll-out, as a
mean over all frames and over the last quarter of them. PyTorch's threads spin as in stages.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch
from jaxtyping import Float
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

from benchmarks.machine import machine, recorded
from motiontransfer.evaluation.frames import person_regions
from motiontransfer.evaluation.image_metrics import frame_metrics
from motiontransfer.export.bundle import export_target
from motiontransfer.export.engines import Inputs, Network, Output, open_network
from motiontransfer.export.player import Player
from motiontransfer.keypoints import Keypoints, read_keypoints
from motiontransfer.models.generators import FrameGenerator
from motiontransfer.target_clips import spread
from motiontransfer.training.weights import read_generator
from motiontransfer.video.color import Frame

_CALIBRATION_FRAMES = 32
_BOX_MARGIN = 0.1  # as `evaluate.box_margin`
_PAUSE_SECONDS = 0.02  # threads of the engine before this one spin for a while
_FRAMES_A_TURN = 4

Contender = tuple[str, str, int]
"""Engine, precision, threads."""


def main() -> None:
    """Export, quantise, measure in turns, roll out, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target")
    parser.add_argument("transfer")
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    weights = Path("artifacts/models") / arguments.target / "generator.safetensors"
    generator = read_generator(weights).network
    poses = read_keypoints(Path(f"artifacts/poses/{arguments.transfer}.parquet"))
    poses = _some(poses, range(min(arguments.frames, poses.num_frames)))
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as scratch:
        folder = Path(scratch) / "exported"
        export_target(arguments.target, folder)
        reference = _torch(generator, num_threads=1)
        _quantise(folder, _calibration(folder, reference, arguments.target))
        with recorded("engines") as rows:
            fed, expected = _roll_out(folder, reference, poses)
            compiled = torch.compile(deepcopy(generator))
            contenders = {
                (engine, precision, num_threads): network
                for num_threads in arguments.threads
                for (engine, precision), network in _open(folder, generator, compiled, num_threads)
            }
            milliseconds = _milliseconds(contenders, fed, arguments.rounds)
            outputs = [reference(inputs) for inputs in fed]
            quality: dict[tuple[str, str], dict[str, float]] = {}
            for (engine, precision, num_threads), network in contenders.items():
                if (engine, precision) not in quality:
                    frames = _roll_out(folder, network, poses)[1]
                    lost = _similarity_lost(frames, expected, poses)
                    quality[engine, precision] = {
                        **_differences([network(inputs) for inputs in fed], outputs),
                        "similarity lost": round(float(lost.mean()), 5),
                        "in the last quarter": round(float(lost[-len(lost) // 4 :].mean()), 5),
                    }
                wall, cpu = milliseconds[engine, precision, num_threads]
                slower_wall, slower_cpu = milliseconds["torch", "fp32", num_threads]
                rows.append(
                    {
                        **{"engine": engine, "precision": precision, "threads": num_threads},
                        **{"ms": round(wall, 1), "frames/s": round(1000 / wall, 1)},
                        **{"CPU ms": round(cpu, 1), "torch / this": round(slower_wall / wall, 2)},
                        "torch / this, CPU": round(slower_cpu / cpu, 2),
                        **quality[engine, precision],
                    }
                )


def _some(poses: Keypoints, indices: Sequence[int]) -> Keypoints:
    points, score = poses.points[list(indices)], poses.score[list(indices)]
    return replace(poses, points=points, score=score, filled=None)


def _roll_out(folder: Path, network: Network, poses: Keypoints) -> tuple[list[Inputs], list[Frame]]:
    """What a network is fed in a roll-out, and the frames."""
    fed: list[Inputs] = []

    def recording(inputs: Inputs) -> Output:
        fed.append(inputs)
        return network(inputs)

    player = Player(folder, num_threads=1)
    player._network = recording
    frames = list(player.play(poses))
    return fed, frames


def _calibration(folder: Path, network: Network, target: str) -> list[Inputs]:
    """Some of what the network is fed on the target's own frames."""
    clips = sorted((Path("artifacts/keypoints") / target).glob("*.parquet"))
    fed = [it for clip in clips for it in _roll_out(folder, network, read_keypoints(clip))[0]]
    return [fed[index] for index in spread(range(len(fed)), count=_CALIBRATION_FRAMES)]


class _Reader(CalibrationDataReader):
    def __init__(self, fed: Sequence[Inputs], names: Sequence[str]) -> None:
        self._fed = iter([{name: inputs[name] for name in names} for inputs in fed])

    def get_next(self) -> Inputs | None:
        return next(self._fed, None)


def _quantise(folder: Path, calibration: Sequence[Inputs]) -> None:
    """Write int8.onnx."""
    graph = onnx.load(folder / "generator.onnx").graph
    convolutions = [node.name for node in graph.node if node.op_type == "Conv"]
    quantize_static(
        folder / "generator.onnx",
        folder / "int8.onnx",
        _Reader(calibration, [it.name for it in graph.input]),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        op_types_to_quantize=["Conv"],
        nodes_to_exclude=[convolutions[0], convolutions[-1]],
    )


def _open(
    folder: Path, generator: FrameGenerator, compiled: Callable, num_threads: int
) -> Iterator[tuple[tuple[str, str], Network]]:
    """All engines in each precision that the processor has."""
    has_bf16 = bool(machine()["bf16"])
    for precision in ("fp32", "bf16") if has_bf16 else ("fp32",):
        for name, network in (("torch", generator), ("torch.compile", compiled)):
            is_bf16 = precision == "bf16"
            yield (name, precision), _torch(network, num_threads=num_threads, is_bf16=is_bf16)
    for name, precision, file, engine in (
        ("onnxruntime", "fp32", "generator", "onnxruntime"),
        ("onnxruntime", "int8", "int8", "onnxruntime"),
        ("openvino", "fp32", "generator", "openvino"),
        ("openvino", "bf16", "generator", "openvino_bf16"),
        ("openvino", "int8", "int8", "openvino"),
    ):
        if precision != "bf16" or has_bf16:
            path = folder / f"{file}.onnx"
            yield (name, precision), open_network(path, engine=engine, num_threads=num_threads)


def _torch(network: Callable, *, num_threads: int, is_bf16: bool = False) -> Network:
    names = ("pose_map", "previous_frame", "background", "texture")

    def run(inputs: Inputs) -> Output:
        torch.set_num_threads(num_threads)
        given = [torch.from_numpy(inputs[name]) if name in inputs else None for name in names]
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
            return network(*given).frame.float().numpy()

    return run


def _milliseconds(
    contenders: Mapping[Contender, Network], fed: Sequence[Inputs], num_rounds: int
) -> dict[Contender, tuple[float, float]]:
    """Wall and CPU time of each, the median over frames of the commonest viewport's size."""
    shape, _ = Counter(inputs["pose_map"].shape for inputs in fed).most_common(1)[0]
    alike = [inputs for inputs in fed if inputs["pose_map"].shape == shape]
    chosen = [alike[index] for index in spread(range(len(alike)), count=_FRAMES_A_TURN)]
    print(f"{len(fed)} frames, timed those of {shape[2]}x{shape[3]}")  # noqa: T201
    taken: dict[Contender, list[tuple[float, float]]] = {name: [] for name in contenders}
    for _ in range(num_rounds):
        for name, network in contenders.items():
            time.sleep(_PAUSE_SECONDS)
            network(chosen[0])
            for inputs in chosen:
                began, cpu_began = time.perf_counter(), time.process_time()
                network(inputs)
                now, cpu_now = time.perf_counter(), time.process_time()
                taken[name].append((1000 * (now - began), 1000 * (cpu_now - cpu_began)))
    return {name: tuple(np.median(values, axis=0)) for name, values in taken.items()}


def _differences(outputs: Sequence[Output], expected: Sequence[Output]) -> dict[str, float]:
    """Of single frames, levels of 255."""
    apart = [127.5 * np.abs(a - b) for a, b in zip(outputs, expected, strict=True)]
    return {
        "max difference": round(max(float(it.max()) for it in apart), 3),
        "mean difference": round(float(np.mean([it.mean() for it in apart])), 4),
    }


def _similarity_lost(
    frames: Sequence[Frame], expected: Sequence[Frame], poses: Keypoints
) -> Float[np.ndarray, " frames"]:
    """1 minus the person's shift-tolerant SSIM, frame by frame."""
    regions = person_regions(poses, margin=_BOX_MARGIN)
    found = [
        frame_metrics(real, fake, boxes={"person": box})["person"]
        for real, fake, box in zip(expected, frames, regions, strict=True)
    ]
    return np.array([1 - it["shift_tolerant_ssim"] for it in found if it])


if __name__ == "__main__":
    main()

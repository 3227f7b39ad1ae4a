"""What a stage will cost: seconds of this machine, and bytes on its disk.

Hides a rough model, good to a factor of about two: work, counted from params.yaml and the clips'
lengths, times what a unit of it took on a two-core machine (AMD EPYC with avx512_bf16, 2026-11-20;
fresh runs of the demo and of two short real clips). Where a stage has run here before, that run's
time puts the model right: see `motiontransfer.workspace.run_times`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from motiontransfer.errors import ParamsError
from motiontransfer.params import PARAMS_FILE

BYTES_A_PIXEL = 0.7
"""Of the frame store: 0.6 to 0.8 on the demo's clips and two real ones."""

TRAINING_KINDS = ("train_gan", "train_face_gan", "train_face_cycle")
GPU_KINDS = (*TRAINING_KINDS, "render", "evaluate")
"""Stages that use a GPU where there is one."""

_REFERENCE_CORES = 2
_DEMO_GMACS = 3.9  # of the demo's generator, a frame
_SECONDS_A_STEP = 0.33  # of the demo's training: 3 steps/s, alone on the machine
_SECONDS_A_FACE = 0.024  # of the demo's face training, 64 px and 32 filters: 10 steps of 4 a second
_DETECTION_SECONDS = 0.039  # a frame on one core, for one person
_CROP_SECONDS = 6.0  # to look for the person where the crop is auto

# Interpreter, libraries, pictures of what came out, and DVC's bookkeeping.
_START_SECONDS = {
    **{
        "code": 2,
        "check_params": 6,
        "film": 3,
        "decode": 3,
        "detect_keypoints": 8,
        "clean_keypoints": 5,
    },
    **{"fit_normalization": 3, "train_gan": 9, "train_face_gan": 10, "train_face_cycle": 9},
    **{"render": 9, "evaluate": 10, "evaluate_transfer": 5},
}
_OTHER_START_SECONDS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What decides the amount of work."""

    params: Mapping[str, object]
    """params.yaml."""

    frames: Mapping[str, int]
    """Frames of each video."""

    num_cores: int
    """Of this machine."""

    gmacs: float
    """Billions of multiplications of the generator, a frame."""

    def section(self, name: str) -> Mapping[str, object]:
        """A section of params.yaml.

        Raises:
            ParamsError: it is not there.
        """
        section = self.params.get(name)
        if not isinstance(section, Mapping):
            raise ParamsError(f"{PARAMS_FILE}: {name}: missing; expected this section")
        return section

    def number(self, key: str) -> float:
        """A number under a dotted key.

        Raises:
            ParamsError: there is none.
        """
        section, _, name = key.partition(".")
        value = self.section(section).get(name)
        if not isinstance(value, int | float):
            raise ParamsError(f"{PARAMS_FILE}: {key}: expected a number, got {value!r}")
        return float(value)

    @property
    def pixels(self) -> int:
        """Of the working image."""
        size = self.section("decode").get("size")
        if not isinstance(size, list) or len(size) != 2:
            raise ParamsError(f"{PARAMS_FILE}: decode.size: expected two numbers, got {size!r}")
        return math.prod(size)

    def entry(self, section: str, name: str) -> Mapping[str, object]:
        """One entry of a section of names; empty where there is none."""
        entry = self.section(section).get(name)
        return entry if isinstance(entry, Mapping) else {}

    def frames_of_subject(self, subject: object) -> int:
        """Frames of all the videos of a subject."""
        return sum(
            self.frames.get(name, 0)
            for name, video in self.section("videos").items()
            if isinstance(video, Mapping) and video.get("subject") == subject
        )

    def frames_of_transfer(self, name: str) -> int:
        """Frames of the source of a transfer."""
        return self.frames.get(str(self.entry("transfers", name).get("source")), 0)


def stage_seconds(stage: str, plan: Plan) -> float:
    """What a stage would take on the machine that the model was measured on, with these cores.

    Args:
        stage: as DVC names it, such as `decode@me`.
    """
    kind, _, key = stage.rpartition(":")[2].partition("@")
    start = _START_SECONDS.get(kind, _OTHER_START_SECONDS)
    return start + _work_seconds(kind, key, plan)


def _work_seconds(kind: str, key: str, plan: Plan) -> float:
    scale = plan.pixels / 256**2
    cores = _REFERENCE_CORES / plan.num_cores
    generated = plan.gmacs / _DEMO_GMACS * cores
    match kind:
        case "film":
            return 0.06 * cores * (500 if key == "target" else 160)
        case "decode":
            crop = _CROP_SECONDS if plan.entry("videos", key).get("crop") == "auto" else 0.0
            return crop + plan.frames.get(key, 0) * (0.002 + 0.0013 * scale)
        case "detect_keypoints":
            return plan.frames.get(key, 0) * _DETECTION_SECONDS / plan.num_cores
        case "train_gan":
            return _training_seconds(kind, _step_seconds(plan) * cores, plan)
        case "train_face_gan" | "train_face_cycle":
            return _training_seconds(kind, _face_step_seconds(kind, plan) * cores, plan)
        case "render":
            return plan.frames_of_transfer(key) * (0.045 * scale + generated * 0.03)
        case "evaluate":
            held_out = plan.number("train_gan.held_out_fraction") * plan.frames_of_subject(key)
            return held_out * (0.25 * scale + generated * 0.03)
        case "evaluate_transfer":
            return plan.frames_of_transfer(key) * 0.09 * scale
    return 0.0


def _step_seconds(plan: Plan) -> float:
    frames = plan.number("train_gan.batch_size") * plan.number("train_gan.window_frames")
    return _SECONDS_A_STEP * plan.gmacs / _DEMO_GMACS * frames / 2


def _face_step_seconds(kind: str, plan: Plan) -> float:
    width = plan.number(f"{kind}.crop_size") / 64 * plan.number(f"{kind}.num_filters") / 32
    networks = 4 if kind == "train_face_cycle" else 1
    return _SECONDS_A_FACE * plan.number(f"{kind}.batch_size") * width**2 * networks


def _training_seconds(kind: str, step_seconds: float, plan: Plan) -> float:
    seconds = plan.number(f"{kind}.steps") * step_seconds
    longest = plan.section(kind).get("max_minutes")
    return min(seconds, 60.0 * longest) if isinstance(longest, int | float) else seconds


def frames_bytes(
    num_frames: int, *, size: tuple[int, int], content: tuple[int, int, int, int]
) -> float:
    """What the frame store of a clip takes; bars around the content cost next to nothing.

    Args:
        size: working (height, width).
        content: where the video lies in it: x0, y0, x1, y1.
    """
    x0, y0, x1, y1 = content
    filled = (x1 - x0) * (y1 - y0)
    return num_frames * BYTES_A_PIXEL * min(filled, math.prod(size))


def generator_gmacs(params: Mapping[str, object]) -> float:
    """Billions of multiplications that the generator of these params needs for a frame.

    Counted on a network without numbers in it, which takes a moment and no memory; PyTorch must be
    loaded first, which takes seconds.

    Raises:
        ParamsError: the params describe no generator.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from motiontransfer.nets.frame_generator import GeneratorConfig, build_generator
    from motiontransfer.pose.drawing import PoseMapStyle

    plan = Plan(params=params, frames={}, num_cores=1, gmacs=0.0)
    section, size = plan.section("train_gan"), plan.section("decode").get("size")
    try:
        height, width = size  # ty: ignore[not-iterable]
        channels = PoseMapStyle(
            encoding=section["pose_encoding"],  # ty: ignore[invalid-argument-type]
            line_width_px=plan.number("train_gan.line_width_px"),
        ).num_channels
        named = {f.name: section[f.name] for f in fields(GeneratorConfig) if f.name in section}
        config = GeneratorConfig(pose_channels=channels, size=(height, width), **named)  # ty: ignore[invalid-argument-type]
        with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
            plate = torch.zeros(3, height, width) if config.background == "plate" else None
            generator = build_generator(config, plate=plate)
            poses = torch.zeros(1, config.conditioning_poses * channels, height, width)
            generator(poses, torch.zeros(1, 3, height, width))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ParamsError(
            f"{PARAMS_FILE}: train_gan: describes no generator: {' '.join(str(error).split())}"
        ) from error
    return counter.get_total_flops() / 2e9

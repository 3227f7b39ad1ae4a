"""Frames a second, latency by part and peak memory of rendering, by preset and size.

    uv run python -m benchmarks.render [--presets default standard] [--size 512 512] [--frames 24] \
        [--height 1080]

Untrained networks of each preset generate the demo's dance, with the viewport and, to compare, the
whole frame. `frames/s` is of the stage's videos, made while frames are generated. The parts are
milliseconds a frame, one after the other. A frame's latency is the sum of `drawing`, `puppet`,
`generator`, `face` and, with `--height`, `upsampling` to results so high. `encoding` is of
transfer.mp4 alone. Without a GPU they are CPU time, which other programs change least. `own thread`
is the CPU time of the thread that generates: others draw the puppet and upsample meanwhile.
"""

import argparse
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
import yaml
from jaxtyping import Int64

from benchmarks.machine import answer, in_own_process, recorded
from motiontransfer.core.params import PARAMS_FILE
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.models.faces import FaceGenerator, FaceGeneratorConfig
from motiontransfer.models.generators import (
    DrawnGenerator,
    FrameGenerator,
    GeneratorConfig,
    build_generator,
)
from motiontransfer.models.layers import initialize
from motiontransfer.models.runtime import Runtime, make_runtime
from motiontransfer.models.weights import TrainedGenerator
from motiontransfer.plate.background import Background
from motiontransfer.plate.target_clips import HeldOut
from motiontransfer.pose.boxes import Viewport, ViewportFollower, body_height_px, fit_viewport
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.keypoints_file import read_keypoints
from motiontransfer.pose.torch_drawing import PoseDrawer
from motiontransfer.puppet.draw.warping import Puppet
from motiontransfer.puppet.fit.fitting import fit_appearance
from motiontransfer.rendering.compositing import puppet_frames
from motiontransfer.rendering.frame import blend_feathered, render_poses
from motiontransfer.rendering.renderer import TrainedRenderer, make_renderer
from motiontransfer.rendering.rollout import FramePose, rooms
from motiontransfer.rendering.torch_networks import generate_clip
from motiontransfer.rendering.videos import Panels, comparison_writer, transfer_writer
from motiontransfer.training.params import TrainFaceGanParams, TrainGanParams
from motiontransfer.video.clip import read_clip
from motiontransfer.video.frame_store import FrameStore

_SOURCE = Path("artifacts/frames/ben/demo_dance")
_POSES = Path("artifacts/keypoints/ben/demo_dance.parquet")
_CRF = 16
_NUM_REFERENCES = 120


def main() -> None:
    """Measure each case in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presets", nargs="+", default=["default", "standard"])
    parser.add_argument("--size", type=int, nargs=2, help="height, width; by default the preset's")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--height", type=int, help="of the target's video and the results")
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        answer(_measure(*arguments.case, arguments.size, arguments.frames, arguments.height))
        return
    with recorded("render") as rows:
        for preset in arguments.presets:
            gan = read_preset(preset)["train_gan"]
            viewports = ["person"] if gan["viewport"] == "person" else []
            viewports += ["frame"] if gan["texture"] == "none" else []
            for viewport in viewports:
                rows.append(in_own_process("--case", preset, viewport))


def read_preset(name: str) -> dict[str, dict]:
    """params.yaml's sections with a preset's values, and those of its base."""
    if name == "default":
        return yaml.safe_load(PARAMS_FILE.read_text(encoding="utf-8"))
    sections = yaml.safe_load(Path(f"presets/{name}.yaml").read_text(encoding="utf-8"))
    before = read_preset(sections.pop("base", "default"))
    return before | {name: {**before[name], **values} for name, values in sections.items()}


def _measure(
    preset: str,
    viewport: str,
    size: tuple[int, int] | None,
    num_frames: int,
    result_height: int | None,
) -> dict[str, object]:
    sections = read_preset(preset)
    default = sections["decode"]["size"]
    height, width = size or (default if isinstance(default, list) else (default, default))
    poses = _dance((height, width), num_frames)
    full = (height, width)
    if result_height is not None:
        full = result_height, round(result_height * width / height)
    gan = TrainGanParams.model_validate(sections["train_gan"])
    stride = 2 * 2**gan.num_downsamplings
    renderer = preset_renderer(
        sections,
        size=(height, width),
        viewport=fit_viewport([poses], multiple_of=stride) if viewport == "person" else None,
        puppet=_puppet(poses, full) if gan.texture == "puppet" else None,
        runtime=make_runtime(precision=gan.precision),
    )
    source = read_clip(_SOURCE)
    parts = (_drawn_milliseconds if renderer.networks.puppet else _milliseconds)(renderer, poses)
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as scratch:
        folder = Path(scratch)
        style = renderer.main.style
        panels = Panels(source=source.frames, poses=poses, truth=None, style=style)
        sheet = {"contact_sheet_file": folder / "sheet.png", "num_columns": 8}
        began = time.perf_counter()
        frames = render_poses(renderer, poses, size=full)
        with (
            comparison_writer(folder, panels, source, crf=_CRF, **sheet) as compare,
            transfer_writer(folder, source, crf=_CRF) as show,
        ):
            for frame in frames:
                show(frame)
                compare(frame)
        seconds = time.perf_counter() - began
    own = time.thread_time()
    for _ in render_poses(renderer, poses, size=full):
        pass
    own = time.thread_time() - own
    size = _generated_size(renderer, poses)
    on_gpu = renderer.runtime.device.type == "cuda"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        **{"preset": preset, "size": f"{height}x{width}", "generated": "{}x{}".format(*size)},
        "result": "{}x{}".format(*full),
        "frames/s": round(num_frames / seconds, 2),
        "latency ms": round(sum(parts.values()), 1),
        **{f"{name} ms": round(value, 1) for name, value in parts.items()},
        "own thread ms": round(1000 * own / num_frames, 1),
        "peak MiB": round(peak),
        "GPU MiB": round(torch.cuda.max_memory_allocated() / 2**20) if on_gpu else "",
    }


def _generated_size(renderer: TrainedRenderer, poses: Keypoints) -> tuple[int, int]:
    """Mean height and width of what the network generates."""
    boxes = _boxes(renderer, poses)
    width, height = (boxes[:, 2:] - boxes[:, :2]).mean(axis=0).round().astype(int).tolist()
    return height, width


def _boxes(renderer: TrainedRenderer, poses: Keypoints) -> Int64[np.ndarray, "frames 4"]:
    """What the network generates of each frame."""
    viewport, size = renderer.main.config.viewport, poses.image_size
    if viewport is None:
        return np.tile([0, 0, *size[::-1]], (poses.num_frames, 1))
    return ViewportFollower(viewport, image_size=size).place(poses.points, poses.score)


def _drawn_milliseconds(renderer: TrainedRenderer, poses: Keypoints) -> dict[str, float]:
    """Of the room's shadows and of the puppet a frame, in the working image."""
    began = time.process_time()
    for _ in rooms(renderer.networks, poses):
        pass
    shadows = time.process_time() - began
    assert renderer.networks.puppet is not None
    for _ in puppet_frames(renderer.networks.puppet, poses, size=poses.image_size):
        pass
    puppet = time.process_time() - began - shadows
    each = 1000 / poses.num_frames
    return {"generator": each * shadows, "puppet": each * puppet}


def _milliseconds(renderer: TrainedRenderer, poses: Keypoints) -> dict[str, float]:
    """Of each part a frame; the first frame's warm-up is left out."""
    runtime, main, face = renderer.runtime, renderer.main, renderer.face
    marks: list[float] = []

    def mark() -> None:
        if runtime.device.type == "cuda":
            torch.cuda.synchronize()
            marks.append(time.perf_counter())
        else:
            marks.append(time.process_time())

    assert isinstance(main.network, FrameGenerator)
    frames = generate_clip(main.network, poses, style=main.style, autocast=runtime.autocast)
    images = [next(frames)]
    mark()
    images += frames
    mark()
    drawer = PoseDrawer(skeleton=poses.skeleton, style=main.style, device=runtime.device)
    size = _generated_size(renderer, poses)
    drawer.draw(torch.from_numpy(poses.points[1:]), torch.from_numpy(poses.score[1:]), size=size)
    mark()
    if face is not None:
        whole = (0, 0, *poses.image_size[::-1])
        pose = FramePose(box=whole, pose_map=images[0], coarse_pose=None)
        for image, make_patch in zip(images, face.patches(poses), strict=True):
            if make_patch is not None:
                blend_feathered(image, make_patch(image, pose))
    mark()
    generated, drawing, faces = (1000 * step for step in np.diff(marks))
    return {
        "drawing": drawing / (poses.num_frames - 1),
        "generator": (generated - drawing) / (poses.num_frames - 1),
        "face": faces / poses.num_frames,
    }


def _dance(size: tuple[int, int], num_frames: int) -> Keypoints:
    """The demo's poses, as high as the image and in its middle."""
    found = read_keypoints(_POSES)
    found = found.part((np.arange(num_frames) % found.num_frames).tolist())
    scale = size[0] / found.image_size[0]
    shift = np.array([(size[1] - scale * found.image_size[1]) / 2, 0])
    points = (found.points * scale + shift) * (found.score > 0)[..., None]
    return replace(found, points=points.astype(np.float32), image_size=size)


def _puppet(poses: Keypoints, full: tuple[int, int]) -> Puppet:
    """Of the frames that show these poses, enlarged to the full size."""
    height, width = full
    large, frames = poses.resized(full), {}
    with FrameStore(read_clip(_SOURCE).frames) as store:
        scale = height / store.size[0]
        matrix = np.array([[scale, 0, (width - scale * store.size[1]) / 2], [0, scale, 0]])
        for index in evenly_spaced(range(min(poses.num_frames, len(store))), count=_NUM_REFERENCES):
            frames[0, index] = cv2.warpAffine(store[index], matrix, (width, height))
    room = np.median(list(frames.values()), axis=0).astype(np.uint8)
    nowhere = np.zeros(full, bool)
    return Puppet(
        fit_appearance(
            [large],
            [frame.copy for frame in frames.values()],
            {key: cv2.absdiff(frame, room).max(axis=2) for key, frame in frames.items()},
            background=Background(room, is_filled=nowhere),
            height_px=body_height_px(large),
        ),
        poses.image_size,
    )


def preset_renderer(
    sections: dict[str, dict],
    *,
    size: tuple[int, int],
    viewport: Viewport | None,
    puppet: Puppet | None,
    runtime: Runtime,
) -> TrainedRenderer:
    """Untrained networks of a preset, its face generator among them."""
    gan = TrainGanParams.model_validate(sections["train_gan"])
    of_face = TrainFaceGanParams.model_validate(sections["train_face_gan"])
    style = gan.to_config(PoseMapStyle, encoding=gan.pose_encoding)
    config = gan.to_config(
        GeneratorConfig, pose_channels=style.num_channels, size=size, viewport=viewport
    )
    plate = torch.zeros(3, *size) if config.has_background_image else None
    network = build_generator(config, background_image=plate).apply(initialize)
    if isinstance(network, DrawnGenerator):
        network.puppet = puppet
    main = TrainedGenerator(
        network=network, config=config, style=style, held_out=HeldOut(**sections["split"])
    )
    face = None
    if of_face.steps and gan.texture == "none":
        face_config = of_face.to_config(FaceGeneratorConfig, pose_channels=style.num_channels)
        face = FaceGenerator(face_config).apply(initialize), face_config
    return make_renderer(main, runtime, face)


if __name__ == "__main__":
    main()

"""Kernels, copies and waits a frame of rendering and live on a GPU, by preset and face.

    uv run python -m benchmarks.launches [--presets default standard] [--operators]

Counted on the pretended GPU of the tests, on which nothing is timed: untrained networks of each
preset's depth on small images, in bf16. Views and allocations are no kernels. A wait is the CPU's
until the GPU has done all that it was asked for.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.machine import recorded
from benchmarks.render import preset_renderer, read_preset
from motiontransfer.models.faces import FaceTranslator, FaceTranslatorConfig
from motiontransfer.models.layers import initialize
from motiontransfer.models.runtime import Runtime, make_runtime
from motiontransfer.pose.boxes import Viewport
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.rendering.renderer import (
    LiveGenerator,
    Renderer,
    TranslatedFaces,
    render_poses,
    to_runtime,
)
from motiontransfer.video.color import Frame
from stages.train_face_cycle import TrainFaceCycleParams
from stages.train_gan import TrainGanParams
from tests.films import film
from tests.people import dance, puppet_of
from tests.pretend_cuda import pretend_cuda

_SIZE = (128, 96)
_NUM_FRAMES = 17
_CASES = (
    ("render", "residual", "feather"),
    ("render", "residual", "poisson"),
    ("render", "cycle", "feather"),
    ("live", "residual", "feather"),
)


def main() -> None:
    """Count each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presets", nargs="+", default=["default", "standard"])
    parser.add_argument("--operators", action="store_true", help="also how often each is launched")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    poses = dance(_NUM_FRAMES, size=_SIZE)
    with recorded("launches") as rows, tempfile.TemporaryDirectory() as folder:
        source = film(Path(folder) / "source.mkv", poses)
        for preset in arguments.presets:
            for kind, face, blending in _CASES:
                names = {"preset": preset, "of": kind, "face": face, "blending": blending}
                counts, kernels = _count(read_preset(preset), poses, source, kind, face, blending)
                rows.append(names | counts)
                if arguments.operators:
                    rows.append(names | dict(kernels.most_common(20)))


def _count(
    sections: dict[str, dict], poses: Keypoints, source: Path, kind: str, face: str, blending: str
) -> tuple[dict[str, float], Counter[str]]:
    """Counts a frame after the first, and launches by operator of all of these."""
    with pretend_cuda() as gpu, torch.no_grad():
        renderer = _renderer(sections, poses, source, make_runtime(precision="bf16-mixed"), face)
        renderer = replace(renderer, face_blending=blending)
        frames = render_poses(renderer, poses) if kind == "render" else _live(renderer, poses)
        next(frames)
        kernels, waits, uploads = gpu.kernels.copy(), gpu.waits.total(), gpu.uploads
        counted = sum(1 for _ in frames)
        kernels = gpu.kernels - kernels
        counts = {
            "kernels": kernels.total(),
            "of them casts and layouts": kernels["_to_copy"] + kernels["clone"],
            "uploads": gpu.uploads - uploads,
            "waits": gpu.waits.total() - waits,
        }
        return {name: round(number / counted, 1) for name, number in counts.items()}, kernels


def _live(renderer: Renderer, poses: Keypoints) -> Iterator[Frame]:
    live = LiveGenerator(renderer)
    for index in range(poses.num_frames):
        yield live.generate(poses.part(range(index + 1)))()


def _renderer(
    sections: dict[str, dict], poses: Keypoints, source: Path, runtime: Runtime, face: str
) -> Renderer:
    gan = TrainGanParams.model_validate(sections["train_gan"])
    viewport = Viewport(margin_px=8.0, multiple_of=2 * 2**gan.num_downsamplings)
    renderer = preset_renderer(
        sections,
        size=_SIZE,
        viewport=viewport if gan.viewport == "person" else None,
        puppet=puppet_of(poses, [0, 8]) if gan.texture == "puppet" else None,
        runtime=runtime,
    )
    if face == "residual":
        return renderer
    params = TrainFaceCycleParams.model_validate(sections["train_face_cycle"])
    shape = params.to_config(FaceTranslatorConfig)
    faces = TranslatedFaces(
        runtime=runtime,
        translator=to_runtime(FaceTranslator(shape).apply(initialize), runtime),
        crop_size=shape.crop_size,
        frames=source,
        keypoints=poses,
    )
    return replace(renderer, face=faces)


if __name__ == "__main__":
    main()

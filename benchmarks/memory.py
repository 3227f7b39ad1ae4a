"""Peak GPU memory of one training step of a preset's main generator, computed without a GPU.

    uv run python -m benchmarks.memory [PRESET ...]

A step is taken on tensors without values (the meta device), in float32, with the viewport at the
whole frame, as it depends on the video. Counted is what tensors take: weights, Adam's moments, the
moving average, activations and gradients of both networks, VGG19. cuDNN's workspaces and what the
allocator keeps come on top.
"""

import argparse
import sys
import weakref
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from benchmarks.machine import recorded
from benchmarks.render import read_preset
from motiontransfer.fabric import Fabric
from motiontransfer.models.generators import GeneratorConfig
from motiontransfer.models.vgg import VGG19Features
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.puppet.puppet import TEXTURE_CHANNELS
from motiontransfer.skeleton import HOLISTIC
from motiontransfer.training.data import RankBatch
from motiontransfer.training.pose_gan import (
    PoseGanConfig,
    PoseGanTask,
    Resolution,
    WindowBatch,
    Windows,
)
from motiontransfer.training.train_pose_gan import (
    PoseGanNetworks,
    build_networks,
    global_config,
    global_networks,
)
from stages.train_gan import TrainGanParams

_META = torch.device("meta")


class _Training(NamedTuple):
    """One of the two trainings of a coarse-to-fine preset, or the only one."""

    networks: PoseGanNetworks
    config: PoseGanConfig
    resolution: Resolution


def main() -> None:
    """Measure each training of each preset, a row each."""
    parser = argparse.ArgumentParser(description=__doc__)
    optimizer = sys.modules[torch.optim.Optimizer.__module__]
    optimizer._get_fused_kernels_supported_devices = lambda: [_META.type]  # ty: ignore[unresolved-attribute] - torch lists no meta device
    parser.add_argument("presets", nargs="*", default=["paper", "standard", "demo"])
    with recorded("memory") as rows:
        for preset in parser.parse_args().presets:
            sections = read_preset(preset)
            params = TrainGanParams.model_validate(sections["train_gan"])
            size = sections["decode"]["size"]
            height, width = size if isinstance(size, list) else (size, size)
            for training in _trainings(params, (height, width)):
                kept, peak = _measure(training, params, (height, width))
                rows.append(
                    {
                        "preset": preset,
                        "generator": training.networks.generator.architecture,
                        "frames": f"{width}x{height}",
                        "batch": params.batch_size,
                        "between steps, GiB": round(kept / 2**30, 2),
                        "peak, GiB": round(peak / 2**30, 2),
                    }
                )


def _trainings(params: TrainGanParams, size: tuple[int, int]) -> Iterator[_Training]:
    style = PoseMapStyle(encoding=params.pose_encoding, line_width_px=params.line_width_px)
    networks = PoseGanNetworks(
        generator=params.fill(
            GeneratorConfig, pose_channels=style.num_channels, size=size, viewport=None
        ),
        discriminator=params.discriminator(num_scales=params.discriminator_scales),
        style=style,
    )
    config = params.fill(PoseGanConfig)
    if config.global_only_fraction > 0:
        yield _Training(global_networks(networks), global_config(config, networks), "half")
    yield _Training(networks, config, "full")


def _measure(training: _Training, params: TrainGanParams, size: tuple[int, int]) -> tuple[int, int]:
    """Bytes of all tensors between two steps, and at most during a step."""
    networks, config, resolution = training
    fabric = _OnMeta(accelerator="cpu", devices=1, precision="32-true")
    num_poses = config.window_frames + networks.generator.conditioning_poses - 1
    points = torch.zeros(params.batch_size, num_poses, len(HOLISTIC.joints), 2)
    with _Memory() as memory:
        with _META:
            background = None
            if networks.generator.background == "plate":
                background = torch.zeros(3, *networks.generator.size)
            task = PoseGanTask(
                fabric,
                build_networks(networks, config, fabric, background_image=background),
                style=networks.style,
                skeleton=HOLISTIC,
                config=config,
                seed=0,
                perceptual=VGG19Features(5) if config.perceptual_weight > 0 else None,
                resolution=resolution,
            )
            shape = (params.batch_size, config.window_frames, *size)
            frames, textures = (
                torch.zeros((*shape, n), dtype=torch.uint8) for n in (3, TEXTURE_CHANNELS)
            )
        if networks.generator.texture == "none":
            textures = None
        batch = _Batch(points=points, score=points[..., 0], frames=frames, textures=textures)
        share = RankBatch(batch=batch, indices=range(params.batch_size))
        for step in range(2):  # the first one makes Adam's moments
            memory.peak = memory.now
            task.step(share, step=step, learning_rate=1e-4)
        return memory.now, memory.peak


class _OnMeta(Fabric):
    device = _META


class _Batch(WindowBatch):
    """Pose maps are made, not drawn: what is drawn depends on the poses' values."""

    def draw(self, *, style: PoseMapStyle, device: torch.device, **_: object) -> Windows:
        shape = (*self.score.shape[:2], style.num_channels, *self.frames.shape[2:4])
        return torch.zeros(shape, device=device)


class _Memory(TorchDispatchMode):
    """Bytes of all tensors on the device, made in the block, that are still in use."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.peak = 0, 0
        self._known = WeakIdKeyDictionary()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # noqa: ANN001, ANN204 - torch's
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if not isinstance(leaf, Tensor) or leaf.device != _META:
                continue
            storage = leaf.untyped_storage()
            if storage not in self._known:
                self._known[storage] = None
                self.now += storage.nbytes()
                self.peak = max(self.peak, self.now)
                weakref.finalize(storage, self._freed, storage.nbytes())
        return result

    def _freed(self, num_bytes: int) -> None:
        self.now -= num_bytes


if __name__ == "__main__":
    main()

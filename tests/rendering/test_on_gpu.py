"""On a GPU, rendering and live give the CPU's frames in fp32.

The GPU is pretended: see tests/pretend_cuda.py.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from queue import Queue

import numpy as np
import pytest
import torch

from motiontransfer.models.faces import FaceGenerator, FaceTranslator
from motiontransfer.models.generators import DrawnGenerator, build_generator
from motiontransfer.models.layers import initialize
from motiontransfer.models.runtime import make_runtime
from motiontransfer.pose.boxes import Viewport
from motiontransfer.rendering import renderer as module
from motiontransfer.rendering.frame import LiveGenerator, render_poses
from tests.films import film
from tests.live.parts import background_image
from tests.people import dance, puppet_of
from tests.training import small
from tests.training.trainings import main_of

POSES = dance(4)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The frames whose faces are translated; READ ONLY."""
    return film(tmp_path_factory.mktemp("source") / "source.mkv", POSES)


@lru_cache(maxsize=1)
def puppet():
    return puppet_of(POSES, [0, 3])


def frozen(network):
    return network.apply(initialize).eval().requires_grad_(False)


def renderer_on(
    on, *, face="residual", source=None, blending="feather", previous_frame="generated", **options
):
    """Of random weights, the same on every device."""
    config = small.generator_config(viewport=Viewport(margin_px=1.0, multiple_of=4), **options)
    torch.manual_seed(1)
    network = frozen(build_generator(config, background_image=background_image()))
    if isinstance(network, DrawnGenerator):
        network.puppet = puppet()
    main, faces = replace(main_of(network), config=config), None
    if face == "residual":
        face_config = small.face_config(previous_frame=previous_frame)
        faces = frozen(FaceGenerator(face_config)), face_config
    renderer = replace(module.make_renderer(main, on, faces), face_blending=blending)
    if face != "cycle":
        return renderer
    translator = module.to_runtime(frozen(FaceTranslator(small.translator_config())), on)
    of_source = {"frames": source, "keypoints": POSES, "crop_size": 32}
    translated = module.TranslatedFaces(runtime=on, translator=translator, **of_source)
    return replace(renderer, face=translated)


def rendered_on(on, **options):
    return list(render_poses(renderer_on(on, **options), POSES))


def largest_difference(frames, expected):
    return np.abs(np.stack(frames).astype(int) - np.stack(expected)).max()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"texture": "puppet", "face": "none"},
        {"blending": "poisson", "previous_frame": "corrected"},
        {"face": "cycle", "blending": "poisson"},
    ],
)
def test_rendered_frames_are_the_cpus(options, source, gpu):
    expected = rendered_on(small.runtime(), source=source, **options)
    assert len({frame.tobytes() for frame in expected}) == POSES.num_frames
    made = rendered_on(make_runtime(precision="32-true"), source=source, **options)
    assert gpu.kernels["convolution"]
    assert largest_difference(made, expected) <= 1


def test_live_frames_are_the_cpus_while_the_next_is_made(gpu):
    """One thread generates, another finishes what the first has begun."""
    devices = (small.runtime(), make_runtime(precision="32-true"))
    renderers = (renderer_on(on, previous_frame="corrected") for on in devices)
    on_cpu, on_gpu = map(LiveGenerator, renderers)
    until = [POSES.part(range(index + 1)) for index in range(POSES.num_frames)]
    expected = [on_cpu.generate(poses)() for poses in until]
    pending = Queue(maxsize=1)
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: [pending.put(on_gpu.generate(poses)) for poses in until])
        frames = [pending.get()() for _ in until]
    assert gpu.kernels["convolution"]
    assert largest_difference(frames, expected) <= 1

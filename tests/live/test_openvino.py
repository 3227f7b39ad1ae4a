import numpy as np
import pytest
import torch

from motiontransfer.live import command, networks
from motiontransfer.live.command import open_detector
from motiontransfer.live.networks import CompiledNetwork, use_openvino
from motiontransfer.models.faces import FaceGenerator
from motiontransfer.models.generators import build_generator
from motiontransfer.models.layers import initialize
from motiontransfer.pose.boxes import Viewport
from tests.live.parts import background_image, renderer
from tests.training.small import face_config, generator_config


def faced():
    torch.manual_seed(0)
    config = generator_config(viewport=Viewport(margin_px=2.0, multiple_of=8))
    main = build_generator(config, background_image=background_image()).apply(initialize)
    return renderer(main, FaceGenerator(face_config()).apply(initialize).eval())


def test_outputs_are_those_of_pytorch_at_any_size():
    pytest.importorskip("openvino", reason="needs `uv sync --extra openvino`")
    expected, compiled = faced(), faced()
    use_openvino(compiled)
    pairs = [
        (expected.main.network.network, compiled.main.network.network),
        (expected.main.network.shadows, compiled.main.network.shadows),
        (expected.networks.face.network, compiled.networks.face.network),
    ]
    for network, same in pairs:
        assert isinstance(same, CompiledNetwork)
        for size in ((48, 32), (40, 56), (33, 47)):
            maps = torch.rand(1, network.in_channels, *size)
            with torch.inference_mode():
                torch.testing.assert_close(same(maps), network(maps), atol=1e-4, rtol=1e-4)


def test_without_openvino_all_stays(monkeypatch):
    for module in (command, networks):
        monkeypatch.setattr(module, "IS_INSTALLED", False)
    unchanged = renderer()
    before = unchanged.main.network.network
    use_openvino(unchanged)
    assert unchanged.main.network.network is before
    with open_detector() as detect:
        (people,) = detect([np.zeros((64, 64, 3), np.uint8)])
    assert len(people) == 0

from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional

from motiontransfer.models import faces
from motiontransfer.models.discriminators import DiscriminatorConfig
from motiontransfer.models.layers import count_parameters, initialize
from motiontransfer.pose.skeleton import HOLISTIC
from motiontransfer.pose.torch_drawing import PoseDrawer
from tests.models.published import giga_macs
from tests.training.small import STYLE, face_config, translator_config


def shape(num_filters, num_layers):
    return DiscriminatorConfig(num_filters=num_filters, num_layers=num_layers, num_scales=1)


def noise(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_a_box_of_the_crops_size_is_copied():
    images = noise(2, 3, 24, 32)
    crops = faces.crop_boxes(images, torch.tensor([[4, 2, 20, 18], [15, 8, 31, 24]]), crop_size=16)
    assert torch.equal(crops[0], images[0, :, 2:18, 4:20])
    assert torch.equal(crops[1], images[1, :, 8:24, 15:31])


def test_a_smaller_crop_is_averaged_and_a_larger_one_stays_within_its_box():
    ramp = torch.arange(32.0).expand(1, 3, 24, 32) / 32
    box = torch.tensor([[8, 4, 24, 20]])
    small = faces.crop_boxes(ramp, box, crop_size=8)[0, 0, 4]
    assert small[1:-1].tolist() == pytest.approx([(8.5 + 2 * i) / 32 for i in range(1, 7)])
    large = faces.crop_boxes(ramp, box, crop_size=32)
    assert (float(large.min()), float(large.max())) == (8 / 32, 23 / 32)
    checkerboard = torch.from_numpy(np.indices((24, 32)).sum(0) % 2 * 2.0 - 1).float()
    images, box = checkerboard.expand(1, 3, -1, -1), torch.tensor([[0, 0, 24, 24]])
    half = faces.crop_boxes(images, box, crop_size=12)
    assert half[:, :, 1:-1, 1:-1].abs().max() < 1e-5  # no aliasing


def test_pose_and_image_coincide_in_an_enlarged_crop():
    points = torch.zeros(1, len(HOLISTIC.joints), 2)
    score = torch.zeros(1, len(HOLISTIC.joints))
    for name in ("left_hip", "left_knee"):
        points[0, HOLISTIC.index(name)] = torch.tensor([14.0, 9.0])
        score[0, HOLISTIC.index(name)] = 1
    image = torch.zeros(1, 3, 24, 32)
    image[:, :, 9, 14] = 1
    box = torch.tensor([[10, 4, 22, 16]])
    drawer = PoseDrawer(skeleton=HOLISTIC, style=STYLE)
    pose = drawer.draw_crops(points, score, box, crop_size=48)[0].sum(0)
    dot = faces.crop_boxes(image, box, crop_size=48)[0, 0]
    y, x = np.mgrid[:48, :48]
    # the centre of pixel (14, 9) is 4.5 and 5.5 pixels from the box's corner, each 4 in the crop
    for shown in (pose.numpy(), dot.numpy()):
        centroid = (x * shown).sum() / shown.sum(), (y * shown).sum() / shown.sum()
        assert centroid == pytest.approx((4.5 * 4 - 0.5, 5.5 * 4 - 0.5), abs=0.02)


WARPS = {
    # 3 to the left, 2 down, edges replicated
    "shift": ([[1, 0, -3], [0, 1, 2]], lambda image: moved_aside(image[..., :4, 3:])),
    # centres of pixels are whole numbers
    "half size": (
        [[0.5, 0, -0.25], [0, 0.5, -0.25]],
        lambda image: functional.avg_pool2d(image, 2),
    ),
    # (x, y) -> (5 - y, x)
    "quarter turn": ([[0, -1, 5], [1, 0, 0]], lambda image: image.rot90(-1, (2, 3))),
}
moved_aside = partial(functional.pad, pad=(0, 3, 2, 0), mode="replicate")


@pytest.mark.parametrize(("to_result", "expected"), WARPS.values(), ids=WARPS)
def test_a_warp_is_the_transform_of_pixel_centres(to_result, expected):
    image = noise(1, 3, 6, 6)
    before, result = image.clone(), expected(image)
    warped = faces.warp(image, np.array([to_result], float), size=tuple(result.shape[2:]))
    assert torch.allclose(warped, result, atol=1e-5)
    assert torch.equal(image, before)


def test_a_warped_batch_equals_its_warped_images():
    images, maps = noise(3, 3, 12, 10), np.tile(np.eye(2, 3), (3, 1, 1))
    maps[:, 0, 0] = maps[:, 1, 1] = (0.3, 1.0, 1.7)
    maps[:, 0, 2] = (0.5, -2.0, 1.25)
    alone = [faces.warp(images[i : i + 1], maps[i : i + 1], size=(7, 9)) for i in range(3)]
    assert torch.equal(faces.warp(images, maps, size=(7, 9)), torch.cat(alone))


def test_residuals_are_added_inside_their_own_boxes_only():
    images, values = noise(2, 3, 24, 32) * 0.2, torch.tensor([0.25, -0.5])[:, None, None, None]
    before = images.clone()
    boxes = torch.tensor([[4, 2, 14, 12], [12, 4, 32, 24]])
    added = faces.add_residuals(images, values.expand(-1, 3, 16, 16), boxes) - images
    assert torch.equal(images, before)
    expected = torch.zeros_like(images)
    for of_image, value, (x0, y0, x1, y1) in zip(expected, values, boxes.tolist(), strict=True):
        of_image[:, y0:y1, x0:x1] = value
    torch.testing.assert_close(added, expected)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_sum_stays_in_range(sign):
    images, residuals = torch.full((1, 3, 24, 32), 0.9), torch.full((1, 3, 16, 16), 0.5)
    box = torch.tensor([[4, 2, 20, 18]])
    corrected = faces.add_residuals(sign * images, sign * residuals, box)
    assert corrected.abs().max() == 1


def test_a_residual_depends_on_pose_and_face_and_is_in_range():
    torch.manual_seed(2)
    config = face_config(pose_channels=4, num_downsamplings=2)
    network = faces.FaceGenerator(config).apply(initialize)
    pose, face = noise(2, 4, 32, 32), noise(2, 3, 32, 32)
    residual = network(pose, face)
    assert residual.shape == (2, 3, 32, 32)
    assert not torch.equal(residual, network(pose.flip(2), face))
    assert not torch.equal(residual, network(pose, face.flip(2)))
    (residual * torch.randn_like(residual)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    torch.nn.init.constant_(list(network.parameters())[-1], 50.0)
    assert (network(pose, face) == 1).all()


def test_parameters_and_cost_of_the_face_generator_are_the_published_ones():
    sizes = {"num_filters": 64, "num_downsamplings": 3, "num_residual_blocks": 5}
    with torch.device("meta"):
        network = faces.FaceGenerator(face_config(pose_channels=3, crop_size=128, **sizes))
    assert count_parameters(network) / 1e6 == pytest.approx(26.7, abs=0.05)
    assert giga_macs(network, *[(3, 128, 128)] * 2) == pytest.approx(8.3, abs=0.05)


def test_parameters_of_the_cycle_networks_are_the_published_ones():
    """c7s1-64, d128, d256, nine R256, u128, u64, c7s1-3; C64-C128-C256-C512 and the scores."""
    config = translator_config(
        num_filters=64, num_downsamplings=2, num_residual_blocks=9, upsampling="transposed"
    )
    down, up = ((3, 64, 7), (64, 128, 3), (128, 256, 3)), ((256, 128, 3), (128, 64, 3), (64, 3, 7))
    translator = (*down, *[(256, 256, 3)] * 18, *up)
    discriminator = ((3, 64, 4), (64, 128, 4), (128, 256, 4), (256, 512, 4), (512, 1, 4))
    with torch.device("meta"):
        networks = faces.FaceTranslator(config), faces.FaceDiscriminator(shape(64, 3))
    for network, convolutions in zip(networks, (translator, discriminator), strict=True):
        assert count_parameters(network) == sum(n * m * k * k + m for n, m, k in convolutions)


def test_each_person_has_a_discriminator_and_every_weight_gets_a_gradient():
    translators = faces.FaceTranslators(translator_config())
    discriminators = faces.FaceDiscriminators(shape(4, 1))
    source, target = noise(2, 3, 32, 32, seed=1), noise(2, 3, 32, 32, seed=2)
    (of_source,), (of_target,) = discriminators(source, target)
    assert torch.equal(of_source.logits, discriminators.of_source(source)[0].logits)
    assert torch.equal(of_target.logits, discriminators.of_target(target)[0].logits)
    assert not torch.equal(discriminators.of_target(source)[0].logits, of_source.logits)
    translations = translators(source, target)
    assert all(images.abs().max() < 1 for images in translations)
    outputs = discriminators(translations.back_to_source, translations.back_to_target)
    sum(output.logits.square().mean() for (output,) in outputs).backward()
    for module in (translators, discriminators):
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.any() or name.endswith("bias"), name

"""Adversarial training: its losses (Chan et al. 2019, sec. 3.3) and the base of its tasks.

The perceptual loss (Johnson et al. 2016) compares features of a VGG19, whose weights are read here.
Adam has betas of 0.5 and 0.999, as in pix2pixHD.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from motiontransfer.core.downloads import Pretrained, pretrained_file, read_tensors
from motiontransfer.core.errors import WeightsError, one_line
from motiontransfer.models.discriminators import DiscriminatorOutput
from motiontransfer.models.layers import Features, to_device
from motiontransfer.models.runtime import Runtime
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.pose.skeleton import Skeleton
from motiontransfer.pose.torch_drawing import PoseDrawer
from motiontransfer.training.params import GanConfig, Objective
from motiontransfer.training.run_log import Scalar
from motiontransfer.training.trainer import AdamTask, Data, TaskBatch
from motiontransfer.video.tensors import Images

Weights = Float[Tensor, "batch 1 height width"]

_SLICE_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
_BETAS = (0.5, 0.999)


def adversarial_loss(
    outputs: Sequence[DiscriminatorOutput], *, is_real: bool, objective: Objective = "least_squares"
) -> Scalar:
    """Error of scores of patches that were to be real or fake; mean over patches, then scales.

    (score - 1)^2 and score^2 for least squares, -log sigmoid(score) and -log sigmoid(-score) for
    log. A discriminator's loss is half of those of real and fake.
    """
    scales = [output.logits.float() for output in outputs]
    if objective == "log":
        errors = [functional.softplus(-logits if is_real else logits) for logits in scales]
    else:
        errors = [(logits - 1 if is_real else logits).square() for logits in scales]
    return torch.stack([each.mean() for each in errors]).mean()


def feature_matching_loss(
    real: Sequence[DiscriminatorOutput], fake: Sequence[DiscriminatorOutput]
) -> Scalar:
    """L1 between the discriminator's activations of real (not differentiated) and fake."""
    total = fake[0].logits.new_zeros((), dtype=torch.float32)
    for r, f in zip(real, fake, strict=True):
        weight = 4 / len(f.features) / len(fake)
        for real_features, fake_features in zip(r.features, f.features, strict=True):
            total = total + weight * functional.l1_loss(
                fake_features.float(), real_features.detach().float()
            )
    return total


def perceptual_loss(network: nn.Module, fake: Images, real: Images) -> Scalar:
    """L1 between activations of fake and real (not differentiated), weighted slice by slice."""
    with torch.no_grad():
        real_slices = network(real)
    losses = [
        weight * functional.l1_loss(fake_features.float(), real_features.float())
        for weight, fake_features, real_features in zip(
            _SLICE_WEIGHTS, network(fake), real_slices, strict=False
        )
    ]
    return torch.stack(losses).sum()


def weighted_l1_loss(fake: Features, real: Features, weight: Weights) -> Scalar:
    """L1 with a weight a pixel, divided by the mean weight, so that its scale stays that of L1."""
    return ((fake - real).abs() * weight).mean() / weight.mean()


def relative_sharpness(fake: Images, real: Images) -> Scalar:
    """Mean gradient magnitude of each fake image over its real one's; mean over the batch."""
    of_fake, of_real = (
        torch.hypot(*torch.gradient(images.float().mean(1), dim=(1, 2))).mean((1, 2))
        for images in (fake, real)
    )
    return (of_fake / of_real.clamp(min=1e-6)).mean()


def foreground_weight(poses: Features, *, radius_px: int, weight: float) -> Weights:
    """`weight` within about `radius_px` of any limb, 1 elsewhere.

    Computed at a quarter of the size: its border need not be sharp.
    """
    height, width = poses.shape[2:]
    coarse = functional.max_pool2d(poses.amax(1, keepdim=True), 4, ceil_mode=True)
    reach = 2 * max(round(radius_px / 4), 0) + 1
    coarse = functional.max_pool2d((coarse > 0).to(poses), reach, stride=1, padding=reach // 2)
    near = functional.interpolate(coarse, scale_factor=4, mode="nearest")[:, :, :height, :width]
    return 1 + (weight - 1) * near


class GanTask(AdamTask[TaskBatch, Data]):
    """Base of adversarial training: both networks with Adam, and the EMA of the generator."""

    def __init__(
        self, runtime: Runtime, generator: nn.Module, discriminator: nn.Module, *, config: GanConfig
    ) -> None:
        """Move the networks to the device."""
        networks = {"generator": generator, "discriminator": discriminator}
        super().__init__(runtime, networks, betas=_BETAS, ema_decay=config.ema_decay)
        self.generator, self.discriminator = generator, discriminator


@dataclass(frozen=True, slots=True, kw_only=True)
class PosedGan:
    """What a training has whose discriminator reads pose maps."""

    runtime: Runtime
    networks: tuple[nn.Module, nn.Module]
    """Generator and discriminator."""
    style: PoseMapStyle
    skeleton: Skeleton
    config: GanConfig
    perceptual: nn.Module | None = None
    """See `VGG19Features`; None where its loss has weight 0."""


class PosedGanTask(GanTask[TaskBatch, Data]):
    """Base of trainings whose discriminator reads pose maps."""

    def __init__(self, gan: PosedGan) -> None:
        device, perceptual = gan.runtime.device, gan.perceptual
        super().__init__(gan.runtime, *gan.networks, config=gan.config)
        self._config = gan.config
        self.perceptual = None if perceptual is None else to_device(perceptual, device)
        self._drawer = PoseDrawer(skeleton=gan.skeleton, style=gan.style, device=device)


_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_SLICE_ENDS = (2, 7, 12, 21, 30)  # relu1_1 to relu5_1 among torchvision's layers


class VGG19Features(nn.Module):
    """Activations relu1_1 to relu5_1 of VGG19; its parameters have torchvision's names."""

    mean: Tensor
    deviation: Tensor
    file: Path
    """File of the weights."""

    def __init__(self) -> None:
        from torchvision.models.vgg import cfgs, make_layers  # seconds to import

        super().__init__()
        mean, deviation = torch.tensor([_IMAGENET_MEAN, _IMAGENET_STD])[..., None, None]
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("deviation", deviation, persistent=False)
        self.features = make_layers(cfgs["E"])[: _SLICE_ENDS[-1]]
        self.requires_grad_(False).eval()

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
        """Return the activations at the end of each slice; images are in [-1, 1]."""
        features = ((images + 1) / 2 - self.mean) / self.deviation
        activations = []
        for number, layer in enumerate(self.features, 1):
            features = layer(features)
            if number in _SLICE_ENDS:
                activations.append(features)
        return activations


def vgg19_weights(section: str) -> Pretrained:
    """Describe torchvision's file, for the messages of a section of params.yaml."""
    return Pretrained(
        name="vgg19-dcbb9e9d.pth",
        url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
        sha256="dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        needed_by="the perceptual loss",
        file_param=f"{section}.perceptual_file",
        without=f"set {section}.perceptual_weight to 0",
    )


def read_perceptual(section: str, *, weight: float, file: Path | None) -> VGG19Features | None:
    """Read the network of a section's perceptual loss; None where that has weight 0.

    From the user's own file; None: from the cache, or downloaded once.

    Raises:
        WeightsError: it does not hold the tensors of a VGG19.
    """
    if weight == 0:
        return None
    pretrained = vgg19_weights(section)
    return read_vgg19_features(pretrained_file(pretrained, file=file), pretrained)


def read_vgg19_features(path: Path, pretrained: Pretrained) -> VGG19Features:
    """Read a VGG19 from `.safetensors` or what torch saved; what lies behind its features is left.

    Raises:
        WeightsError: see `read_perceptual`.
    """
    tensors, network = read_tensors(path, pretrained), VGG19Features()
    try:
        network.load_state_dict({name: tensors[name] for name in network.state_dict()})
    except (KeyError, RuntimeError) as error:
        got = ", ".join(list(tensors)[:4]) or "none"
        raise WeightsError(
            f"{path}: expected the tensors of torchvision's VGG19 (features.0.weight, "
            f"features.0.bias, …), got {got}: {one_line(error)}; {pretrained.remedies}"
        ) from error
    network.file = path
    return network

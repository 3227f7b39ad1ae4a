"""Local enhancer of pix2pixHD (Wang et al. 2018, sec. 3.1): twice a global generator's resolution.

The global generator inside gets the input at half resolution and returns its last features, without
a head; two layers downsample the full resolution; the sum goes through residual blocks and is
upsampled. The numbers are those of the global generator, so that a trained one can be copied in.
"""

from jaxtyping import Float
from torch import Tensor, nn

from motiontransfer.nets.blocks import (
    InstanceNorm,
    ReflectionPad,
    ResidualBlock,
    Upsampling,
    downsample_by_2,
    pad_to_multiple,
    upsample,
)
from motiontransfer.nets.global_generator import GlobalGenerator, global_features

_NUM_RESIDUAL_BLOCKS = 3


class LocalEnhancer(nn.Module):
    """Image-to-image network of twice the size of the global generator inside it."""

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        num_filters: int,
        num_downsamplings: int,
        num_residual_blocks: int,
        max_channels: int,
        upsampling: Upsampling = "transposed",
    ) -> None:
        super().__init__()
        wide = min(num_filters, max_channels)
        narrow = max(wide // 2, 1)
        self.stride = 2 * 2**num_downsamplings
        self.coarse = global_features(
            in_channels=in_channels,
            num_filters=num_filters,
            num_downsamplings=num_downsamplings,
            num_residual_blocks=num_residual_blocks,
            max_channels=max_channels,
            upsampling=upsampling,
        )
        self.down = nn.Sequential(
            *(ReflectionPad(3), nn.Conv2d(in_channels, narrow, 7)),
            *(InstanceNorm(narrow), nn.ReLU(inplace=True)),
            nn.Conv2d(narrow, wide, 3, stride=2, padding=1),
            *(InstanceNorm(wide), nn.ReLU(inplace=True)),
        )
        self.up = nn.Sequential(
            *(ResidualBlock(wide) for _ in range(_NUM_RESIDUAL_BLOCKS)),
            upsample(wide, narrow, upsampling=upsampling),
            *(InstanceNorm(narrow), nn.ReLU(inplace=True)),
        )
        self.head = nn.Sequential(ReflectionPad(3), nn.Conv2d(narrow, out_channels, 7))

    def forward(
        self, conditioning: Float[Tensor, "batch in_channels height width"]
    ) -> Float[Tensor, "batch out_channels height width"]:
        """Return the last convolution's output, before any squashing."""
        height, width = conditioning.shape[2:]
        padded = pad_to_multiple(conditioning, self.stride)
        features = self.down(padded) + self.coarse(downsample_by_2(padded))
        return self.head(self.up(features))[:, :, :height, :width]

    def start_from(self, trained: GlobalGenerator) -> None:
        """Take over the weights of a global generator that was trained at half the size.

        Raises:
            ValueError: it has other layers than the one inside.
        """
        mine, theirs = self.coarse.state_dict(), trained.features.state_dict()
        if {k: v.shape for k, v in mine.items()} != {k: v.shape for k, v in theirs.items()}:
            raise ValueError(
                "the trained global generator differs from the one inside the local enhancer; "
                "expected the same channels, downsamplings, residual blocks and upsampling, got "
                f"{_sizes(theirs)} for {_sizes(mine)}"
            )
        self.coarse.load_state_dict(theirs)


def _sizes(weights: dict[str, Tensor]) -> str:
    numbers = sum(weight.numel() for weight in weights.values())
    return f"{len(weights)} tensors with {numbers} numbers"

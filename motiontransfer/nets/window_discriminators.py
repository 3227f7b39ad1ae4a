"""Discriminators that are shown a window of consecutive frames, each some of them at a time.

Hides which frames go together: the first judges every frame, or every two that follow each other
(Chan et al. 2019, sec. 3.2); others may judge movement, every three frames that lie a stride apart
(Wang et al. 2018, vid2vid). Together they are one network to whoever trains them.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motiontransfer.nets.discriminators import (
    Judgement,
    MultiscaleDiscriminator,
    temporal_windows,
)

CONSECUTIVE = "consecutive"
"""Name of the discriminator that every training has."""

_TEMPORAL_FRAMES = 3


class WindowDiscriminator(nn.Module):
    """One discriminator, with the frames that it is shown together."""

    def __init__(self, discriminator: nn.Module, *, num_frames: int, stride: int) -> None:
        super().__init__()
        self.discriminator = discriminator
        self.num_frames, self.stride = num_frames, stride

    def stacked(
        self, frames: Float[Tensor, "batch time channels height width"]
    ) -> Float[Tensor, "stacks stacked_channels height width"]:
        """Frames that are judged together, or their pose maps, stacked along the channels."""
        return temporal_windows(frames, num_frames=self.num_frames, stride=self.stride)

    def forward(
        self,
        poses: Float[Tensor, "batch time pose_channels height width"],
        frames: Float[Tensor, "judged time 3 height width"],
    ) -> list[Judgement]:
        """Judge frames; they may be several batches in turn for the one of poses."""
        batches = [self.stacked(batch) for batch in frames.split(len(poses))]
        return self.discriminator(self.stacked(poses), torch.cat(batches))


class WindowDiscriminators(nn.Module):
    """One discriminator of consecutive frames, and any number of movement."""

    def __init__(
        self, consecutive: WindowDiscriminator, temporal: Sequence[WindowDiscriminator] = ()
    ) -> None:
        super().__init__()
        self.by_name = {CONSECUTIVE: consecutive, **{f"stride_{t.stride}": t for t in temporal}}
        """Those registered below, the one of consecutive frames first."""
        self.discriminators = nn.ModuleList(self.by_name.values())

    def forward(
        self,
        poses: Float[Tensor, "batch time pose_channels height width"],
        frames: Float[Tensor, "judged time 3 height width"],
    ) -> dict[str, list[Judgement]]:
        """Return what each says, by its name, finest scale first."""
        return {name: judge(poses, frames) for name, judge in self.by_name.items()}

    def start_from(self, trained: "WindowDiscriminators") -> None:
        """Take over what was trained at half the size; each one's finest judge stays as it is.

        Raises:
            ValueError: they do not fit.
        """
        for name, mine in self.by_name.items():
            judges, coarser = mine.discriminator, trained.by_name[name].discriminator
            assert isinstance(judges, MultiscaleDiscriminator)
            assert isinstance(coarser, MultiscaleDiscriminator)
            judges.start_from(coarser)


def frames_at_once(window_frames: int, *, temporal_strides: Sequence[int]) -> list[tuple[int, int]]:
    """(number of frames, stride) of each discriminator of such windows, the first one first.

    Raises:
        ValueError: a window is shorter than what a discriminator is shown at once.
    """
    spans = [(min(window_frames, 2), 1), *((_TEMPORAL_FRAMES, s) for s in temporal_strides)]
    longest = max((num_frames - 1) * stride + 1 for num_frames, stride in spans)
    if longest > window_frames:
        raise ValueError(
            f"{_TEMPORAL_FRAMES} frames {max(temporal_strides)} apart span {longest}, got windows "
            f"of {window_frames}"
        )
    return spans

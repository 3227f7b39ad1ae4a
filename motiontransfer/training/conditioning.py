"""What the generator is shown while it is trained: poses, and the frame before, which is its own.

Hides how a window of consecutive frames is generated, each from the one before and the first from
zeros (Chan et al. 2019, sec. 3.2, where windows have two frames). Deviations, each by choice: the
frame before is left out now and then, so that a roll-out can start and recover; it is spoilt by
noise, so that a roll-out's own faults do not grow; what it was made from is not trained through it.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motiontransfer.training.batches import draw_uniform
from motiontransfer.training.chance import draws_for

PreviousFrameGradient = Literal["kept", "cut"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditioningSettings:
    """How what the generator is shown differs from what there is."""

    previous_frame_dropout: float
    """Share of frames after a window's first that are generated without the one before."""
    previous_frame_noise: float
    """Standard deviation of the noise on the frame before, whose colours are in [-1, 1]."""
    previous_frame_gradient: PreviousFrameGradient
    """`kept`: the frame before is trained through the one after it, too; `cut`: it is taken as
    given."""
    limb_dropout: float
    """Share of windows in whose poses one limb is hidden, from generator and discriminators."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviousFrames:
    """What becomes of each window's frames before the next is generated from them."""

    kept: Float[Tensor, "batch transitions"]
    """1 where the frame before is shown, 0 where it is left out."""
    noise: Float[Tensor, "batch transitions 3 height width"] | None
    """What is added to it."""
    gradient: PreviousFrameGradient

    def shown(
        self, frame: Float[Tensor, "batch 3 height width"], transition: int
    ) -> Float[Tensor, "batch 3 height width"]:
        """What the generator is shown of the frame before a transition, counted from 0."""
        if self.gradient == "cut":
            frame = frame.detach()
        if self.noise is not None:
            frame = frame + self.noise[:, transition].to(frame)
        return frame * self.kept[:, transition].to(frame)[:, None, None, None]


def draw_previous_frames(
    places: range,
    frames_shape: torch.Size,
    *,
    settings: ConditioningSettings,
    seed: int,
    step: int,
) -> PreviousFrames:
    """Draw what becomes of the frames before, by the places of their windows in the step's batch.

    Args:
        frames_shape: of the real windows: batch, time, 3, height, width.
    """
    transitions, frame_shape = frames_shape[1] - 1, frames_shape[2:]
    drawn = draw_uniform(
        range(places.start * transitions, places.stop * transitions), seed=seed, step=step
    )
    kept = (drawn >= settings.previous_frame_dropout).float().view(len(places), transitions)
    noise = None
    if settings.previous_frame_noise > 0:
        of_place = [
            torch.randn(
                (transitions, *frame_shape),
                generator=draws_for("previous_frame_noise", seed=seed, step=step, place=place),
            )
            for place in places
        ]
        noise = settings.previous_frame_noise * torch.stack(of_place)
    return PreviousFrames(kept=kept, noise=noise, gradient=settings.previous_frame_gradient)


def stack_poses(
    pose_maps: Float[Tensor, "batch poses channels height width"], *, num_frames: int
) -> Float[Tensor, "batch num_frames stacked_channels height width"]:
    """Each frame's pose map behind those of the poses before it, as many as there are to spare."""
    spare = pose_maps.shape[1] - num_frames
    return torch.cat([pose_maps[:, i : i + num_frames] for i in range(spare + 1)], dim=2)


def generate_window(
    generator: nn.Module,
    pose_maps: Float[Tensor, "batch time stacked_channels height width"],
    previous_frames: PreviousFrames,
) -> Float[Tensor, "batch time 3 height width"]:
    """Generate the frames of each window, each from its pose and the one before."""
    batch_size, num_frames, _, height, width = pose_maps.shape
    before = pose_maps.new_zeros((batch_size, 3, height, width))
    frames = []
    for time in range(num_frames):
        if time > 0:
            before = previous_frames.shown(frames[-1], time - 1)
        frames.append(generator(pose_maps[:, time], before))
    return torch.stack(frames, dim=1)

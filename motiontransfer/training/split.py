"""Which frames of a clip are trained on, and which are held out.

The tail is held out, contiguous, with a gap before it: a random split would leak neighbours that
look alike (Chan et al. evaluate on the last part of the target's video).
"""

from dataclasses import dataclass

from motiontransfer.errors import TrainingError


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """How a target's clips are split; kept with the weights, for whoever evaluates them."""

    held_out_fraction: float
    """Share of each clip's end that is never trained on."""

    gap_frames: int
    """Frames left out between the two."""


def split_clip(
    num_frames: int, *, held_out_fraction: float, gap_frames: int
) -> tuple[range, range]:
    """Return (training frames, held-out frames); the gap between them belongs to neither.

    Raises:
        TrainingError: fewer than two frames would be left to train on.
    """
    num_held_out = round(num_frames * held_out_fraction)
    gap = gap_frames if num_held_out else 0
    num_training = num_frames - num_held_out - gap
    if num_training < 2:
        raise TrainingError(
            f"a clip of {num_frames} frames leaves {max(num_training, 0)} to train on after "
            f"holding out {num_held_out} and a gap of {gap}; expected at least 2; use a longer "
            "clip, or lower train_gan.held_out_fraction or train_gan.gap_frames"
        )
    return range(num_training), range(num_frames - num_held_out, num_frames)

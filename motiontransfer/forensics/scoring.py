"""Scores of video by a trained detector: a logit for every pair of frames between which it moves.

Hides how many pairs are judged at once, which changes nothing.
"""

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import UInt8
from torch import nn

from motiontransfer.forensics.measures import Logits
from motiontransfer.forensics.network import moves
from motiontransfer.forensics.recompression import Encoding, recompressed
from motiontransfer.forensics.stretches import Frames, Stretch
from motiontransfer.media.framing import resize
from motiontransfer.media.tensors import frames_to_tensor
from motiontransfer.progress import track

_PAIRS_AT_ONCE = 8


def score_frames(network: nn.Module, frames: Frames, *, max_height: int) -> Logits:
    """Score every pair of consecutive frames in which something moves.

    Args:
        max_height: higher frames are shrunk to it.
    """
    device = next(network.parameters()).device
    frames = np.stack([shrunk(frame, max_height=max_height) for frame in frames])
    logits: list[np.ndarray] = []
    for start in range(0, len(frames) - 1, _PAIRS_AT_ONCE):
        tensor = frames_to_tensor(list(frames[start : start + _PAIRS_AT_ONCE + 1])).to(device)
        pairs = torch.stack([tensor[:-1], tensor[1:]], dim=1)
        pairs = pairs[moves(pairs)]
        if len(pairs):
            with torch.inference_mode():
                logits.append(network(pairs).double().cpu().numpy())
    return np.concatenate(logits) if logits else np.zeros(0)


def shrunk(frame: UInt8[np.ndarray, "_ _ 3"], *, max_height: int) -> UInt8[np.ndarray, "_ _ 3"]:
    """Return a frame that is no higher than those which the detector was trained on.

    That is how it knows filmed people, and what was rendered small and enlarged loses nothing.
    """
    height, width = frame.shape[:2]
    if height <= max_height:
        return frame
    return resize(frame, (max_height, max(1, round(width * max_height / height))))


def score_stretches(
    network: nn.Module,
    stretches: Iterable[Stretch],
    *,
    encoding: Encoding,
    max_height: int,
    description: str,
) -> list[Logits]:
    """Score each stretch as it is after an encoding; no scores where nothing moves."""
    stretches = list(stretches)
    return [
        score_frames(network, recompressed(stretch.read(), encoding), max_height=max_height)
        for stretch in track(stretches, description, total=len(stretches))
    ]

"""Key poses: the few frames of a dance that cover it best, for a film that shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from jaxtyping import Float64

from motiontransfer.body.parts import BodyPart, body_parts
from motiontransfer.core.arrays import FrameMask
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.filming.coverage import FARTHEST, PartPoses, cover, only_seen
from motiontransfer.pose.keypoints import Keypoints

NUM_KEY_POSES = 12
"""On computed actors twelve poses of a dance gave more than a minute of another one."""

_MAX_FRAMES = 400  # of a dance or of films that are compared, evenly spread: memory grows with both
NEAR = 2.5
"""% of the body's height; a part is covered by a filmed one that is as near.

The covered share correlates with the puppet's likeness within pairs of 32 films of actors: .79, .78
and .88 for person, face and hands. With 2 in place of 2.5 it is .77 .79 .85, with 4 .69 .72 .82.
Exactly struck poses of another body are off by at most 2.3 in 90 % of frames. Arms off by .1
radians are off by 2.2 to 2.8 (medians), by .2 radians by 3.2 to 3.9.
"""
_REGIONS = {"head": "head", "hand": "hands", "arm": "arms", "torso": "trunk", "neck": "trunk"}
LEAST_GAIN = 0.05  # % of the body's height, mean over parts and frames; dances need 8 to 12 poses
_LEAST_FOUND = 0.9  # of the body's joints that the dance usually shows; fewer: the pose is a guess

_Alike = list[tuple[float, int, int]]
"""Of each frame: distance to the most similar one of a film, the film, and its frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPoses:
    """Frames of a dance to strike, and how well it is covered."""

    frames: Sequence[int]
    """In the order of what they add."""
    coverage: Sequence[float]
    """Share, 0 to 1, of body parts in all frames that is covered before the first, with each."""
    of_regions: Mapping[str, float]
    """The same share of each region of the body, before the first."""
    nearest: Sequence[tuple[int, int]]
    """The film and its frame that are most like each of `frames`; empty without films."""

    def in_words(self) -> str:
        """How much is covered before the first, and of which regions less than of all."""
        least = sorted(self.of_regions, key=self.of_regions.__getitem__)
        told = ", ".join(f"{region} {100 * self.of_regions[region]:.0f} %" for region in least)
        return f"{100 * self.coverage[0]:.0f} % of the dance ({told})"


def find_key_poses(
    dance: Keypoints,
    filmed: Sequence[Keypoints] = (),
    *,
    num_poses: int = NUM_KEY_POSES,
    least_gain: float = LEAST_GAIN,
) -> KeyPoses:
    """The poses of a dance that cover it best, beside those of films that are there.

    Fewer where fewer cover it. A frame that is unusual, or in which joints are missing, completed
    or filled in, is never one of them.

    Args:
        least_gain: of a pose in mean distance, % of the body's height.
    """
    parts = body_parts(dance.skeleton)
    compared = evenly_spaced(range(dance.num_frames), count=min(_MAX_FRAMES, dance.num_frames))
    poses = PartPoses.of(dance.part(compared), parts)
    weights = poses.weights
    nearest, alike = np.full(weights.shape, FARTHEST), list[_Alike]()
    for number, clip in enumerate(filmed):
        if clip.skeleton == dance.skeleton and clip.num_frames:
            kept = evenly_spaced(range(clip.num_frames), count=min(_MAX_FRAMES, clip.num_frames))
            apart = poses.distances(PartPoses.of(clip.part(kept), parts))
            nearest = np.minimum(nearest, apart.min(axis=2))
            mean = np.einsum("pf,pfo->fo", weights, apart)
            best = mean.argmin(axis=1)
            alike.append([(mean[f, o], number, kept[o]) for f, o in enumerate(best.tolist())])
    of_regions = _shares(parts, weights, nearest)
    chosen, coverage = list[int](), [float((weights * (nearest <= NEAR)).sum())]
    if num_poses:
        apart = poses.distances(poses)
        apart[..., ~_is_certain(dance)[compared]] = FARTHEST
        for best, gain in islice(cover(weights, nearest, apart), num_poses):
            if gain <= least_gain:
                break
            chosen.append(best)
            nearest = np.minimum(nearest, apart[..., best])
            coverage.append(float((weights * (nearest <= NEAR)).sum()))
    return KeyPoses(
        frames=[compared[index] for index in chosen],
        coverage=coverage,
        of_regions=of_regions,
        nearest=[min(of[index] for of in alike)[1:] for index in chosen if alike],
    )


def _shares(
    parts: Sequence[BodyPart],
    weights: Float64[np.ndarray, "parts frames"],
    nearest: Float64[np.ndarray, "parts frames"],
) -> dict[str, float]:
    """The share of each region of the body that is covered; of those that are seen."""
    own, covered = dict[str, float](), dict[str, float]()
    for part, weight, distance in zip(parts, weights, nearest, strict=True):
        region = next((name for word, name in _REGIONS.items() if word in part.name), "legs")
        own[region] = own.get(region, 0.0) + float(weight.sum())
        covered[region] = covered.get(region, 0.0) + float(weight[distance <= NEAR].sum())
    return {name: covered[name] / own[name] for name in own if own[name] > 0}


def _is_certain(keypoints: Keypoints) -> FrameMask:
    """Usual frames that show as much of the body as most, without joints that were filled in."""
    found = only_seen(keypoints).score > 0
    for start, stop in keypoints.unusual:
        found[start:stop] = False
    body = found[:, keypoints.skeleton.slice("body")]
    usual = body.mean(axis=0)
    return body @ usual >= _LEAST_FOUND * usual.sum()

"""References of a whole clip: the least sum of distances, seams and switches (Viterbi 1967).

The cost of a switch between two references is their visible difference. A part therefore changes
between similar references, and seldom. The tree of joined parts is solved from its leaves to its
roots frame by frame, and from its roots to its leaves over time. Beside a switch colors fade.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from motiontransfer.pose.time_series import least_path
from motiontransfer.puppet.draw.choice import ChoiceConfig

Costs = Float64[np.ndarray, "frames parts references"]
Chosen = Int64[np.ndarray, "frames parts"]
Differences = UInt8[np.ndarray, "parts filmed_references filmed_references"]


def choose_over_clip(
    costs: Costs,
    differences: Differences,
    *,
    choice: ChoiceConfig,
    joined: Sequence[tuple[int, int]],
    switch: Float64[np.ndarray, " parts"],
    before: Int64[np.ndarray, " parts"],
) -> Chosen:
    """References of all parts in all frames; -1 where all of a part are infinitely far.

    Args:
        differences: levels by which references look different, as filmed.
        joined: (part, parent) of a tree, from its leaves to its roots.
        switch: cost of a switch, for each level of difference.
        before: references in the frame before the first; -1: none.
    """
    costs, is_drawn = costs.copy(), np.any(np.isfinite(costs), axis=2)
    for part, parent in joined:
        both = is_drawn[:, part] & is_drawn[:, parent]
        own = costs[both, part]
        costs[both, parent] += np.minimum(own, own.min(axis=1, keepdims=True) + choice.seam)
    chosen = np.full(costs.shape[:2], -1)
    parent_of = dict(joined)
    free = [part for part in range(costs.shape[1]) if part not in parent_of]
    for part in (*free, *(part for part, _ in reversed(joined))):
        own = costs[:, part].copy()
        if part in parent_of:
            parent = chosen[:, parent_of[part]]
            same = own[np.arange(len(own)), parent]
            own += choice.seam
            own[np.arange(len(own)), parent] = np.where(parent < 0, own[:, -1], same)
        own[~is_drawn[:, part]] = 0  # where it is not drawn, the reference is kept
        best = _least_path(own, differences[part], float(switch[part]), int(before[part]), choice)
        chosen[:, part] = np.where(is_drawn[:, part], best, -1)
    return chosen


def fading(chosen: Chosen, index: int, *, reach: int) -> dict[int, tuple[int, float]]:
    """Parts with a switch near a frame: the reference beyond it, and its share of the colors.

    The share falls from one half at the switch to nothing.

    Args:
        reach: frames on each side of a switch, in which the share is not 0.
    """
    fades = {}
    for away in range(reach, 0, -1):  # the nearest switch counts
        share = (reach + 1 - away) / (2 * reach + 1)
        for frame in (index + away, index - away):
            if 0 <= frame < len(chosen):
                parts = np.flatnonzero(chosen[frame] != chosen[index]).tolist()
                fades |= {part: (int(chosen[frame, part]), share) for part in parts}
    return fades


def _least_path(
    costs: Float64[np.ndarray, "frames references"],
    differences: UInt8[np.ndarray, "filmed_references filmed_references"],
    switch: float,
    before: int,
    choice: ChoiceConfig,
) -> Int64[np.ndarray, " frames"]:
    """References with the least sum of costs and switches."""
    number = min(choice.num_candidates, costs.shape[1])
    best = np.argpartition(costs, number - 1, axis=1)[:, :number]
    known = [before] if before >= 0 else []
    candidates = np.unique(np.append(best, known).astype(int))
    views, filmed = np.divmod(candidates, len(differences))
    levels = differences[np.ix_(filmed, filmed)].astype(np.float64)
    levels[views[:, None] != views] = choice.other_view
    steps = switch * levels
    np.fill_diagonal(steps, 0)
    costs = costs[:, candidates]
    if before >= 0:
        costs[0] += steps[candidates == before][0]
    return candidates[least_path(costs, np.broadcast_to(steps, (len(costs) - 1, *steps.shape)))]

"""Limited-memory BFGS (Nocedal and Wright 2006, algorithm 7.4), with backtracking."""

from collections import deque
from collections.abc import Callable

import numpy as np
from jaxtyping import Float64

Unknowns = Float64[np.ndarray, " unknowns"]

_MEMORY = 20  # pairs of steps and changes, from which the Hessian is told
_DECREASE = 1.0e-4  # share of the expected decrease that is enough
_SMALLEST_STEP = 1.0e-6  # of a direction: by less nothing is lower
_LARGEST_STEP = 3.0  # of an unknown, in its unit: where little is known, the Hessian says nothing


def minimize(
    error: Callable[[Unknowns], tuple[float, Unknowns]],
    start: Unknowns,
    *,
    steps: int,
    tolerance: float = 1e-9,
) -> Unknowns:
    """The lowest point on the way down from `start` in so many steps.

    Args:
        error: value and gradient.
        tolerance: relative decrease below which it ends.
    """
    point, (value, gradient) = start, error(start)
    pairs: deque[tuple[Unknowns, Unknowns, float]] = deque(maxlen=_MEMORY)
    for _ in range(steps):
        direction = -_newton(gradient, pairs)
        direction *= min(1.0, _LARGEST_STEP / max(float(np.abs(direction).max()), 1e-12))
        slope = float(direction @ gradient)
        length = 1.0 if pairs else min(1.0, 1 / max(float(np.linalg.norm(gradient)), 1e-12))
        while True:
            moved = point + length * direction
            lower, turned = error(moved)
            if lower <= value + _DECREASE * length * slope or length < _SMALLEST_STEP:
                break
            length *= min(max(-slope * length / (2 * (lower - value - slope * length)), 0.1), 0.5)
        if lower >= value:
            break
        step, change = moved - point, turned - gradient
        curvature = float(step @ change)
        if curvature > 1e-10 * float(change @ change):
            pairs.append((step, change, 1 / curvature))
        ended = value - lower <= tolerance * max(abs(value), abs(lower), 1.0)
        point, value, gradient = moved, lower, turned
        if ended:
            break
    return point


def _newton(gradient: Unknowns, pairs: deque[tuple[Unknowns, Unknowns, float]]) -> Unknowns:
    """The inverse Hessian, as pairs of steps and changes of the gradient tell it, times this."""
    result, shares = gradient.copy(), []
    for step, change, inverse in reversed(pairs):
        share = inverse * float(step @ result)
        result -= share * change
        shares.append(share)
    if pairs:
        step, change, inverse = pairs[-1]
        result /= inverse * float(change @ change)
    for (step, change, inverse), share in zip(pairs, reversed(shares), strict=True):
        result += (share - inverse * float(change @ result)) * step
    return result

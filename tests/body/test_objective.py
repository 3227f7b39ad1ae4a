import numpy as np
import pytest

from motiontransfer.body.objective import Bends, Observed, State, error
from motiontransfer.body.skeleton import BONE_NAMES, LENGTHS, USUAL_LENGTHS

FRAMES, STEP = 9, 1e-6
STARTS = np.isin(np.arange(FRAMES), [0, 5])  # of runs


@pytest.fixture(scope="module")
def compared():
    """Joints at random, in two runs; some so near to the camera that this is limited."""
    rng, bones = np.random.default_rng(0), (FRAMES, len(BONE_NAMES))
    lines = rng.normal(size=(3, *bones))
    film = Observed(
        points=1 + 0.3 * rng.normal(size=(2, FRAMES, 33)),
        weight=rng.random((FRAMES, 33)),
        lines=lines / np.linalg.norm(lines, axis=0),
        line_weight=rng.random(bones),
        bends=Bends(STARTS, 30.0),
        center=np.ones(2),
        frame_rate=30.0,
        noise=1.3,
    )
    state = State(
        directions=rng.normal(size=(3, *bones)),
        place=1 + 0.1 * rng.normal(size=(2, FRAMES)),
        size=0.1 * rng.normal(size=FRAMES),
        lengths=np.log(USUAL_LENGTHS) + 0.1 * rng.normal(size=len(LENGTHS)),
        distance=np.array(-0.5),
    )
    return film, state


@pytest.mark.parametrize("name", State._fields)
def test_the_gradient_is_that_of_differences(compared, name):
    film, state = compared
    _, by = error(film, state, width=2.0)
    values, slopes = getattr(state, name), getattr(by, name)
    rng = np.random.default_rng(1)
    for _ in range(40 if values.ndim else 1):
        index = tuple(rng.integers(0, size) for size in values.shape)
        ends = []
        for step in (STEP, -STEP):
            moved = values.copy()
            moved[index] += step
            ends.append(error(film, state._replace(**{name: moved}), width=2.0)[0])
        assert slopes[index] == pytest.approx((ends[0] - ends[1]) / (2 * STEP), rel=1e-4, abs=1e-5)


def test_nothing_is_smooth_across_runs(compared):
    """Frames of two runs have the errors of each of them together, but for unusual lengths."""
    film, state = compared
    state = state._replace(lengths=np.log(USUAL_LENGTHS))
    total = 0
    for frames in (np.arange(5), np.arange(5, FRAMES)):
        own = {name: getattr(state, name)[..., frames] for name in ("place", "size")}
        own["directions"] = state.directions[:, frames]
        total += len(frames) * error(film.part(frames, STARTS[frames]), state._replace(**own))[0]
    assert error(film, state)[0] * FRAMES == pytest.approx(total)

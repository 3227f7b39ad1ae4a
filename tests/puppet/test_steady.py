from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from motiontransfer.puppet.draw.choice import CHOICE
from motiontransfer.puppet.draw.steady import choose_over_clip, fading

LEVELS = np.array([(0, 10, 40), (10, 0, 30), (40, 30, 0)], np.uint8)


def chosen_of(costs, *, switch=0.1, before=-1, joined=(), seam=0.0, levels=LEVELS):
    parts = np.shape(costs)[1]
    return choose_over_clip(
        np.array(costs, float), np.stack([levels] * parts), joined=joined,
        choice=replace(CHOICE, seam=seam), switch=np.full(parts, switch),
        before=np.full(parts, before),
    )  # fmt: skip


def cost_of(path, costs, switch):
    return sum(costs[frame, 0, one] for frame, one in enumerate(path)) + switch * sum(
        float(LEVELS[a, b]) for a, b in pairwise(path)
    )


@given(
    arrays(np.float64, (5, 1, 3), elements=st.integers(0, 8).map(float)),
    st.sampled_from([0.0, 0.05, 0.3, 3.0]),
)
def test_no_other_path_costs_less(costs, switch):
    path = chosen_of(costs, switch=switch)[:, 0].tolist()
    least = min(cost_of(other, costs, switch) for other in product(range(3), repeat=5))
    assert cost_of(path, costs, switch) == pytest.approx(least)


def test_a_switch_is_made_as_soon_as_what_comes_pays_for_it():
    """Causally it would wait; the one before the clip counts as well."""
    costs = np.array([[(0.0, 0.9, 9)], [(0.5, 0, 9)], [(3.0, 0, 9)]])
    assert chosen_of(costs)[:, 0].tolist() == [1, 1, 1]
    assert chosen_of(costs, before=0)[:, 0].tolist() == [0, 1, 1]
    assert chosen_of(costs, before=0, switch=9.0)[:, 0].tolist() == [0, 0, 0]


def test_a_part_that_is_not_drawn_keeps_its_reference_for_when_it_is():
    costs = np.full((4, 1, 3), np.inf)
    costs[0, 0], costs[3, 0] = (0, 5, 5), (1, 0.5, 9)
    assert chosen_of(costs)[:, 0].tolist() == [0, -1, -1, 0]


def test_a_part_follows_its_parent_as_long_as_a_seam_costs_more():
    """The forearm, 0, would be better from another one by 1 in each frame."""
    costs = np.zeros((3, 2, 3))
    costs[:, 0], costs[:, 1] = (1, 0, 9), (0, 2, 9)
    joined = [(0, 1)]
    assert chosen_of(costs, joined=joined, seam=1.5).tolist() == [[0, 0]] * 3
    assert chosen_of(costs, joined=joined, seam=0.5).tolist() == [[1, 0]] * 3


def test_a_filmed_reference_and_its_mirror_image_look_different():
    """References 3 to 5 are the same frames seen otherwise: 60 levels away, 6 at this cost."""
    costs = np.array([[(0.0, 9, 9, 9, 9, 9)], [(5.0, 9, 9, 0, 9, 9)], [(7.0, 9, 9, 9, 9, 0)]])
    assert chosen_of(costs[:2])[:, 0].tolist() == [0, 0]
    assert chosen_of(np.concatenate([costs[:1], costs[2:]]))[:, 0].tolist() == [0, 5]


TREE = [(0, 1), (1, 2), (3, 2)]
"""A leg of foot 0 and shin 1, an arm 3, at the trunk 2."""


def cost_of_frame(chosen, distances, seam):
    seams = sum(chosen[a] != chosen[b] for a, b in TREE if -1 not in (chosen[a], chosen[b]))
    drawn = [distances[part, one] for part, one in enumerate(chosen) if one >= 0]
    return sum(drawn) + seam * seams


@given(
    arrays(np.float64, (4, 3), elements=st.one_of(st.integers(0, 8), st.just(np.inf))),
    st.sampled_from([0.0, 1.5, 4.0]),
)
def test_no_other_choice_costs_less(distances, seam):
    chosen = chosen_of([distances], joined=TREE, seam=seam)[0].tolist()
    possible = [np.flatnonzero(np.isfinite(row)).tolist() or [-1] for row in distances]
    assert all(one in allowed for one, allowed in zip(chosen, possible, strict=True))
    least = min(cost_of_frame(other, distances, seam) for other in product(*possible))
    assert cost_of_frame(chosen, distances, seam) == pytest.approx(least)


def test_colors_pass_over_in_the_frames_beside_a_switch_the_nearer_one():
    """Of five equal steps from one reference to the other, the third is the switch itself."""
    chosen = np.array([(4, 4, 4, 7, 7, 7), (2, 2, 2, 2, 2, 2)]).T
    fades = [fading(chosen, index, reach=2) for index in range(6)]
    assert fades == [{}, {0: (7, 0.2)}, {0: (7, 0.4)}, {0: (4, 0.4)}, {0: (4, 0.2)}, {}]
    assert not any(fading(chosen, index, reach=0) for index in range(6))
    twice = np.array([(1, 2, 2, 2, 3)]).T
    assert [fading(twice, index, reach=3)[0] for index in (1, 3)] == [(1, 3 / 7), (3, 3 / 7)]

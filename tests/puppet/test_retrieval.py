from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from motiontransfer.puppet.parts import joined_parts
from motiontransfer.puppet.warping import choose_jointly
from tests.people import NUMBER_OF, PARTS

TREE = [(0, 1), (1, 2), (3, 2)]
"""A leg of foot 0 and shin 1, an arm 3, at the trunk 2."""


def cost_of(chosen, distances, seam):
    seams = sum(chosen[a] != chosen[b] for a, b in TREE if -1 not in (chosen[a], chosen[b]))
    drawn = [distances[part, it] for part, it in enumerate(chosen) if it >= 0]
    return sum(drawn) + seam * seams


@given(
    arrays(np.float64, (4, 3), elements=st.one_of(st.integers(0, 8), st.just(np.inf))),
    st.sampled_from([0.0, 1.5, 4.0]),
)
def test_no_other_choice_costs_less(distances, seam):
    chosen = choose_jointly(distances, joined=TREE, seam=seam).tolist()
    possible = [np.flatnonzero(np.isfinite(row)).tolist() or [-1] for row in distances]
    assert all(it in allowed for it, allowed in zip(chosen, possible, strict=True))
    least = min(cost_of(other, distances, seam) for other in product(*possible))
    assert cost_of(chosen, distances, seam) == pytest.approx(least)


def test_without_a_seams_cost_each_part_is_the_nearest():
    distances = np.array([[3.0, 1, 2], [0, 1, 2], [2, 1, 0], [1, 0, 2]])
    assert choose_jointly(distances, joined=TREE, seam=0.0).tolist() == [1, 0, 2, 1]
    assert choose_jointly(distances, joined=TREE, seam=9.0).tolist() == [1, 1, 1, 1]


def test_limbs_are_joined_to_the_trunk_and_head_and_hands_are_free():
    root_of = {PARTS[part].name: PARTS[root].name for part, root in joined_parts(PARTS)}
    assert root_of == {
        **{f"{side}_foot": f"{side}_shin" for side in ("left", "right")},
        **{f"{side}_shin": f"{side}_thigh" for side in ("left", "right")},
        **{f"{side}_forearm": f"{side}_upper_arm" for side in ("left", "right")},
        **{
            f"{side}_{part}": "torso"
            for side in ("left", "right")
            for part in ("thigh", "upper_arm")
        },
        "neck": "torso",
    }
    order = [part for part, _ in joined_parts(PARTS)]
    for part, root in joined_parts(PARTS):
        assert root == NUMBER_OF["torso"] or order.index(root) > order.index(part)

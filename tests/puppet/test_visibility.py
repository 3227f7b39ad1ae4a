"""How much of a part a reference shows: worked out for patches that are half hidden."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from motiontransfer.body.parts import BodyPoses
from motiontransfer.pose.skeleton import HOLISTIC
from motiontransfer.puppet.draw.warping import Puppet
from motiontransfer.puppet.fit.cutting import CutPart
from motiontransfer.puppet.fit.occluders import usual_colors
from motiontransfer.puppet.fit.visibility import joined_share, shown_share
from tests.people import NUMBER_OF, PARTS, appearance_of, both_sides, painted, posed

SHOWN = partial(shown_share, height_px=150.0)
HEAD = PARTS[NUMBER_OF["head"]]
SKIN, WHITE = (200, 150, 120), (250, 250, 250)


def cut_part(*, hidden_rows=0, colors=SKIN):
    """A part of 40 rows that something in front hides from the first row on."""
    coverage = np.full((40, 30), 255, np.uint8)
    coverage[:hidden_rows] = 0
    image = np.broadcast_to(np.array(colors, np.uint8), (*coverage.shape, 3)).copy()
    return CutPart(corner=(0, 0), colors=image, coverage=coverage, hidden=255 - coverage)


def share_of(name, cut, keypoints, *, measure=SHOWN, **how):
    poses = BodyPoses(keypoints.skeleton, keypoints.points, keypoints.score)
    return measure(PARTS[NUMBER_OF[name]], cut, poses, 0, **how)


@pytest.mark.parametrize("hidden_rows", [0, 10, 40])
def test_a_trunk_in_profile_shows_what_nothing_hides(hidden_rows):
    """Its joints lie on a line, so that their outline tells nothing."""
    aside = posed(**both_sides({"shoulder": (0, -50), "hip": (0, 0)}))
    share = share_of("torso", cut_part(hidden_rows=hidden_rows), aside)
    assert share == pytest.approx(1 - hidden_rows / 40)


@pytest.mark.parametrize(("hidden_rows", "share"), [(0, 1), (10, 0.75)])
def test_hands_beside_a_face_hide_a_head(hidden_rows, share):
    """The face lies below what is hidden: its hair."""
    pose = posed()
    top = int(pose.points[0, [HOLISTIC.index(joint) for joint in HEAD.joints], 1].min())
    cut = replace(cut_part(hidden_rows=hidden_rows), corner=(128 - 15, top - 12))
    face = share_of("head", replace(cut, hidden=0 * cut.hidden), pose)
    assert face > 0
    assert share_of("head", cut, pose) == pytest.approx(share * face)


def test_a_limb_shows_a_share_of_its_outline():
    """Its lower half is covered, by a sleeve three times as wide."""
    forearm = posed(left_elbow=(28, -31), left_wrist=(28, 0))
    cut = replace(cut_part(hidden_rows=20), corner=(128 + 13, 128 - 36))
    assert share_of("left_forearm", cut, forearm) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("name", "hidden_rows", "share"),
    [("left_forearm", 0, 1), ("left_forearm", 4, 0.5), ("left_forearm", 8, 0), ("torso", 8, 1)],
)
def test_a_gap_at_an_end_of_a_limb_is_a_share_of_the_quarter_there(name, hidden_rows, share):
    """The bone is the rows 0 to 31 of the cut part."""
    pose = posed(left_elbow=(28, -31), left_wrist=(28, 0))
    cut = replace(cut_part(hidden_rows=hidden_rows), corner=(128 + 20, 128 - 31))
    assert share_of(name, cut, pose, measure=joined_share) == share


def test_a_color_is_usual_that_a_quarter_of_the_references_show_or_nearly_the_same():
    shade = tuple(level - 12 for level in SKIN)
    skin, shaded, white = (cut_part(colors=colors) for colors in (SKIN, shade, WHITE))
    cuts = [skin] * 3 + [shaded] * 3 + [white]
    half = cut_part()
    half.colors[20:] = WHITE  # of which the row at its edge is neither; a fifth is let pass
    whole = share_of("left_hand", skin, posed())
    for cut, expected in ((skin, 1), (shaded, 1), (white, 0), (half, 0.5 / 0.8)):
        found = share_of("left_hand", cut, posed(), usual=usual_colors(cuts))
        assert found == pytest.approx(whole * expected, rel=0.06)
    found = share_of("left_hand", white, posed(), usual=usual_colors([*cuts, white]))
    assert found == pytest.approx(whole)


@pytest.mark.parametrize(("num_white", "hidden"), [(1, 1), (2, 0)])
def test_a_hand_before_a_ball_is_hidden(num_white, hidden):
    """What two of six show is a glove."""
    keypoints, hand = posed(), NUMBER_OF["left_hand"]
    frame, masks = painted(keypoints)
    white = np.where(masks["left_hand"][..., None], np.uint8(250), frame)
    frames = [white] * num_white + [frame] * (6 - num_white)
    references = Puppet(appearance_of(*[keypoints] * 6, frames=frames)).references
    assert references._hidden()[0, hand] == pytest.approx(hidden, abs=0.15)
    assert not references._hidden()[num_white:, hand].any()

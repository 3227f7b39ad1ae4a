from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from motiontransfer.pose.skeleton import HOLISTIC
from motiontransfer.puppet.fit.cutting import encode_patch
from motiontransfer.puppet.plot import _CELL_PX, _cell, best_views, plot_appearance
from tests.people import COLORS, NUMBER_OF, PERSON_SIZE, appearance_of, lost, posed, room


def facing(width, nose, *, joints=("eye", "shoulder")):
    """Someone whose eyes and shoulders are so wide apart; the nose is that much to the right."""
    keypoints = posed()
    for side, sign in (("left", 1), ("right", -1)):
        for joint in joints:
            where = HOLISTIC.index(f"{side}_{joint}")
            full = {"eye": 4, "shoulder": 20}[joint]
            keypoints.points[0, where, 0] = 128 + sign * width * full
    keypoints.points[0, HOLISTIC.index("nose"), 0] += nose
    return keypoints


def columns(appearance, part):
    return [column for column, view in enumerate(best_views(appearance)[part]) if view is not None]


def alone(appearance, reference):
    """The same, of which one reference is to be seen."""
    patches = [[None] * len(NUMBER_OF) for _ in appearance.patches]
    patches[reference] = appearance.patches[reference]
    return replace(appearance, patches=patches)


def test_a_limb_is_in_the_column_of_its_direction():
    """The first points up to the left, the next ones 45 degrees on each, anticlockwise."""
    left, right = ((11, -42), (3, -25), (11, -8)), ((45, -8), (53, -25), (45, -42))
    places = (*left, (28, 0), *right, (28, -50))
    appearance = appearance_of(*(posed(left_wrist=place) for place in places))
    for column in range(8):
        assert columns(alone(appearance, column), "left_forearm") == [column]


def test_head_and_torso_are_in_the_column_in_which_they_face():
    turns = {3: (1, 0), 4: (0.7, 5), 2: (0.7, -5), 5: (0, 5), 1: (0, -5), 6: (-0.7, 5), 7: (-1, -5)}
    appearance = appearance_of(*(facing(width, nose) for width, nose in turns.values()))
    for reference, column in enumerate(turns):
        seen = alone(appearance, reference)
        assert columns(seen, "head") == columns(seen, "torso") == [column]


def test_the_patch_that_shows_most_is_shown():
    """Of two shins, one half transparent, which shows half as much."""
    appearance = appearance_of(posed(), posed())
    part = NUMBER_OF["left_shin"]
    patches = [list(of_reference) for of_reference in appearance.patches]
    small = patches[0][part]
    faint = np.dstack([small.pixels[..., :3], small.pixels[..., 3] // 2])
    faint = replace(encode_patch(small.corner, faint), shown=small.shown / 2)
    for order in (1, -1):
        pair = [faint, small][::order]
        for of_reference, patch in zip(patches, pair, strict=True):
            of_reference[part] = patch
        view = best_views(replace(appearance, patches=patches))["left_shin"][3]
        assert np.array_equal(view, small.pixels)


def test_a_hand_points_to_the_last_joint_that_was_found_and_a_part_without_joints_nowhere():
    assert columns(appearance_of(lost(posed(), "left_hand", [0])), "left_hand") == [3]
    views = best_views(appearance_of(lost(posed(), "nose", [0])))
    assert views["head"] == views["torso"] == [None] * 8
    assert set(views) == set(NUMBER_OF)


def test_the_picture_has_a_row_for_each_part(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, path, **_: figures.append(figure) or path.touch()
    )
    is_filled = np.zeros(PERSON_SIZE, bool)
    is_filled[:8, 5:9] = True
    plot_appearance(tmp_path / "ada.png", appearance_of(posed()), is_filled, title="ada")
    background, facings, directions = figures[0].axes
    shown = background.images[0].get_array()
    assert (shown[~is_filled] == room()[~is_filled]).all()
    assert (shown[is_filled] == (room()[is_filled] + np.array([230, 30, 120])) // 2).all()
    share = f"{32 / (PERSON_SIZE[0] * PERSON_SIZE[1]):.1%}"
    assert background.get_title() == f"ada: background ({share} never seen), parts in 1 frames"
    labels = [
        [label.get_text() for label in axes.get_yticklabels()] for axes in (facings, directions)
    ]
    assert labels[0] == ["head", "torso"]
    assert sorted([*labels[0], *labels[1]]) == sorted(name.replace("_", " ") for name in NUMBER_OF)
    assert [label.get_text() for label in directions.get_xticklabels()][3:6] == ["↓", "↘", "→"]
    assert [label.get_text() for label in facings.get_xticklabels()][3:6] == [
        *("front", "half →", "profile →")
    ]
    sheet = np.asarray(facings.images[0].get_array())
    middles = sheet[
        sheet.shape[0] // 4 :: sheet.shape[0] // 2, sheet.shape[1] // 16 :: sheet.shape[1] // 8
    ]
    assert [column for column in range(8) if middles[0, column].tolist() != [40, 40, 40]] == [3]
    trunk = middles[1, 3].astype(int)
    assert np.abs(trunk - COLORS[NUMBER_OF["torso"]]).max() < 20


def test_a_cell_shows_the_patch_in_its_middle_over_the_ground():
    red = np.full((94, 48, 4), (200, 0, 0, 255), np.uint8)
    cell = _cell(red)
    rows, columns = np.nonzero((cell == (200, 0, 0)).all(axis=2))
    assert (rows.min(), rows.max() + 1) == (1, _CELL_PX - 1)
    assert columns.min() + columns.max() + 1 == _CELL_PX
    red[..., 3] = 51
    faint, ground = (_cell(view)[_CELL_PX // 2, _CELL_PX // 2] for view in (red, 0 * red))
    np.testing.assert_allclose(faint, 0.2 * np.array([200, 0, 0]) + 0.8 * ground, atol=1)

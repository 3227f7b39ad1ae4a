from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from motiontransfer.puppet.fit.cutting import encode_patch
from motiontransfer.puppet.plot import best_views, plot_appearance
from tests.people import (
    COLORS,
    NUMBER_OF,
    PERSON_SIZE,
    appearance_of,
    both_sides,
    lost,
    posed,
    room,
)


def facing(width, nose):
    """Someone whose eyes and shoulders are so wide apart; the nose is that much to the right."""
    middle = {"nose": (nose, -72)}
    return posed(**both_sides({"eye": (4 * width, -76), "shoulder": (20 * width, -50)}, middle))


def columns(appearance, part):
    return [column for column, view in enumerate(best_views(appearance)[part]) if view is not None]


def is_shown(appearance, part, columns):
    """Whether the patch of each reference is in its column."""
    views, pairs = best_views(appearance)[part], zip(columns, appearance.patches, strict=True)
    return all(np.array_equal(views[at], of[NUMBER_OF[part]].pixels) for at, of in pairs)


def test_a_limb_is_in_the_column_of_its_direction():
    """The first points up to the left, the next ones 45 degrees on each, anticlockwise."""
    left, right = ((11, -42), (3, -25), (11, -8)), ((45, -8), (53, -25), (45, -42))
    places = (*left, (28, 0), *right, (28, -50))
    appearance = appearance_of(*(posed(left_wrist=place) for place in places))
    assert is_shown(appearance, "left_forearm", range(8))


def test_head_and_torso_are_in_the_column_in_which_they_face():
    turns = {3: (1, 0), 4: (0.7, 5), 2: (0.7, -5), 5: (0, 5), 1: (0, -5), 6: (-0.7, 5), 7: (-1, -5)}
    appearance = appearance_of(*(facing(width, nose) for width, nose in turns.values()))
    assert is_shown(appearance, "head", turns)
    assert is_shown(appearance, "torso", turns)


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
    assert background.get_title().startswith(f"ada: background ({32 / is_filled.size:.1%} never")
    labels = [
        label.get_text() for axes in (facings, directions) for label in axes.get_yticklabels()
    ]
    assert labels[:2] == ["head", "torso"]
    assert sorted(labels) == sorted(name.replace("_", " ") for name in NUMBER_OF)
    sheet = np.asarray(facings.images[0].get_array()).astype(int)
    cells = sheet.reshape(2, len(sheet) // 2, 8, -1, 3).swapaxes(1, 2)
    middles = cells[:, :, cells.shape[2] // 2, cells.shape[3] // 2]
    assert [column for column in range(8) if (middles[0, column] != 40).any()] == [3]
    assert np.abs(middles[1, 3] - COLORS[NUMBER_OF["torso"]]).max() < 20
    assert cells[:, 3, 1:-1, 1:-1, 0].min() > 150  # parts are red, and the ground beside is light

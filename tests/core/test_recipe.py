import copy
import json

import pytest

from motiontransfer.core.params import SHIPPED_FILE, flattened, read_sections
from motiontransfer.core.recipe import read_recipe, recipe_text


def changed(**changes):
    params = copy.deepcopy(read_sections(SHIPPED_FILE))
    for key, value in changes.items():
        section, _, name = key.partition("__")
        params[section][name] = value
    return params


def test_a_recipe_has_what_differs_and_names_no_file_and_no_machine():
    """A background that is no file is kept."""
    green = read_recipe(recipe_text(changed(render__background="green")))
    assert green.own == {"render.background": "green"}
    params = changed(
        render__crf=20,
        decode__size=[64, 48],
        render__background="my_garden.jpg",
        render__provenance="none",
        train_gan__perceptual_file="/home/ada/vgg.pth",
        train_gan__devices=4,
        detect_keypoints__detector="keypointrcnn",
        compute__num_workers=3,
    )
    own, text = {"decode.size": [64, 48], "render.crf": 20}, recipe_text(params)
    assert json.loads(text)["params"] == own
    assert (read_recipe(text).own, read_recipe(text).left_out) == (own, ())


def test_all_other_params_of_a_recipe_are_as_they_are_shipped():
    params = read_recipe(recipe_text(changed(render__crf=20))).params
    shipped = flattened(read_sections(SHIPPED_FILE))
    assert [key for key, value in params.items() if value != shipped[key]] == ["render.crf"]
    assert "train_gan.steps" in params
    assert not {"render.provenance", "compute.num_workers"} & params.keys()


def test_what_it_says_of_itself_has_no_control_characters():
    given = {"render.crf": 20, "render.background": [1], "a\x07": 1}
    told = str(read_recipe(json.dumps({"motiontransfer": "1\x1b[2J", "params": given})))
    assert told.startswith("made by version 1")
    assert "; params of its own: 1; left out: render.background, a" in told
    assert told.isprintable()


HOSTILE = {
    **{"train_gan.perceptual_file": "/etc/passwd", "train_gan.devices": 99},
    **{"detect_keypoints.detector": "openpose_json", "compute.num_workers": 10**6},
    **{"evaluate.lpips_weights": "https://elsewhere.example/w.pth"},
    **{"render.background": "../../secret.png", "render.provenance": "none"},
    **{"render.visible_label": "none", "render.crf": {"a": [1]}},
    **{"videos.demo_dance.path": "/etc/passwd", "__class__": "x"},
    **{"decode.size": [64] * 10_000, "normalization.mode": "m" * 10_000},
}


def test_of_a_hostile_recipe_nothing_is_kept():
    recipe = read_recipe(json.dumps({"motiontransfer": "9.9", "params": HOSTILE}))
    assert (recipe.own, recipe.left_out) == ({}, (*HOSTILE,))


OTHER_TEXTS = (
    *("", "Dear Ada\x1b[2J", "[]", "1e999", '{"params": {}}', "[" * 100_000, " " * 100_000),
    *('{"motiontransfer": 1, "params": {}}', '{"motiontransfer": "1", "params": []}'),
    '{"motiontransfer": "1", "params": ' + "[" * 30_000,
)


@pytest.mark.parametrize("text", OTHER_TEXTS)
def test_other_text_is_no_recipe(text):
    assert read_recipe(text) is None

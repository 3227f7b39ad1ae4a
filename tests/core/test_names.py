import re
import unicodedata

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from ruamel.yaml import YAML

from motiontransfer.core.names import free_name, is_plain, valid_name
from motiontransfer.core.params import Name
from motiontransfer.project.params_editing import with_films

LIKE_OTHER_TYPES = st.from_regex(
    r"[-+]?[0-9][0-9_xob.:eE+-]{0,12}|yes|No|ON|off|Null|~|y", fullmatch=True
)
TEXTS = st.text(max_size=250) | LIKE_OTHER_TYPES


@given(TEXTS)
@example("WhatsApp Video 2024-05-01 at 12.34.56")
@example("\N{DANCER}\N{ZERO WIDTH JOINER}\N{FEMALE SIGN}\N{VARIATION SELECTOR-16}")
@example("00008")
@example("नृत्य 2")
@example("CON")
@example("\N{CJK UNIFIED IDEOGRAPH-20000}" * 250)
def test_any_text_becomes_a_name_that_both_versions_of_yaml_read_as_text(text):
    name = valid_name(text)
    assert TypeAdapter(Name).validate_python(name) == name
    assert yaml.safe_load(name) == YAML(typ="safe").load(name) == name
    assert valid_name(name) == name
    assert len(name.encode()) <= 48
    pair = f"{name}_11_as_{name}_22"  # of two of the longest names, too
    assert TypeAdapter(Name).validate_python(pair) == pair


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("WhatsApp Video 2024-05-01 at 12.34.56", "WhatsApp_Video_2024-05-01_at_12_34_56"),
        ("VID_20240501_123456", "VID_20240501_123456"),
        ("20240501_123456", "film_20240501_123456"),
        ("on", "film_on"),
        ("мой танец (1)", "мой_танец_1"),
        ("नृत्य", "नृत्य"),
        (unicodedata.normalize("NFD", "Größe"), "Größe"),
        ("❤️ me ②", "me_2"),
        ("💃💃", "film"),
        ("-rf", "rf"),
        ("Aux", "film_Aux"),
    ],
)
def test_a_name_is_like_its_text(text, name):
    assert valid_name(text) == name


def test_a_taken_name_is_numbered_in_whatever_case_and_form():
    assert free_name("Tanz_ä", []) == "Tanz_ä"
    taken = [unicodedata.normalize("NFD", "TANZ_Ä"), "tanz_ä_1"]
    assert free_name("Tanz_ä", taken) == "Tanz_ä_2"


@given(st.text(min_size=1, max_size=60), LIKE_OTHER_TYPES.filter(re.compile(r"\w[\w-]*$").match))
@example("zb\x85.mp4", "00008")
@example("a\u2028b\ufeff", "0829_1530")
def test_paths_and_names_that_a_user_wrote_are_entered_as_they_are_and_as_text(path, name):
    """What only one version of YAML reads as a number, for one."""
    entry = {"path": f"data/videos/{path}", "subject": name}
    text = with_films("films:\n  videos: {}\n", {"videos": {name: entry}})
    for load in (yaml.safe_load, YAML(typ="safe").load):
        assert load(text)["films"] == {"videos": {name: entry}}


def test_every_name_that_is_text_for_yaml_stays_plain():
    assert all(map(is_plain, ["ada", "e5", "IMG_42", "no_face", "off-beat", "2024_dance"]))

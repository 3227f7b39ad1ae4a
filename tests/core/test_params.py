import re
from dataclasses import dataclass
from typing import Literal

import pytest
from pydantic import Field

from motiontransfer.core.errors import FILMS_FILE, MissingFileError, ParamsError
from motiontransfer.core.params import PARAMS_FILE, Section, load_params, load_section

_YAML = """\
train:
  steps: 100
  learning_rate: 4.0e-4
  mode: fast
names: [ada, ben]
"""
_FILMS = "films: {videos: {dance: {path: a.mp4, subject: ben}}}\n"


class Train(Section):
    steps: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    mode: Literal["fast", "slow"]


class Video(Section):
    path: str
    subject: str


@pytest.fixture
def params(tmp_path, monkeypatch):
    """Write params.yaml and films.yaml, with an edit, where they are looked for."""
    monkeypatch.chdir(tmp_path)

    def write(old="", new=""):
        assert old in _YAML + _FILMS
        PARAMS_FILE.write_text(_YAML.replace(old, new, 1))
        FILMS_FILE.write_text(_FILMS.replace(old, new, 1))

    write()
    return write


def test_any_type_under_any_key_is_read(params):
    section = load_section(Train, "train")
    assert section == Train(steps=100, learning_rate=4e-4, mode="fast")
    assert load_section(dict[str, Video], "videos")["dance"].subject == "ben"
    other = PARAMS_FILE.with_name("other.yaml")
    other.write_text("train: {steps: 7}")
    assert load_section(int, "train.steps", path=other) == 7


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ("steps:", "stpes:", ["steps: field required", "stpes: unknown key; .*'steps'"]),
        ("mode:", "zzz: 1\n  mode:", ["zzz: unknown key; known keys: learning_rate, mode, steps"]),
        ("100\n  learning_rate: ", "0\n  learning_rate: -", ["steps: .*got 0", "learning_rate: "]),
        ("subject: ben", "subjct: ben", ["subject: field required", "subjct: unknown key"]),
    ],
)
def test_each_wrong_value_is_a_line_with_its_key(params, old, new, lines):
    params(old, new)
    film = "ben" in old
    with pytest.raises(ParamsError) as info:
        load_section(*((dict[str, Video], "videos") if film else (Train, "train")))
    where = "films.yaml: videos.dance." if film else "params.yaml: train."
    for line, expected in zip(str(info.value).splitlines(), lines, strict=True):
        assert re.match(re.escape(where) + expected, line)


@pytest.mark.parametrize("key", ["render", "videos.walk", "train.steps.more", "names.0"])
def test_a_missing_key_is_named(params, key):
    with pytest.raises(ParamsError, match=rf"^\w+\.yaml: {key}: missing; expected this key$"):
        load_section(Train, key)


LAUGHS = [b"a%d: &a%d [%s]\n" % (i, i, b",".join([b"*a%d" % (i - 1)] * 9)) for i in range(1, 10)]
OTHER_CONTENT = {
    b"train: {steps: 1": "not valid YAML: .*line 1",
    b"train: !!python/object/apply:os.getcwd []": "not valid YAML",  # runs no code
    b"[" * 10**4: "more than 100 levels",
    b"a: &a [*a]": "",
    b"a0: &a0 [x]\n" + b"".join(LAUGHS): "",  # a billion
    "train: {steps: 1}".encode("utf-16"): "expected text in UTF-8",
    "train: {a: ß}".encode("latin1"): "expected text in UTF-8",
    b"- a\n- b\n": "expected sections .* at the top, got list",
    b"": "expected sections .* at the top, got NoneType",
    b"train": "expected sections .* at the top, got str",
}


def test_a_missing_file_or_other_content_is_an_error_in_one_line(params):
    for content, told in OTHER_CONTENT.items():
        PARAMS_FILE.write_bytes(content)
        with pytest.raises(ParamsError, match=rf"^params\.yaml: [^\n]*{told}[^\n]*$"):
            load_section(Train, "train")
    PARAMS_FILE.unlink()
    with pytest.raises(MissingFileError, match=r"^params\.yaml: no such file; run from the proj"):
        load_params()
    PARAMS_FILE.mkdir()
    with pytest.raises(MissingFileError, match=r"^params\.yaml: [^\n]*$"):
        load_params()


OF_EARLIER_VERSIONS = {
    "train_gan: {part_dropout: 1}\nevaluate: {inception_weights: none}": [
        "params.yaml: train_gan.part_dropout: it went; remove it",
        "params.yaml: evaluate.inception_weights: it went; remove it",
    ],
    f"{_YAML}videos: {{}}\ntargets: []\n": [
        "params.yaml: videos, targets: move them to films.yaml, below films"
    ],
}


@pytest.mark.parametrize("text", OF_EARLIER_VERSIONS)
def test_all_keys_of_an_earlier_version_are_one_error_that_says_what_to_do(params, text):
    PARAMS_FILE.write_text(text)
    with pytest.raises(ParamsError) as info:
        load_section(dict, text.partition(":")[0])
    assert str(info.value).splitlines() == OF_EARLIER_VERSIONS[text]


@pytest.mark.parametrize("text", ["films: [a]", "videos: {}"])
def test_films_are_below_one_key(params, text):
    FILMS_FILE.write_text(text)
    with pytest.raises(ParamsError, match=r"^films\.yaml: films: expected sections below it, got "):
        load_section(dict, "videos")


@dataclass(frozen=True, kw_only=True)
class Settings:
    steps: int
    mode: str
    device: str


def test_a_section_fills_settings_of_the_same_names(params):
    section = load_section(Train, "train")
    settings = Settings(steps=100, mode="fast", device="cpu")
    assert section.to_config(Settings, device="cpu") == settings
    assert section.to_config(Settings, device="cpu", mode="other").mode == "other"

"""A fault in params.yaml is one line that names the YAML key."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
import yaml
from pydantic import Field, ValidationError

from motiontransfer.errors import MissingFileError, ParamsError
from motiontransfer.params import (
    FORMER_KEYS,
    PARAMS_FILE,
    Section,
    load_params,
    load_section,
)

_YAML = """\
train:
  steps: 100
  learning_rate: 4.0e-4
  mode: fast
videos:
  dance: {path: a.mp4, subject: ben}
names: [ada, ben]
"""


class Train(Section):
    steps: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    mode: Literal["fast", "slow"]


class Video(Section):
    path: Path
    subject: str


@pytest.fixture
def params(tmp_path, monkeypatch):
    """Write params.yaml, with an edit, where it is looked for."""
    monkeypatch.chdir(tmp_path)

    def write(old="", new=""):
        assert old in _YAML
        PARAMS_FILE.write_text(_YAML.replace(old, new, 1))

    write()
    return write


def test_a_section_is_read(params):
    section = load_section(Train, "train")
    assert section == Train(steps=100, learning_rate=4e-4, mode="fast")
    with pytest.raises(ValidationError, match="frozen"):
        section.steps = 3


def test_any_type_under_any_key_is_read(params):
    assert load_section(list[str], "names") == ["ada", "ben"]
    assert load_section(Video, "videos.dance") == Video(path=Path("a.mp4"), subject="ben")
    assert load_section(dict[str, Video], "videos")["dance"].subject == "ben"
    assert load_section(int, "train.steps") == 100
    other = PARAMS_FILE.with_name("other.yaml")
    other.write_text("train: {steps: 7}")
    assert load_section(int, "train.steps", path=other) == 7


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            "steps:",
            "stpes:",
            "params.yaml: train.steps: field required\n"
            "params.yaml: train.stpes: unknown key; did you mean 'steps'?",
        ),
        (
            "mode: fast",
            "mode: fast\n  zzz: 1",
            "params.yaml: train.zzz: unknown key; known keys: learning_rate, mode, steps",
        ),
        (
            "steps: 100",
            "steps: many",
            "params.yaml: train.steps: input should be a valid integer, unable to parse string as "
            "an integer, got 'many'",
        ),
        ("  mode: fast\n", "", "params.yaml: train.mode: field required"),
        (
            "steps: 100\n  learning_rate: 4.0e-4",
            "steps: 0\n  learning_rate: -1",
            "params.yaml: train.steps: input should be greater than or equal to 1, got 0\n"
            "params.yaml: train.learning_rate: input should be greater than 0, got -1",
        ),
        (
            "  mode: fast\n",
            "  mode: fast\n" + "".join(f"  {key}: 1\n" for key in FORMER_KEYS),
            "\n".join(f"params.yaml: train.{key}: {text}" for key, text in FORMER_KEYS.items()),
        ),
    ],
)
def test_a_wrong_value_is_named_by_its_key(params, old, new, text):
    params(old, new)
    with pytest.raises(ParamsError) as info:
        load_section(Train, "train")
    assert str(info.value) == text


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            "subject: ben",
            "subjct: ben",
            r"params\.yaml: videos\.dance\.subject: field required\n"
            r"params\.yaml: videos\.dance\.subjct: unknown key$",
        ),
        (
            "{path: a.mp4, subject: ben}",
            "a.mp4",
            r"params\.yaml: videos\.dance: input should be a valid dictionary.*, got 'a\.mp4'$",
        ),
    ],
)
def test_a_key_below_a_key_is_named_in_full(params, old, new, text):
    params(old, new)
    with pytest.raises(ParamsError, match=text):
        load_section(dict[str, Video], "videos")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("render", "params.yaml: render: missing; expected this key"),
        ("videos.walk", "params.yaml: videos.walk: missing; expected this key"),
        ("train.steps.more", "params.yaml: train.steps.more: missing; expected this key"),
        ("names.0.first", "params.yaml: names.0: missing; expected this key"),
    ],
)
def test_a_missing_key_is_named(params, key, text):
    with pytest.raises(ParamsError) as info:
        load_section(Train, key)
    assert str(info.value) == text


def test_a_missing_file_or_other_content_is_an_error(params):
    PARAMS_FILE.write_text("train: {steps: 1")
    with pytest.raises(ParamsError, match=r"^params\.yaml: not valid YAML: .*line 1") as info:
        load_params()
    assert "\n" not in str(info.value)
    PARAMS_FILE.write_text("train: !!python/object/apply:os.getcwd []")  # runs no code
    with pytest.raises(ParamsError, match="not valid YAML"):
        load_params()
    for text, got in (("- a\n- b\n", "list"), ("", "NoneType"), ("train", "str")):
        PARAMS_FILE.write_text(text)
        with pytest.raises(ParamsError, match=rf"expected sections .* at the top, got {got}"):
            load_params()
    PARAMS_FILE.unlink()
    with pytest.raises(MissingFileError, match=r"^params\.yaml: no such file; run from the proj"):
        load_params()


@dataclass(frozen=True, kw_only=True)
class Settings:
    steps: int
    mode: str
    device: str


def test_a_section_fills_settings_of_the_same_names(params):
    section = load_section(Train, "train")
    assert section.fill(Settings, device="cpu") == Settings(steps=100, mode="fast", device="cpu")
    assert section.fill(Settings, device="cpu", mode="other").mode == "other"
    with pytest.raises(AttributeError, match="device"):
        section.fill(Settings)


def test_a_section_fills_a_model_that_it_subclasses():
    class Steps(Section):
        steps: int

    class Training(Steps):
        mode: str

    assert Training(steps=3, mode="fast").fill(Steps) == Steps(steps=3)


def test_the_shipped_params_have_no_former_key():
    shipped = yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text())
    sections = [content for content in shipped.values() if isinstance(content, dict)]
    assert not {key for section in sections for key in section} & set(FORMER_KEYS)


def test_names_of_entries_may_be_former_keys(params):
    params("dance:", "augmentation:")
    assert load_section(dict[str, Video], "videos").keys() == {"augmentation"}

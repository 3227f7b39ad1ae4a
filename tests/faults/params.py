"""params.yaml and films.yaml with every field fuzzed from its schema, and names of every kind."""

import math
from collections.abc import Iterator, Mapping
from functools import partial, reduce
from pathlib import Path

import yaml
from pydantic import BaseModel, ValidationError

from motiontransfer.core.params import FILM_SECTIONS, Transfer, load_section
from motiontransfer.pose.detectors import HolisticConfig
from stages.check_params import SECTIONS, VideoParams
from tests.clone import SHIPPED
from tests.faults.outcomes import Case
from tests.project_files import films_text, read_sections

PARAMS = read_sections(SHIPPED) | {
    "videos": {
        "walk": {"path": "walk.mp4", "subject": "ada"},
        "dance": {"path": "dance.mp4", "subject": "ben"},
    },
    "transfers": {
        "t": {"source": "dance", "source_subject": "ben", "target": "ada", "truth": "none"}
    },
    "guides": {},
}
ANYTHING = (
    *(None, True, "", "nan", "../../etc/passwd", "${HOME}", "a\nb\x1b[31m"),
    *(-1, 0, 10**18, 0.5, 1e308, math.inf, math.nan),
    *([], [1], {"a": 1}),
)
NAMES = (
    *("a b", "-rf", "..", "../x", "a/b", "a\\b", "/etc", "", ".", ".git", "a\nb", "a;b", "$(x)"),
    *("`x`", "'x'", '"x"', "a&b", "<b>", "%s", "${x}", "{{x}}", "a@b", "a:b", "a*", "~", "a\0b"),
    *("\u202eabc", "a\u0301\u200b", "x" * 5000, True, None, 1, 1.5, "con"),
)
GUIDE = {"source": "dance", "source_subject": "ben", "target": "ben"}
GOOD_NAMES = ("a", "a-b", "a_b", "Ä", "日本", "1a", "no_")


def fuzzed() -> Iterator[Case]:
    """Each field of each section set to other types and to extreme numbers.

    Fields that their section's model refuses are set together, and each must be named; but for the
    detector, which chooses the model.
    """
    models: dict[str, type[BaseModel]] = {**SECTIONS, "detect_keypoints": HolisticConfig}
    places = {name: (name,) for name in models}
    models |= {"videos": VideoParams, "transfers": Transfer}
    places |= {"videos": ("videos", "dance"), "transfers": ("transfers", "t")}
    for section, model in models.items():
        for value in ANYTHING:
            refused = _refused(model, reduce(dict.__getitem__, places[section], PARAMS), value)
            for field in model.model_fields.keys() - refused:
                yield _case(places[section], [field], value)
            if refused:
                yield _case(places[section], sorted(refused), value, "refused")
        yield _case(places[section], ["unknown"], 1, "refused")


def _refused(model: type[BaseModel], section: Mapping[str, object], value: object) -> set[str]:
    """Fields that are named where each of them alone has this value."""

    def is_named(field: str) -> bool:
        try:
            model.model_validate({**section, field: value})
        except ValidationError as error:
            return any(one["loc"][:1] == (field,) for one in error.errors())
        return False

    return {field for field in model.model_fields if field != "detector" and is_named(field)}


def _case(place: tuple[str, ...], fields: list[str], value: object, expected="either") -> Case:
    keys = [".".join((*place, field)) for field in fields]
    return Case(
        name=f"{', '.join(keys)}: {str(value)[:40]!r}",
        prepare=partial(_write, [((*place, field), value) for field in fields]),
        check=partial(_check_finite, (*place, fields[0])),
        expected=expected,
        named=tuple(keys) if expected == "refused" else (),
    )


def _text(**sections: object) -> str:
    return yaml.dump(sections, Dumper=yaml.CSafeDumper, allow_unicode=True)


_TEXTS = {name: _text(**{name: section}) for name, section in PARAMS.items()}


def _write(changes) -> None:
    params = PARAMS.copy()
    for (*keys, last), value in changes:
        section = params
        for key in keys:
            section[key] = section[key].copy()
            section = section[key]
        section[last] = value
    for name in ("walk.mp4", "dance.mp4"):
        Path(name).touch()
    texts = _TEXTS | {keys[0]: _text(**{keys[0]: params[keys[0]]}) for keys, _ in changes}
    films = "".join(text for name, text in texts.items() if name in FILM_SECTIONS)
    Path("films.yaml").write_text(films_text(films))
    others = (text for name, text in texts.items() if name not in FILM_SECTIONS)
    Path("params.yaml").write_text("".join(others))


def _check_finite(keys) -> None:
    """An accepted value is a finite number, or no number."""
    value = load_section(dict, keys[0])
    for key in keys[1:]:
        value = value[key]
    assert not isinstance(value, float) or math.isfinite(value)


def names() -> Iterator[Case]:
    """Names of videos, subjects, targets, transfers, guides and detectors."""
    video, transfer = PARAMS["videos"]["dance"], PARAMS["transfers"]["t"]
    for expected, some in (("refused", NAMES), ("handled", GOOD_NAMES)):
        for name in some:
            placed = {
                "video": {
                    ("videos",): {"walk": PARAMS["videos"]["walk"], name: video},
                    ("transfers",): {"t": {**transfer, "source": name}},
                },
                "subject": {
                    **{("videos", "walk", "subject"): name, ("subjects",): [name, "ben"]},
                    **{("targets",): [name], ("trained",): [name]},
                    ("transfers", "t", "target"): name,
                },
                "transfer": {("transfers",): {name: transfer}},
                "guide": {("guides",): {name: GUIDE}},
                "detector": {("detectors",): [name]},
            }
            for kind, changes in placed.items():
                called = f"{kind} called {str(name)[:40]!r}"
                yield Case(
                    name=called, prepare=partial(_write, [*changes.items()]), expected=expected
                )

"""Artifacts that are damaged or another's, in the stage that reads them.

What is forged with checksums that fit, the tests of the readers have.
"""

import os
import pickle
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from motiontransfer.provenance.verification import read_provenance
from tests.faults.outcomes import Case
from tests.tiny_project import outs_of

_A = "artifacts"
READ_BY: dict[str, tuple[str, str]] = {
    f"{_A}/frames/ben/demo_dance/frames.mkv": ("detect_keypoints", "demo_dance"),
    f"{_A}/frames/ben/demo_dance/clip.json": ("clean_keypoints", "demo_dance"),
    f"{_A}/frames/ben/demo_dance/sound.mka": ("encode", "ada_as_ben"),
    f"{_A}/detections/ben/demo_dance.parquet": ("clean_keypoints", "demo_dance"),
    f"{_A}/keypoints/ben/demo_dance.parquet": ("fit_normalization", "ben"),
    f"{_A}/statistics/ben.json": ("normalize", "ada_as_ben"),
    f"{_A}/appearance/ada.safetensors": ("train_gan", "ada"),
    f"{_A}/models/ada/generator.safetensors": ("render", "ada_as_ben"),
    f"{_A}/models/ada/face_generator.safetensors": ("render", "ada_as_ben"),
    f"{_A}/rendered/ada_as_ben/frames.mkv": ("encode", "ada_as_ben"),
    f"{_A}/rendered/ada_as_ben/rendered.json": ("encode", "ada_as_ben"),
    f"{_A}/poses/ada_as_ben.parquet": ("evaluate_transfer", "ada_as_ben"),
    "results/ada_as_ben/transfer.mp4": ("evaluate_transfer", "ada_as_ben"),
    f"{_A}/measurements/evaluate_transfer/ada_as_ben.parquet": ("report", "ada_as_ben"),
    f"{_A}/metrics/train_gan/ada.json": ("report", "ada_as_ben"),
    f"{_A}/params_of_results.json": ("report", "ada_as_ben"),
}
"""Artifact -> a stage that reads it."""


class Payload:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("PWNED"),)


Change = Callable[[Path], object]


def _flip(place: float) -> Change:
    def change(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[int(place * len(content))] ^= 4
        _replace(path, bytes(content))

    return change


def _replace(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def _cut(share: float) -> Change:
    return lambda path: _replace(path, path.read_bytes()[: int(share * path.stat().st_size)])


def _written(content: bytes) -> Change:
    return lambda path: _replace(path, content)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _huge(path: Path) -> None:
    content = path.read_bytes()
    _replace(path, content)
    os.truncate(path, 2**40)


def _other_subject(path: Path) -> None:
    other = Path(str(path).replace("ben/demo_dance", "ada/demo_target").replace("ben.", "ada."))
    _replace(path, other.read_bytes())


DAMAGE: dict[str, Change] = {
    "missing": Path.unlink,
    "a folder": _folder,
    "empty": _cut(0),
    "half": _cut(0.5),
    "a byte short": lambda path: _replace(path, path.read_bytes()[:-1]),
    "random bytes": _written(np.random.default_rng(0).bytes(5000)),
    "a pickle": _written(pickle.dumps(Payload())),
    "a text": _written(b"hello\n" * 99),
    "flipped at 0.1": _flip(0.1),
    "flipped at 0.5": _flip(0.5),
    "flipped at 0.9": _flip(0.9),
}
OF_JSON: dict[str, Change] = {
    "{}": _written(b"{}"),
    "[]": _written(b"[]"),
    "null": _written(b"null"),
    "deep": _written(b"[" * 10**5),
    "not UTF-8": _written(b'{"a": "\xff"}'),
    "a long number": _written(b'{"a": ' + b"9" * 5000 + b"}"),
}


_UNCHECKED = (".json", ".tsv", ".mp4", ".mka")
"""Files that git, DVC or a signature watches over, and the stage itself only parses."""


def artifacts(project: Path) -> Iterator[Case]:
    """Each artifact, each way; and each stage with all of them as they were."""
    outs_by = {stage: outs_of(project, stage) for stage in READ_BY.values()}
    for name, stage in {stage: (name, stage) for name, stage in READ_BY.items()}.values():
        yield Case(
            name=f"{stage[0]}: nothing is wrong",
            prepare=partial(_prepare, project, Path(name), outs_by[stage], lambda _: None),
            stages=(stage,),
            expected="handled",
        )
    for name, stage in READ_BY.items():
        path = Path(name)
        changes = DAMAGE | (OF_JSON if path.suffix == ".json" else {})
        if "/ben" in name and path.suffix != ".mka":
            changes["of another subject"] = _other_subject
        if path.suffix in (".parquet", ".safetensors", ".mkv"):
            changes["a terabyte"] = _huge
        elif path.suffix == ".mp4":
            del changes["flipped at 0.1"]  # in the signature itself
            changes["flipped at 0.7"] = _flip(0.7)  # which is decoded to another picture
        for what, change in changes.items():
            is_forgiving = what == "of another subject" or path.suffix in _UNCHECKED
            is_flipped = what.startswith("flipped")
            is_forgiving |= (what, path.stem) == ("missing", "ada")  # an evaluation may be off
            check = partial(_check_outs, project if is_flipped else None, outs_by[stage])
            if is_flipped and path.suffix == ".mp4":
                check = partial(_check_altered, path)
            yield Case(
                name=f"{name}: {what}",
                prepare=partial(_prepare, project, path, outs_by[stage], change),
                stages=(stage,),
                check=check,
                expected="either" if is_forgiving or is_flipped else "refused",
            )


def _prepare(project: Path, path: Path, outs: Sequence[Path], change: Change) -> None:
    for name in ("artifacts", "results", "demo/clips", "data"):
        shutil.copytree(project / name, name, copy_function=os.link)
    shutil.copy(project / "params.yaml", "params.yaml")
    for out in outs:  # as DVC does before it runs
        if not path.is_relative_to(out):
            shutil.rmtree(out) if out.is_dir() else out.unlink()
    change(path)


def _check_outs(project: Path | None, outs: Sequence[Path]) -> None:
    """Nothing was unpickled; a flip that was accepted changed no table, picture or number."""
    assert not Path("PWNED").exists()
    if project is None:
        return
    for out in outs:
        for made in [out, *out.rglob("*")]:
            if made.suffix in (".parquet", ".json", ".png", ".csv"):
                assert made.read_bytes() == (project / made).read_bytes(), made


def _check_altered(video: Path) -> None:
    """H.264 has no checksums: of a flip that was decoded, the signature tells."""
    assert read_provenance(video).integrity == "altered"

"""A stage ends with 0, or with one line that says why not."""

import sys

import pytest

from motiontransfer.entry import run

_STAGE = """\
from motiontransfer.errors import ParamsError

def main(key):
    if key == "bad":
        raise ParamsError("params.yaml: a: wrong\\nparams.yaml: b: wrong")
    if key == "bug":
        raise ZeroDivisionError("our own fault")
    if key == "stop":
        raise KeyboardInterrupt
    if key == "late":
        raise ImportError("libEGL.so.1: cannot open shared object file")
    print("done", key)
"""
_MODULES = {
    "__init__": "",
    "cut": _STAGE,
    "plain": "def main(): print('done')",
    "telling": "def main(key): return f'3 frames in {key}.mp4'",
    "needs_gl": "raise ImportError('libGL.so.1: cannot open shared object file: No such file')",
    "needs_package": "import a_package_that_is_not_there",
    "broken": "raise ImportError('cannot import name x')",
}


@pytest.fixture
def stages(tmp_path, monkeypatch):
    """A package of stages."""
    folder = tmp_path / "drawn_stages"
    folder.mkdir()
    for name, text in _MODULES.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "drawn_stages"
    for name in [name for name in sys.modules if name.startswith("drawn_stages")]:
        del sys.modules[name]


def test_a_stage_that_ends_well(stages, capsys):
    assert run(stages, ["cut", "clip"]) == 0
    assert run(stages, ["plain"]) == 0
    assert capsys.readouterr().out.split("\n") == ["done clip", "done", ""]


def test_what_was_made_is_told_in_one_line(stages, caplog):
    with caplog.at_level("INFO"):
        assert run(stages, ["plain"]) == 0
        assert run(stages, ["telling", "waltz"]) == 0
    assert caplog.messages == ["telling waltz: 3 frames in waltz.mp4"]


def test_a_fault_of_the_user_is_one_line_each_without_a_traceback(stages, capsys):
    assert run(stages, ["cut", "bad"]) == 1
    assert capsys.readouterr().err == (
        "ERROR: cut bad: params.yaml: a: wrong\nERROR: cut bad: params.yaml: b: wrong\n"
    )


def test_a_fault_of_ours_keeps_its_traceback(stages):
    with pytest.raises(ZeroDivisionError):
        run(stages, ["cut", "bug"])


def test_an_interruption_is_told_to_the_shell(stages, capsys):
    assert run(stages, ["cut", "stop"]) == 130
    assert capsys.readouterr().err == "cut: interrupted\n"


@pytest.mark.parametrize(
    ("arguments", "usage"),
    [
        ([], "usage: python -m drawn_stages STAGE [NAME]\n"),
        (["cut"], "usage: python -m drawn_stages cut KEY\n"),
        (["cut", "a", "b"], "usage: python -m drawn_stages cut KEY\n"),
        (["plain", "a"], "usage: python -m drawn_stages plain\n"),
    ],
)
def test_wrong_arguments_are_answered_with_the_right_ones(stages, capsys, arguments, usage):
    assert run(stages, arguments) == 2
    assert capsys.readouterr().err == usage


def test_an_unknown_stage_is_answered_with_the_known_ones(stages, capsys):
    assert run(stages, ["ctu", "clip"]) == 1
    assert capsys.readouterr().err == (
        "ERROR: ctu clip: no such stage; there are broken, cut, needs_gl, needs_package, plain, "
        "telling\n"
    )


@pytest.mark.parametrize(
    ("arguments", "library", "package"),
    [(["needs_gl", "x"], "libGL.so.1", "libgl1"), (["cut", "late"], "libEGL.so.1", "libegl1")],
)
def test_a_missing_system_library_is_named_with_its_package(
    stages, capsys, arguments, library, package
):
    assert run(stages, arguments) == 1
    assert capsys.readouterr().err == (
        f"ERROR: {' '.join(arguments)}: {library} is missing on this machine; "
        f"install it, e.g. apt-get install {package}\n"
    )


@pytest.mark.parametrize("stage", ["needs_package", "broken"])
def test_other_failing_imports_keep_their_traceback(stages, stage):
    with pytest.raises(ImportError):
        run(stages, [stage])

"""What `import motiontransfer` promises: a few documented names that cost nothing until used."""

import inspect
import json
import subprocess
import sys

import pytest

import motiontransfer


def test_every_promised_name_can_be_had_and_says_what_it_is():
    for name in motiontransfer.__all__:
        promised = getattr(motiontransfer, name)
        assert promised.__name__ == name
        assert inspect.getdoc(promised), name


def test_no_name_is_kept_from_the_list_and_dir_shows_them():
    modules = motiontransfer._MODULES
    assert sorted(name for names in modules.values() for name in names) == motiontransfer.__all__
    assert set(motiontransfer.__all__) <= set(dir(motiontransfer))


def test_the_names_for_type_checkers_are_those_that_are_loaded():
    source = inspect.getsource(motiontransfer)
    for module, names in motiontransfer._MODULES.items():
        line = f"from motiontransfer.{module} import {', '.join(names)}"
        assert line in source.replace("(\n        ", "").replace(",\n    )", ""), module


def test_an_unknown_name_is_an_attribute_error_that_names_it():
    with pytest.raises(AttributeError, match="'motiontransfer' has no attribute 'nonsense'"):
        motiontransfer.nonsense  # noqa: B018 - it is the access that fails


def test_the_import_is_quick_and_loads_nothing_heavy():
    script = (
        "import sys, time; before = set(sys.modules); start = time.process_time()\n"
        "import motiontransfer\n"
        "spent = time.process_time() - start\n"
        "import json; print(json.dumps([spent, sorted(set(sys.modules) - before)]))"
    )
    seconds, loaded = json.loads(subprocess.check_output([sys.executable, "-c", script], text=True))
    assert seconds < 0.3
    assert not {"torch", "numpy", "pandas", "cv2"} & set(loaded)
    assert not [name for name in loaded if name.startswith("motiontransfer.")]


def test_keypoints_can_be_read_without_pytorch():
    script = (
        "import motiontransfer, sys; motiontransfer.read_keypoints; print('torch' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "False"

"""What `import motiontransfer` promises: a few documented names that cost nothing until used."""

import ast
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
    imports = (
        node
        for node in ast.walk(ast.parse(inspect.getsource(motiontransfer)))
        if isinstance(node, ast.ImportFrom) and node.module.startswith("motiontransfer.")
    )
    named = {node.module: [each.name for each in node.names] for node in imports}
    modules = motiontransfer._MODULES
    assert named == {f"motiontransfer.{name}": list(names) for name, names in modules.items()}


def test_an_unknown_name_is_an_attribute_error_that_names_it():
    with pytest.raises(AttributeError, match="'motiontransfer' has no attribute 'nonsense'"):
        motiontransfer.nonsense  # noqa: B018 - it is the access that fails


def test_the_import_is_quick_and_keypoints_are_read_without_pytorch():
    script = (
        "import sys, time; before = set(sys.modules); start = time.process_time()\n"
        "import motiontransfer\n"
        "spent = time.process_time() - start; loaded = sorted(set(sys.modules) - before)\n"
        "motiontransfer.read_keypoints\n"
        "import json; print(json.dumps([spent, loaded, 'torch' in sys.modules]))"
    )
    output = subprocess.check_output([sys.executable, "-c", script], text=True)
    seconds, loaded, reading_loads_torch = json.loads(output)
    assert seconds < 0.3
    assert not {"torch", "numpy", "pandas", "cv2"} & set(loaded)
    assert not [name for name in loaded if name.startswith("motiontransfer.")]
    assert not reading_loads_torch

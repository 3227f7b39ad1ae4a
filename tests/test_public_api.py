import inspect
import json
import subprocess
import sys

import motiontransfer


def test_every_public_name_is_documented_and_listed_by_dir():
    assert len(motiontransfer.__all__) > 10
    for name in motiontransfer.__all__:
        loaded = getattr(motiontransfer, name)
        assert loaded.__name__ == name
        assert inspect.getdoc(loaded), name
    assert set(motiontransfer.__all__) <= set(dir(motiontransfer))


def test_the_import_loads_no_library_and_keypoints_are_read_without_pytorch():
    script = (
        "import sys; before = set(sys.modules)\n"
        "import motiontransfer\n"
        "loaded = sorted(set(sys.modules) - before)\n"
        "motiontransfer.read_keypoints\n"
        "import json; print(json.dumps([loaded, 'torch' in sys.modules]))"
    )
    output = subprocess.check_output([sys.executable, "-c", script], text=True)
    loaded, reading_loads_torch = json.loads(output)
    assert not {"torch", "numpy", "pandas", "cv2"} & set(loaded)
    assert not [name for name in loaded if name.startswith("motiontransfer.")]
    assert not reading_loads_torch

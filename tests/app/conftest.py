"""A server of the page in a project whose stages take as long as a test wants."""

import signal
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from motiontransfer.video.writer import write_video
from tests.clone import ROOT
from tests.command import isolated_environment, started
from tests.films import film_person
from tests.project.small_project import DANCES, TRAIN, small_project
from tests.project_files import SHIPPED

WAITING_TRAINING = """\
folder=artifacts/training/$1/generator/images
mkdir -p $folder && cp sample.png $folder/step_000100.png
while [ ! -e go ]; do sleep 0.1; done
"""
MAKE_FILM = "made=$1; mkdir -p ${made%/*} && cp film.mp4 $made\n"


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """Trainings wait until there is a file `go`; previews and results are films."""
    files = {
        **DANCES,
        **{"train.sh": WAITING_TRAINING + TRAIN, "make.sh": MAKE_FILM},
        "demo/dvc.yaml": "stages: {}  # makes what films.yaml names: data/truth/demo.mp4, too\n",
        **SHIPPED,
        ".gitignore": "/data/videos/*.mkv\n",
    }
    root = small_project(tmp_path / "project", files, monkeypatch)
    frames = [np.full((64, 64, 3), 10 * index, np.uint8) for index in range(12)]
    write_video(root / "film.mp4", frames, frame_rate=Fraction(12))
    Image.open(ROOT / "docs/app.jpg").save(root / "sample.png")
    return root


@pytest.fixture(scope="session")
def uploads(tmp_path_factory) -> list[Path]:
    """Films of the dance and of whom to render, for servers that see somebody in each."""
    films, folder = {"the dance!": 50, "IMG 42": 60}, tmp_path_factory.mktemp("uploads")
    return [film_person(folder / f"{name}.mkv", [(x, 40)] * 25) for name, x in films.items()]


@pytest.fixture
def served(project):
    running = []

    def start(*options, port="0", sees=""):
        command = ("motiontransfer", "app", "--no-open", "--port", port, *options)
        environment = {**isolated_environment(project.parent), "TEST_SEES_SOMEBODY": sees}
        server = started("python", "-m", *command, cwd=project, env=environment)
        said = server.stdout.readline()
        if not said.startswith("http://127.0.0.1:"):
            pytest.fail(said + server.communicate()[0])
        running.append(server)
        return server, said.partition(";")[0]

    yield start
    (project / "go").touch()
    for server in running:
        if server.returncode is None:
            server.send_signal(signal.SIGINT)
            said = server.communicate()[0]
            assert "Traceback" not in said, said[-6000:]


@pytest.fixture
def shown(opened):
    return partial(opened, height=900, served=True)

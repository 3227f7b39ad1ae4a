"""What every test relies on: no randomness leaks from one test to the next."""

import filecmp
import os
import random
from functools import partial
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch

from motiontransfer.core.device import choose_accelerator
from tests import clone
from tests.chromium import launched, page_of
from tests.clone import ROOT
from tests.films import training_clip
from tests.people import dance
from tests.pretend_cuda import pretend_cuda
from tests.project_files import SHIPPED
from tests.tiny_project import run_tiny_project
from tests.warm_python import warm_workers

hypothesis.settings.register_profile("quick", max_examples=20, deadline=None)
hypothesis.settings.load_profile("quick")


def pytest_report_header():
    if clone.WORK_TREE:
        return "params.yaml, films.yaml and the record: those of the work tree ship, and are tested"
    edited = filecmp.cmpfiles(ROOT, clone.SHIPPED, SHIPPED, shallow=False)[1]
    those = f"{' and '.join(edited)}: tested as shipped, not as they are here; "
    return f"{those}TEST_WORK_TREE=1 ships those that are here" if edited else None


@pytest.fixture(scope="session", autouse=True)
def _elsewhere(tmp_path_factory):
    """Nothing is read from the clone, or written into it, because it is the working directory."""
    os.chdir(tmp_path_factory.mktemp("elsewhere"))
    yield
    os.chdir(ROOT)


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """One thread, for fixtures of a module too: on some processors more end in other bytes."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _nothing_leaks():
    torch_state, threads = torch.get_rng_state(), torch.get_num_threads()
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002 - others use it
    yield
    torch.set_rng_state(torch_state)
    torch.set_num_threads(threads)
    np.random.set_state(numpy_state)  # noqa: NPY002 - others use it
    random.setstate(python_state)


def pytest_collection_modifyitems(items):
    """What waits for a whole pipeline is slow.

    What needs CUDA runs on a pretended GPU where there is none, unless told otherwise.
    """
    for item in items:
        if "tiny_run" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
    if choose_accelerator() == "cuda" or os.environ.get("FAIL_WITHOUT_CUDA"):
        return
    for item in items:
        if item.get_closest_marker("needs_cuda"):
            item.fixturenames.append("gpu")


@pytest.fixture
def gpu():
    with pretend_cuda() as gpu:
        yield gpu


@pytest.fixture
def warm(monkeypatch):
    """Workers and commands that are started from here are forked: see `tests.warm_python`."""
    warm_workers(monkeypatch)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory) -> Path:
    """The tiny project after one `dvc repro`, without git; READ ONLY."""
    root = tmp_path_factory.mktemp("tiny") / "project"
    run_tiny_project(root)
    return root


@pytest.fixture(scope="session")
def two_clips(tmp_path_factory):
    """Ten frames, of which the seventh shows nobody and the last two are held out; four frames."""
    root = tmp_path_factory.mktemp("two_clips")
    return [
        training_clip(root / "a", dance(10, missing=[6]), training_frames=range(8)),
        training_clip(root / "b", dance(4, seed=5)),
    ]


@pytest.fixture(scope="session")
def browser():
    """One for all tests: Playwright does not run twice in a process."""
    with launched() as browser:
        yield browser


@pytest.fixture
def opened(browser):
    return partial(page_of, browser)

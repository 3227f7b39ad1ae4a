"""Bad input is handled rightly or refused in one clear line; `tests.faults.corpus` counts all."""

from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.faults.corpus import GROUPS, OF_PROJECT
from tests.faults.outcomes import load_stages, run_cases
from tests.forks import FORKS

FEW = {"odd videos": 6, "names": 16, "params.yaml": 1, "fields of params.yaml": 150}
"""Group -> every how manieth case runs without `-m slow`."""


def check(group, project, *, every=1):
    # Not in a fork of this process: it would inherit worker pools whose threads it does not have.
    with ProcessPoolExecutor(1, mp_context=FORKS) as pool:
        assert pool.submit(bad_endings, group, project, every).result() == []


def bad_endings(group, project, every):
    load_stages()
    cases = list(GROUPS[group](project))[::every]
    return [
        (ending.case.name, ending.outcome, ending.output)
        for ending in run_cases(cases)
        if ending.outcome not in ("handled", "refused")
    ]


@pytest.mark.parametrize("group", FEW)
def test_some_bad_input(group, tmp_path):
    check(group, tmp_path, every=FEW[group])


@pytest.mark.slow
@pytest.mark.parametrize("group", [group for group in FEW if group not in OF_PROJECT])
def test_all_bad_input(group, tmp_path):
    check(group, tmp_path)


@pytest.mark.slow
def test_some_films_of_people(tmp_path):
    check("people in view", tmp_path, every=5)


@pytest.mark.slow
@pytest.mark.parametrize("group", OF_PROJECT)
def test_bad_artifacts_and_extreme_params(group, tiny_run):
    check(group, tiny_run)

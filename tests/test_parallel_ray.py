"""On a Ray cluster of two nodes: the same results, and what a lost worker did is done again."""

from pathlib import Path

import pytest

from motiontransfer.errors import ComputeError, VideoError
from motiontransfer.parallel import Compute, run_parallel
from tests.ray_cluster import needs_ray, ray_cluster
from tests.test_parallel import die_at_three, die_once, process_id, refuse_two, slower_first

pytestmark = [pytest.mark.slow, needs_ray]

RAY = Compute(backend="ray", address=None, num_workers=0)


@pytest.fixture(scope="module")
def cluster():
    """The tests' own; a cluster that is up is used as it is."""
    with ray_cluster(num_nodes=2):
        yield


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "head", "head:x"])
def test_an_unreachable_cluster_is_an_error_at_once(address):
    nowhere = Compute(backend="ray", address=address, num_workers=0)
    with pytest.raises(ComputeError, match=rf"compute\.address: no Ray cluster at {address}: "):
        list(run_parallel(refuse_two, [0], compute=nowhere))


def test_results_are_in_order_whoever_is_faster(cluster):
    results = list(run_parallel(slower_first, range(7), compute=RAY))
    assert results == [(item, "1") for item in range(7)]


def test_both_nodes_work(cluster):
    seen: set[int] = set()
    for process in run_parallel(process_id, range(100), compute=RAY):
        seen.add(process)
        if len(seen) >= 2:  # on a busy machine the second takes a while to start
            break
    assert len(seen) >= 2


def test_a_users_fault_comes_back_as_itself(cluster):
    with pytest.raises(VideoError, match=r"^frame 2: broken$"):
        list(run_parallel(refuse_two, range(6), compute=RAY))


def test_the_work_of_a_killed_worker_is_repeated(cluster, tmp_path):
    names = list(run_parallel(die_once, [tmp_path / "flag", Path(__file__)], compute=RAY))
    assert names == ["flag", "test_parallel_ray.py"]


def test_work_that_kills_every_worker_is_an_error(cluster):
    with pytest.raises(ComputeError, match=r"a worker was killed, .* at 3"):
        list(run_parallel(die_at_three, range(6), compute=RAY))

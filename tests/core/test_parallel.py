import os
import signal
import sys
import threading
import time
import types
from itertools import count

import psutil
import pytest

from motiontransfer.core import parallel
from motiontransfer.core.errors import ComputeError, VideoError
from motiontransfer.core.parallel import (
    end_workers,
    fork_workers,
    in_thread,
    map_ahead,
    run_parallel,
)
from motiontransfer.core.storage import write_text
from tests.forks import FORKS

ONE, TWO, ALL = 1, 2, 0
FORKED = pytest.mark.skipif(parallel.start_method() == "spawn", reason="no fork: loky's workers")


def slower_first(item):
    time.sleep(0.2 / (item + 1))
    return item, os.environ.get("OMP_NUM_THREADS")


def process_id(item):
    time.sleep(0.1)
    return os.getpid()


def refuse_two(item):
    if item == 2:
        raise VideoError("frame 2: broken")
    return item


def divide_by_two_less(item):
    return 1 // (item - 2)


def die_at_three(item):
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def die_once(flag):
    if not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return flag.name


def stay(file):
    write_text(file, str(os.getpid()))
    time.sleep(60)


def wait_for_a_worker(file):
    fork_workers()
    list(run_parallel(stay, [file], num_workers=ONE))


def use_a_worker():
    assert list(run_parallel(str, [1], num_workers=ONE)) == ["1"]
    end_workers()


@pytest.fixture(scope="module", params=[ONE, ALL])
def num_workers(request):
    """All tests of one before any of the next, as workers are kept."""
    return request.param


@pytest.mark.parametrize("num_items", [0, 1, 7])
def test_results_are_in_order_whoever_is_faster(num_workers, num_items):
    results = list(run_parallel(slower_first, range(num_items), num_workers=num_workers))
    assert results == [(item, "1") for item in range(num_items)]


def test_the_work_is_shared_out_and_leaves_this_process():
    workers = set(run_parallel(process_id, range(12), num_workers=TWO))
    assert len(workers) == 2
    assert os.getpid() not in workers


def test_items_are_taken_only_as_workers_become_free():
    taken = []

    def items():
        for item in range(40):
            taken.append(item)
            yield item

    results = run_parallel(refuse_two, (item + 3 for item in items()), num_workers=TWO)
    assert taken == []
    assert next(results) == 3
    time.sleep(0.5)
    assert len(taken) <= 6  # one with the caller, five with the workers or finished
    assert list(results) == list(range(4, 43))


def test_whoever_stops_taking_results_stops_the_work():
    results = run_parallel(refuse_two, iter([3, 4, *[2] * 30]), num_workers=ONE)
    assert next(results) == 3
    results.close()
    assert list(run_parallel(refuse_two, [5], num_workers=ONE)) == [5]


def test_a_users_fault_is_raised_after_the_results_before_it(num_workers):
    results = run_parallel(refuse_two, range(6), num_workers=num_workers)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(VideoError, match=r"^frame 2: broken$") as told:
        next(results)
    assert told.value.__cause__ is None


def test_a_mistake_of_ours_is_not_swallowed_and_fewer_workers_can_be_next():
    with pytest.raises(ZeroDivisionError):
        list(run_parallel(divide_by_two_less, range(6), num_workers=TWO))
    assert list(run_parallel(refuse_two, [5], num_workers=ONE)) == [5]


def test_a_killed_worker_is_an_error_and_the_next_call_works(num_workers):
    told = r"a worker was killed, .*; lower compute\.num_workers"
    with pytest.raises(ComputeError, match=told):
        list(run_parallel(die_at_three, range(6), num_workers=num_workers))
    assert list(run_parallel(die_at_three, [0, 1], num_workers=num_workers)) == [0, 1]


def test_the_item_at_which_a_worker_was_killed_is_named(tmp_path):
    with pytest.raises(ComputeError, match=f"out of memory, at {tmp_path}/flag; lower"):
        list(run_parallel(die_once, [tmp_path / "flag"], num_workers=ONE))


def test_a_child_process_does_not_wait_until_its_workers_are_idle():
    child = FORKS.Process(target=use_a_worker)
    child.start()
    child.join(parallel._IDLE_SECONDS / 2)
    assert child.exitcode == 0


@FORKED
def test_a_forked_worker_ends_with_the_process_that_started_it(tmp_path):
    file = tmp_path / "worker"
    child = FORKS.Process(target=wait_for_a_worker, args=(file,))
    child.start()
    while not file.exists():
        assert child.is_alive()
        time.sleep(0.05)
    worker = psutil.Process(int(file.read_text()))
    child.kill()
    worker.wait(timeout=10)


def is_loaded(name):
    return name in sys.modules


@FORKED
def test_a_forked_worker_has_what_is_loaded_here(monkeypatch):
    monkeypatch.setitem(sys.modules, "loaded_here", types.ModuleType("loaded_here"))
    monkeypatch.setattr(parallel, "_forks_workers", True)
    assert list(run_parallel(is_loaded, ["loaded_here"], num_workers=ONE)) == [True]


def test_calls_in_a_thread_keep_their_order_and_only_a_few_wait():
    taken, may_go_on = [], threading.Event()

    def take(item):
        may_go_on.wait()
        taken.append(item)

    threading.Timer(0.05, may_go_on.set).start()
    with in_thread(take) as take_later:
        for item in range(20):
            take_later(item)
            assert item - len(taken) <= 8
    assert taken == list(range(20))


def doubled(item):
    return 2 * item


@pytest.mark.parametrize("num_items", [0, 1, 3, 20])
@pytest.mark.parametrize("num_threads", [0, 1, 3])
def test_results_come_in_the_order_of_their_items(num_threads, num_items):
    results = map_ahead(doubled, range(num_items), num_threads=num_threads)
    assert list(results) == [2 * item for item in range(num_items)]


@pytest.mark.parametrize("num_threads", [0, 1, 3])
def test_as_many_results_are_computed_ahead_as_there_are_threads(num_threads):
    numbers, computed = count(), threading.Semaphore(0)
    results = map_ahead(lambda _: computed.release(), numbers, num_threads=num_threads)
    next(results)
    assert all(computed.acquire(timeout=10) for _ in range(1 + num_threads))
    results.close()
    assert next(numbers) == 1 + num_threads


def test_an_error_comes_in_its_results_place_and_from_the_items_at_once():
    results = map_ahead(lambda item: 1 // (2 - item), range(9), num_threads=2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    broken = map_ahead(doubled, (1 // (1 - item) for item in range(9)), num_threads=1)
    with pytest.raises(ZeroDivisionError):
        next(broken)


@pytest.mark.parametrize("fault", [KeyboardInterrupt, ValueError])
def test_no_thread_is_left_of_a_loop_that_is_broken_off(fault):
    before = threading.active_count()

    def use():
        for result in map_ahead(doubled, count(), num_threads=3):
            assert threading.active_count() > before
            if result == 8:
                raise fault

    with pytest.raises(fault):
        use()
    assert threading.active_count() == before


def test_short_work_is_done_in_this_process():
    assert [*run_parallel(process_id, [1], num_workers=None)] == [os.getpid()]

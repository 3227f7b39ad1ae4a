import threading
from itertools import count

import pytest

from motiontransfer.parallel import in_thread, map_ahead


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
def test_as_many_items_are_taken_ahead_as_there_are_threads(num_threads):
    numbers = count()
    results = map_ahead(doubled, numbers, num_threads=num_threads)
    assert [next(results), next(results)] == [0, 2]
    results.close()
    assert next(numbers) == 2 + num_threads


def test_results_are_computed_while_the_one_before_is_used():
    computed = [threading.Event() for _ in range(4)]
    results = map_ahead(lambda item: computed[item].set(), range(4), num_threads=2)
    next(results)
    assert all(event.wait(10) for event in computed[:3])
    assert not computed[3].is_set()
    results.close()


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

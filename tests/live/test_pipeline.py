"""Queues of length one: the newest item wins, and what nobody took is counted."""

import threading
import time

import pytest

from motiontransfer.live.pipeline import Newest, Worker


def test_the_newest_item_wins_and_the_others_are_counted():
    queue = Newest()
    for item in (1, 2, 3):
        queue.put(item)
    assert (queue.take(), queue.dropped) == (3, 2)
    assert queue.take(seconds=0.0) is None
    queue.put(4)
    assert (queue.take(), queue.dropped) == (4, 2)


def test_what_was_put_before_the_end_is_still_taken():
    queue = Newest()
    with queue:
        queue.put(1)
    assert not queue.has_ended
    assert list(queue) == [1]
    assert queue.has_ended
    assert queue.take() is None


def test_whoever_waits_is_woken_by_an_item_and_by_the_end():
    queue, taken = Newest(), []
    thread = threading.Thread(target=lambda: taken.extend(queue))
    thread.start()
    with queue:
        queue.put(7)
    thread.join(timeout=5)
    assert (taken, thread.is_alive()) == ([7], False)


def test_a_worker_sends_on_what_it_made_and_counts():
    source, sink, worker = Newest(), Newest(), Worker(lambda item: 10 * item)
    with source:
        source.put(4)
    worker.run(source, sink)
    assert (sink.take(), worker.items, sink.has_ended) == (40, 1, True)
    assert worker.busy_seconds > 0
    assert worker.cpu_seconds > 0


def test_a_worker_makes_nothing_new_before_what_it_made_is_taken():
    source, sink, made = Newest(), Newest(), []
    worker = Worker(lambda item: made.append(item) or item)
    thread = threading.Thread(target=worker.run, args=(source, sink))
    thread.start()
    source.put(1)
    while not made:
        time.sleep(0.01)
    source.put(2)
    time.sleep(0.1)
    assert made == [1]
    source.put(3)
    assert (sink.take(), source.dropped) == (1, 1)
    assert sink.take(seconds=5.0) == 3
    with source:
        pass
    thread.join(timeout=5)
    assert (made, sink.dropped) == ([1, 3], 0)


def test_a_worker_that_fails_ends_what_it_sends():
    source, sink, worker = Newest(), Newest(), Worker(lambda item: 1 / item)
    source.put(0)
    with pytest.raises(ZeroDivisionError):
        worker.run(source, sink)
    assert sink.has_ended

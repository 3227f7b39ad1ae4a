"""A first signal is noted, a second one obeyed, and the noted one ends the process in the end."""

import signal
import threading

import pytest

from motiontransfer.training.trainer import listening, pass_on


@pytest.fixture
def obeyed(monkeypatch):
    """SIGTERM is handled by the test, which remembers it."""
    came = []
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    yield came
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted(obeyed, number):
    with listening() as request:
        assert request.signal_number == 0
        signal.raise_signal(number)
        assert request.signal_number == number
    assert obeyed == []


def test_a_second_signal_is_obeyed(obeyed):
    with listening() as request:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert obeyed == [signal.SIGTERM]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert request.signal_number == signal.SIGTERM


def test_afterwards_signals_go_where_they_went(obeyed):
    with listening():
        pass
    signal.raise_signal(signal.SIGTERM)
    assert obeyed == [signal.SIGTERM]


def test_signals_that_were_ignored_stay_so():
    """As under nohup."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with listening() as request:
        signal.raise_signal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, before)
    assert request.signal_number == 0


def test_beside_the_main_thread_nothing_is_listened_to():
    numbers = []

    def listen():
        with listening() as request:
            numbers.append(request.signal_number)

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert numbers == [0]


def test_a_signal_is_passed_on_and_nothing_comes_after_it(obeyed):
    with pytest.raises(KeyboardInterrupt):
        pass_on(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        pass_on(signal.SIGTERM)
    assert obeyed == [signal.SIGTERM]

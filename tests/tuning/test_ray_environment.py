"""Ctrl-C and SIGTERM while Ray starts."""

import os
import signal

import pytest

from search.tuning.ray.environment import handlers_restored, interrupts_deferred

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.mark.parametrize("number", SIGNALS)
def test_an_interrupt_waits_for_the_end_of_the_block(number: signal.Signals) -> None:
    before, reached = [signal.getsignal(each) for each in SIGNALS], []

    def interrupted() -> None:
        with interrupts_deferred():
            os.kill(os.getpid(), number)
            reached.append("the end")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert reached == ["the end"]
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_a_handler_of_ray_that_leaves_counts_as_an_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts_deferred():
        raise SystemExit(signal.SIGTERM)


def test_without_an_interrupt_nothing_happens() -> None:
    with interrupts_deferred():
        pass


@pytest.mark.parametrize("number", SIGNALS)
def test_handlers_of_ray_do_not_stay(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with handlers_restored():
        signal.signal(number, signal.SIG_IGN)
    assert signal.getsignal(number) == before

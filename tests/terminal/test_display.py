"""What stands on the screen while a search runs."""

import io
from queue import SimpleQueue

import pytest
from rich.console import Console

from search.terminal import display
from search.terminal.display import event_line, live_view, shown, status_line
from search.terminal.progress import Progress
from search.tuning.events import Event, Notice, TrialEnded
from tests.terminal.test_progress import after, end, epochs, progress, start


def rendered(state: Progress, width: int = 80) -> list[str]:
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    console.print(live_view(state))
    return [line.rstrip() for line in console.export_text().splitlines()]


ENDINGS = [
    (end(0, "trained", 0.4), "trial   0  mIoU 0.4000  complete  best so far"),
    (end(1, "pruned", 0.1, "rung 3"), "trial   1  mIoU 0.1000  pruned: rung 3"),
    (
        end(1, "early_stopped", 0.1, "no better mIoU for 3 epochs"),
        "trial   1  mIoU 0.1000  complete, stopped early: no better mIoU for 3 epochs",
    ),
    (end(12, "not_finite", None, "the loss became nan"), "trial  12               failed: the loss became nan"),
    (end(1, "interrupted", 0.1, "the run ended"), "trial   1  mIoU 0.1000  to be continued"),
    (
        end(1, "retried", None, "Traceback:\n  File x\nRuntimeError: [enforce fail at alloc.cpp:1] no memory\n"),
        "trial   1               crashed, will be tried again: RuntimeError: [enforce fail at alloc.cpp:1] no memory",
    ),
    (end(1, "crashed", 0.1, " \n"), "trial   1  mIoU 0.1000  failed"),
    (end(1, "out_of_memory", None, "CUDA"), "trial   1               failed, out of memory: CUDA"),
]


@pytest.mark.parametrize(("event", "line"), ENDINGS, ids=[event.kind for event, _ in ENDINGS])
def test_a_line_for_each_end(event: TrialEnded, line: str) -> None:
    state = after(start(0), start(1), epochs(0, 0.4), epochs(1, 0.1))
    found = event_line(event, state)
    assert found is not None
    assert found.rstrip() == line


@pytest.mark.parametrize("event", [start(0), epochs(0, 0.1)[0], end(0, "over_limit", None, "too wide")])
def test_no_line_for_the_rest(event: Event) -> None:
    assert event_line(event, after(start(0))) is None


def test_a_notice_stands_as_it_is() -> None:
    notice = Notice(text="warning: [b]gone[/b]\nmore", warning=True)
    assert event_line(notice, progress()) == notice.text
    assert played(Console(file=io.StringIO()), [notice]) == "warning: [b]gone[/b]\nmore\n"


def test_the_view_of_a_search_under_way() -> None:
    state = after(
        start(0, "default"),
        start(1, "report001_unet"),
        start(2, "random"),
        epochs(0, 0.2, 0.3, 0.4),
        epochs(1, 0.1),
        end(1, "pruned", 0.1, "rung 1"),
        trials=20,
    )
    state.started -= 100
    assert rendered(state) == [
        "",
        "2 running, 1 of 20 ended (1 pruned); best mIoU 0.4000 (trial 0); 0.04 epochs/s",
        "rungs reached: 2 at epoch 1, 1 at epoch 3",
        "running  from     epoch    mIoU",
        "trial 0  default    3/9  0.4000",
        "trial 2  random     0/9       -",
    ]


def test_the_view_before_the_first_trial() -> None:
    assert rendered(Progress(rungs=(), max_epochs=9, trials=None, deadline=None)) == [
        "",
        "0 running, 0 ended; best mIoU none yet; 0 epochs/s",
        "running  from  epoch  mIoU",
    ]


def test_the_view_of_many_trials_stays_short() -> None:
    state = after(*(start(number) for number in range(40)))
    lines = rendered(state)
    assert lines[-1] == "and 28 more"
    assert len(lines) == 4 + display.MOST_RUNNING_SHOWN + 1


def test_a_narrow_terminal_shows_every_trial_on_one_line() -> None:
    state = after(start(0, "report001_unet_l_complex"), start(1, "tpe"))
    assert len([line for line in rendered(state, width=30) if line.startswith("trial")]) == 2


@pytest.mark.parametrize(("ahead", "text"), [(91.2, "; 1:31 left"), (-5, "; time is up, running epochs end")])
def test_the_status_says_how_long_it_goes_on(monkeypatch: pytest.MonkeyPatch, ahead: float, text: str) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 1000.0)
    assert status_line(Progress(rungs=(), max_epochs=9, trials=None, deadline=1000.0 + ahead)).endswith(text)


EVENTS: list[Event] = [
    start(0, "default"),
    *epochs(0, 0.2),
    end(0, "retried", None, "RuntimeError: [/tmp] [bold]" + " and more of it" * 20),
    start(0, "default"),
    *epochs(0, 0.4, first=2),
    end(0, "trained", 0.4),
]


def played(console: Console, events: list[Event]) -> str:
    queue: SimpleQueue[Event] = SimpleQueue()
    for event in events:
        queue.put(event)
    with shown(progress(), queue, console):
        pass
    assert isinstance(console.file, io.StringIO)
    assert queue.empty()
    return console.file.getvalue()


def test_plain_output_has_no_control_codes_and_cuts_no_line() -> None:
    out = played(Console(file=io.StringIO()), EVENTS)
    assert "\x1b" not in out
    assert out.splitlines() == [
        "trial   0               crashed, will be tried again: RuntimeError: [/tmp] [bold]"
        + " and more of it" * 20
        + "  best so far",
        "trial   0  mIoU 0.4000  complete  best so far",
    ]


def test_a_terminal_keeps_the_lines_and_takes_the_view_away() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=200, color_system=None)
    out = played(console, EVENTS)
    assert "trial   0  mIoU 0.4000  complete  best so far\n" in out
    assert "RuntimeError: [/tmp] [bold]" in out.replace("\n", "")
    assert out.rstrip().endswith("\x1b[2K")


def test_plain_output_tells_how_things_stand_while_long_trials_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Epochs alone print nothing: hours of silence look like a search that hangs."""
    monkeypatch.setattr(display, "HEARTBEAT", 0.0)
    out = played(Console(file=io.StringIO()), [start(0), *epochs(0, 0.25)])
    assert "1 running, 0 ended; best mIoU 0.2500 (trial 0)" in out

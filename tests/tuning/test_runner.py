"""The worker's side of a trial: every failure becomes an outcome."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from search.training.outcome import (
    EpochReport,
    IncompatibleWeightsError,
    NetworkCosts,
    NotFiniteError,
    Training,
    TrialOutcome,
)
from search.tuning.messages import Assignment, Message
from search.tuning.runner import TrialRunner, Worker
from search.tuning.trial_folder import trial_folder, write_config
from tests.contracts.fake_training import data
from tests.tuning.made_up import SPACE, report


def worker(trainer, check=lambda config: None) -> Worker:
    return Worker(data=data(), trainer=trainer, check=check, threads=1)


def runner(trainer, check=lambda config: None) -> TrialRunner:
    return TrialRunner(worker(trainer, check))


@pytest.fixture
def assignment(tmp_path: Path) -> Assignment:
    write_config(tmp_path, 3, SPACE.default)
    return Assignment(number=3, folder=str(trial_folder(tmp_path, 3)), known_epochs=2)


def raising(error: BaseException):
    def trainer(config, data, files, known_epochs, threads) -> Training:
        yield report(known_epochs + 1, 0.5)
        raise error

    return trainer


def steps(running: TrialRunner, assignment: Assignment) -> Iterator[Message]:
    running.start(assignment)
    while True:
        message = running.step()
        yield message
        if isinstance(message, TrialOutcome):
            return


def test_a_trainer_gets_what_was_assigned(assignment: Assignment) -> None:
    seen = []

    def trainer(*arguments) -> Training:
        seen.extend(arguments)
        yield report(3, 0.5)
        return TrialOutcome(kind="trained")

    messages = list(steps(runner(trainer), assignment))
    config, _, files, known, threads = seen
    assert (config, known, threads) == (SPACE.default, 2, 1)
    assert [path.name for path in (files.checkpoint, files.weights)] == ["checkpoint.pt", "best.safetensors"]
    assert isinstance(messages[0], EpochReport)
    assert messages[1] == TrialOutcome(kind="trained")


def test_pictures_are_drawn_where_the_search_wants_them(assignment: Assignment) -> None:
    seen = []

    def trainer(config, data, files, known_epochs, threads) -> Training:
        seen.append(files)
        yield report(3, 0.5)
        return TrialOutcome(kind="trained")

    list(steps(TrialRunner(replace(worker(trainer), pictures_every=3)), assignment))
    list(steps(TrialRunner(worker(trainer)), assignment))
    drawing, plain = seen
    assert drawing.picture(3) == Path(assignment.folder) / "pictures" / "epoch-003.png"
    assert [drawing.picture(epoch) is None for epoch in (1, 2, 3, 4, 6)] == [True, True, False, True, False]
    assert [plain.picture(epoch) for epoch in (1, 2, 3)] == [None] * 3


COSTS = NetworkCosts(latency=4.5, macs=10, parameters=2)


def with_meter(meter, trainer) -> TrialRunner:
    return TrialRunner(replace(worker(trainer), meter=meter))


def two_epochs(config, data, files, known_epochs, threads) -> Training:
    for epoch in (1, 2):
        if epoch > known_epochs:
            yield report(epoch, 0.5)
    return TrialOutcome(kind="trained")


def test_costs_are_measured_before_the_first_epoch_and_stand_in_its_report(assignment: Assignment) -> None:
    asked = []

    def meter(*arguments) -> NetworkCosts:
        asked.append(arguments)
        return COSTS

    begun = replace(assignment, known_epochs=0)
    messages = list(steps(with_meter(meter, two_epochs), begun))
    assert messages == [report(1, 0.5, COSTS), report(2, 0.5), TrialOutcome(kind="trained")]
    ((config, _, threads),) = asked
    assert (config, threads) == (SPACE.default, 1)
    assert list(steps(with_meter(meter, two_epochs), replace(assignment, known_epochs=1))) == messages[1:]
    assert len(asked) == 1  # a trial that goes on is not measured again


def test_a_network_that_cannot_be_measured_has_failed(assignment: Assignment) -> None:
    def meter(*arguments) -> NetworkCosts:
        raise MemoryError("too large")

    measured = with_meter(meter, raising(AssertionError("trained")))
    messages = list(steps(measured, replace(assignment, known_epochs=0)))
    assert messages == [TrialOutcome(kind="out_of_memory", reason="too large")]


def test_a_measured_training_may_end_at_once_and_is_closed_when_dropped(assignment: Assignment) -> None:
    ended = []

    def at_once(config, data, files, known_epochs, threads) -> Training:
        return TrialOutcome(kind="trained")
        yield

    def watched(config, data, files, known_epochs, threads) -> Training:
        try:
            yield from two_epochs(config, data, files, known_epochs, threads)
        finally:
            ended.append(True)
        return TrialOutcome(kind="trained")

    begun = replace(assignment, known_epochs=0)
    assert list(steps(with_meter(lambda *_: COSTS, at_once), begun)) == [TrialOutcome(kind="trained")]
    dropped = with_meter(lambda *_: COSTS, watched)
    dropped.start(begun)
    dropped.step()
    dropped.stop()
    assert ended == [True]


def test_a_refused_configuration_is_never_trained(assignment: Assignment) -> None:
    refusing = runner(raising(AssertionError("trained")), check=lambda config: f"width {config.model.width} is over 8")
    assert list(steps(refusing, assignment)) == [TrialOutcome(kind="over_limit", reason="width 16 is over 8")]


CPU_MEMORY = (
    "[enforce fail at alloc_cpu.cpp:134] data. DefaultCPUAllocator: can't allocate memory: you tried to allocate"
)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NotFiniteError("the loss became nan"), "not_finite"),
        (MemoryError(), "out_of_memory"),
        (torch.OutOfMemoryError("CUDA out of memory"), "out_of_memory"),
        (RuntimeError(CPU_MEMORY), "out_of_memory"),
        (RuntimeError("CUDA error: out of memory"), "out_of_memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "out_of_memory"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "crashed"),
        (RuntimeError("shapes differ"), "crashed"),
        (KeyError("model"), "crashed"),
    ],
)
def test_every_failure_is_an_outcome(assignment: Assignment, error: Exception, kind: str) -> None:
    *before, outcome = steps(runner(raising(error)), assignment)
    assert [message.epoch for message in before if isinstance(message, EpochReport)] == [3]
    assert isinstance(outcome, TrialOutcome)
    assert outcome.kind == kind
    assert str(error) in outcome.reason
    assert outcome.reason
    if kind == "crashed":
        assert outcome.reason.startswith("Traceback")


def test_torch_really_says_so_when_memory_is_short(assignment: Assignment) -> None:
    def trainer(config, data, files, known_epochs, threads) -> Training:
        yield report(3, 0.5)
        torch.empty(2**60, dtype=torch.uint8)
        return TrialOutcome(kind="trained")

    *_, outcome = steps(runner(trainer), assignment)
    assert isinstance(outcome, TrialOutcome)
    assert outcome.kind == "out_of_memory"


def test_ctrl_c_is_no_failure_of_the_trial(assignment: Assignment) -> None:
    running = runner(raising(KeyboardInterrupt()))
    running.start(assignment)
    running.step()
    with pytest.raises(KeyboardInterrupt):
        running.step()


def test_stopping_closes_the_training(assignment: Assignment) -> None:
    closed = []

    def trainer(config, data, files, known_epochs, threads) -> Training:
        try:
            while True:
                yield report(1, 0.5)
        finally:
            closed.append(True)

    running = runner(trainer)
    for _ in range(2):  # starting the next trial ends the one before
        running.start(assignment)
        running.step()
    running.stop()
    running.stop()
    assert closed == [True, True]


def test_a_missing_configuration_is_a_crash(tmp_path: Path) -> None:
    lost = Assignment(number=0, folder=str(tmp_path), known_epochs=0)
    [outcome] = steps(runner(raising(AssertionError())), lost)
    assert isinstance(outcome, TrialOutcome)
    assert outcome.kind == "crashed"
    assert "config.yaml" in outcome.reason


def test_weights_that_do_not_fit_refuse_the_trial(assignment: Assignment) -> None:
    (_, outcome) = steps(runner(raising(IncompatibleWeightsError("of another network"))), assignment)
    assert outcome == TrialOutcome(kind="over_limit", reason="the pretrained weights do not fit: of another network")

"""The trade-off that a study has found: where its trials stand between mIoU and costs, and which of them are best."""

import math
from collections.abc import Sequence

from search.tuning.objectives import Objectives, costs_of
from search.tuning.pareto import Point, first_front, rooms
from search.tuning.record import TrialRecord, ranked


def point_at(record: TrialRecord, epoch: int, objectives: Objectives) -> Point | None:
    """Where a trial stood at `epoch`, None where it has not been there: `value_at`, then the negative log of each cost.

    In each coordinate more is better. Half the cost is the same step everywhere: costs of networks span decades.
    """
    value = record.value_at(epoch)
    return None if value is None else (value, *(-math.log(record.costs[cost]) for cost in costs_of(objectives)))


def best_point(record: TrialRecord, objectives: Objectives) -> Point:
    """Where a trial stands with its best value."""
    point = point_at(record, record.epochs, objectives)
    assert point is not None, f"trial {record.number} has no value"
    return point


def front_of(records: Sequence[TrialRecord], objectives: Objectives) -> list[TrialRecord]:
    """The trials that no other one dominates, best mIoU first; of equal ones the earlier. One trial with one objective.

    Among the `ranked`: crashed and infeasible trials are left out, pruned ones and those to be continued are not.
    """
    first: dict[Point, TrialRecord] = {}
    for record in ranked(list(records)):
        first.setdefault(best_point(record, objectives), record)
    return [first[point] for point in first_front(first)]


def spread(front: Sequence[TrialRecord], objectives: Objectives) -> list[TrialRecord]:
    """The trials of a front, the best of each objective first, then those that are most alone on it."""
    points = {record.number: best_point(record, objectives) for record in front}
    alone = rooms(list(points.values())) if points else {}
    return sorted(front, key=lambda record: -alone[points[record.number]])

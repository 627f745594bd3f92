"""What the dashboard says of a trial in single words and numbers: its columns."""

from dataclasses import dataclass

from search.tuning.overview import kind_of
from search.tuning.record import TrialRecord
from search.tuning.spec import StudySpec

LONGEST_REASON = 200


@dataclass(frozen=True, kw_only=True)
class NetworkCost:
    """Trainable parameters, and multiply-adds of one image at the size at which networks train."""

    parameters: int
    macs: int


def user_attributes(
    record: TrialRecord, spec: StudySpec, cost: NetworkCost | None, *, running: bool
) -> dict[str, str | float]:
    """The columns of a trial: numbers where it has some, so that they can be sorted and plotted.

    `running` says whether a search is at work, see `search.tuning.overview.kind_of`.

    They take the place of what the search stores for itself, the whole configuration and the whole curve as JSON.
    """
    origin = record.point or record.sampled_by
    attributes: dict[str, str | float] = {"ended": ended(record, running=running), "proposed by": origin}
    if record.values:
        assert record.best_value is not None
        attributes |= {"best mIoU": record.best_value, "best epoch": record.best_epoch, "epochs": record.epochs}
        attributes |= {f"IoU {name}": value for name, value in class_values(record, spec)}
        attributes |= {"seconds": round(record.seconds, 2)}
    if cost is not None:
        attributes |= {"parameters": cost.parameters, "multiply-adds": cost.macs}
    if record.pretrained is not None:
        attributes["pretrained share"] = record.pretrained
    if record.retries:
        attributes["retries"] = record.retries
    if record.ending in ("refused", "failed"):
        attributes["reason"] = last_line(record.reason)[:LONGEST_REASON]
    return attributes


def study_attributes(spec: StudySpec) -> dict[str, str | float]:
    """What the study is, as a table."""
    facts = spec.facts
    return {
        "space": spec.space,
        "data": spec.data_name,
        "training images": facts.train_images,
        "validation images": facts.validation_images,
        "classes that count": ", ".join(facts.class_names[index] for index in facts.objective),
        "input size": f"{facts.height} x {facts.width}",
        "seed": spec.seed,
        "pretrained": spec.pretrained,
        "epochs of a trial": spec.max_epochs,
        "rungs": ", ".join(str(rung) for rung in spec.rungs) or "none",
        "precision": spec.measured.precision,
    }


def ended(record: TrialRecord, *, running: bool) -> str:
    """How a trial ended, in a word or three."""
    early = record.state == "COMPLETE" and record.reason == "early_stopped"
    return "complete, stopped early" if early else kind_of(record, running=running)


def class_values(record: TrialRecord, spec: StudySpec) -> list[tuple[str, float]]:
    """Name and IoU of each class of the objective at the best epoch."""
    report = best_entry(record)
    if report is None:
        return []
    values: list[float | None] = report["class_iou"]
    known = [(index, values[index]) for index in spec.facts.objective if index < len(values)]
    return [(spec.facts.class_names[index], value) for index, value in known if value is not None]


def best_entry(record: TrialRecord) -> dict | None:
    """The whole report of the best epoch, None before the first."""
    return next((entry for entry in record.curve if entry["epoch"] == record.best_epoch), None)


def last_line(text: str) -> str:
    """The last line of an error's text: what went wrong."""
    return text.strip().splitlines()[-1] if text.strip() else ""

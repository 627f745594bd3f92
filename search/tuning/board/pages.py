"""What is shown of each trial and of the study, made from the records when it is asked for.

The study's storage stays as the search has written it: what is here follows from it, and from files in its folder.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from search.files import write_whole
from search.tuning.board.curves import curve_csv, curve_svg
from search.tuning.board.facts import NetworkCost, study_attributes, user_attributes
from search.tuning.board.notes import study_note, trial_note
from search.tuning.folder import ARTIFACTS_NAME
from search.tuning.record import TrialRecord, ranked
from search.tuning.spec import StudySpec
from search.tuning.trial_folder import PICTURES_NAME, WEIGHTS_NAME, trial_folder

COSTS_NAME = "costs.json"
FINISHED = ("COMPLETE", "PRUNED", "FAIL")


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A figure or a table of a trial. `id` is another one when its content is: browsers keep what they have seen."""

    id: str
    filename: str
    mimetype: str
    title: str
    content: Callable[[], bytes]

    @property
    def is_image(self) -> bool:
        """Whether a note can show it."""
        return self.mimetype.startswith("image/")


@dataclass(frozen=True, kw_only=True)
class Page:
    """What the dashboard shows of a trial."""

    attributes: dict[str, str | float]
    note: str
    artifacts: tuple[Artifact, ...]


class Pages:
    """The pages of one study; `costs` of networks are added when they are known."""

    def __init__(self, folder: Path, name: str, spec: StudySpec) -> None:
        self.folder = folder
        self.spec = spec
        self.costs: dict[int, NetworkCost] = read_costs(folder)
        self._name = name

    @property
    def study_attributes(self) -> dict[str, str | float]:
        """What the study is, as a table."""
        return study_attributes(self.spec)

    def study(self, records: list[TrialRecord]) -> str:
        """The note of the study."""
        return study_note(self._name, self.spec, records)

    def trial(self, record: TrialRecord, address: str, *, running: bool) -> Page:
        """The page of a trial; `address` is that of its artifacts, without a slash at the end.

        `running` says whether a search is at work on the study.
        """
        cost = self.costs.get(record.number)
        artifacts = self.artifacts(record)
        images = [(artifact.title, f"{address}/{artifact.id}") for artifact in artifacts if artifact.is_image]
        return Page(
            attributes=user_attributes(record, self.spec, cost, running=running),
            note=trial_note(record, self.spec, cost, images, running=running),
            artifacts=artifacts,
        )

    def artifacts(self, record: TrialRecord) -> tuple[Artifact, ...]:
        """What the network predicts, where that was drawn, then the learning curve as a figure and as a table."""
        found = []
        if (picture := self.picture(record)) is not None:
            epoch, path = picture
            title = f"What the network predicts after epoch {epoch}"
            found.append(
                self._artifact(record, f"predictions-epoch-{epoch:03d}.png", "image/png", title, path.read_bytes)
            )
        if record.curve:
            svg, text = partial(_encoded, curve_svg, record, self.spec), partial(_encoded, curve_csv, record, self.spec)
            title = "Learning curve"
            found.append(self._artifact(record, "learning-curve.svg", "image/svg+xml", title, svg))
            found.append(self._artifact(record, "learning-curve.csv", "text/csv", title, text))
        return tuple(found)

    def _artifact(
        self, record: TrialRecord, filename: str, mimetype: str, title: str, content: Callable[[], bytes]
    ) -> Artifact:
        key = f"segtune/{self.spec.identity_hash}/{record.number}/{record.epochs}/{filename}"
        return Artifact(
            id=str(uuid5(NAMESPACE_URL, key)), filename=filename, mimetype=mimetype, title=title, content=content
        )

    def picture(self, record: TrialRecord) -> tuple[int, Path] | None:
        """The epoch and the file of the best picture: the best epoch's, else the best of those of `--pictures`."""
        own = drawn_path(self.folder, record)
        if own.is_file():
            return record.best_epoch, own
        folder = trial_folder(self.folder, record.number) / PICTURES_NAME
        if not folder.is_dir():
            return None
        drawn = {epoch: folder / f"epoch-{epoch:03d}.png" for epoch in record.values}
        there = [epoch for epoch in drawn if drawn[epoch].is_file()]
        best = max(there, key=lambda epoch: (record.values[epoch], -epoch), default=None)
        return None if best is None else (best, drawn[best])

    def undrawn(self, records: Iterable[TrialRecord]) -> list[TrialRecord]:
        """Ended trials whose weights were kept and whose best epoch has no picture yet, best first."""
        ended = ranked([record for record in records if record.state in FINISHED])
        return [record for record in ended if self._has_weights(record) and not self._has_best_picture(record)]

    def unmeasured(self, records: Iterable[TrialRecord]) -> list[TrialRecord]:
        """Trials whose network's cost is not known yet."""
        return [record for record in records if record.config_data is not None and record.number not in self.costs]

    def add_costs(self, costs: dict[int, NetworkCost]) -> None:
        """Remember costs, on disk too: they never change. Raises OSError."""
        self.costs = {**self.costs, **costs}
        known = {str(number): [cost.parameters, cost.macs] for number, cost in sorted(self.costs.items())}
        write_whole(artifacts_folder(self.folder) / COSTS_NAME, json.dumps(known))

    def _has_weights(self, record: TrialRecord) -> bool:
        return (trial_folder(self.folder, record.number) / WEIGHTS_NAME).is_file()

    def _has_best_picture(self, record: TrialRecord) -> bool:
        found = self.picture(record)
        return found is not None and found[0] == record.best_epoch


def artifacts_folder(folder: Path) -> Path:
    """The folder of what the dashboard keeps, made if need be. Raises OSError, also where the study is gone."""
    path = folder / ARTIFACTS_NAME
    path.mkdir(exist_ok=True)
    return path


def drawn_path(folder: Path, record: TrialRecord) -> Path:
    """Where the picture of a trial's best epoch is kept once it is drawn."""
    return folder / ARTIFACTS_NAME / f"trial-{record.number:04d}-epoch-{record.best_epoch:03d}.png"


def read_costs(folder: Path) -> dict[int, NetworkCost]:
    """The costs that an earlier dashboard has kept; none where the file is missing or spoiled."""
    try:
        known = json.loads((folder / ARTIFACTS_NAME / COSTS_NAME).read_text())
        return {int(number): NetworkCost(parameters=int(cost[0]), macs=int(cost[1])) for number, cost in known.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def _encoded(draw: Callable[[TrialRecord, StudySpec], str], record: TrialRecord, spec: StudySpec) -> bytes:
    return draw(record, spec).encode()

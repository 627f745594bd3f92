"""Pictures of what the best networks predict, and what networks cost: made while the dashboard is open.

The process of the dashboard has neither torch nor the data. Both are in another one, on the CPU and at the lowest
priority, which is started where there is something to do and ends afterwards: a search beside it hardly notices.
"""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from search.errors import DataError, UserError
from search.files import write_whole
from search.tuning.board.artist import Artist, measured_costs
from search.tuning.board.facts import NetworkCost, best_entry
from search.tuning.board.pages import Pages, artifacts_folder, drawn_path
from search.tuning.board.view import BoardStorage
from search.tuning.folder import read_runs
from search.tuning.fork_server import Fork, ForkServer, WorkerDiedError
from search.tuning.overview import search_runs
from search.tuning.record import TrialRecord
from search.tuning.trial_folder import WEIGHTS_NAME, trial_folder

MODULES = ("search.training.pictures", "models.cost", "search.tuning.board.artist")
ENVIRONMENT = {"CUDA_VISIBLE_DEVICES": ""}
"""The GPU, if there is one, is the search's."""

PAUSE, PAUSE_BESIDE_SEARCH = 5.0, 60.0
"""Seconds between two looks for something to do; beside a search, where each costs it some seconds of a core."""


@contextmanager
def drawing(storage: BoardStorage, pages: Pages) -> Iterator[None]:
    """Draw what is missing until the block ends."""
    ended = threading.Event()
    thread = threading.Thread(target=_draw_until, args=(ended, storage, pages), name="drawing", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=1)  # what it waits for ends with this process


def _draw_until(ended: threading.Event, storage: BoardStorage, pages: Pages) -> None:
    """Look for what is missing again and again. What cannot be made, is said once and not tried again."""
    painter = Painter(storage, pages, ended)
    while not ended.is_set():
        try:
            painter.catch_up()
        except (OSError, UserError, WorkerDiedError) as error:
            if pages.folder.is_dir() and not ended.is_set():
                sys.stderr.write(f"no more pictures and costs: {error}\n")
            return
        except Exception:
            if ended.is_set() or not pages.folder.is_dir():  # the study was deleted amid a look at it
                return
            raise
        ended.wait(PAUSE_BESIDE_SEARCH if search_runs(pages.folder) else PAUSE)


class Painter:
    """Makes what the pages of a study lack."""

    def __init__(self, storage: BoardStorage, pages: Pages, ended: threading.Event) -> None:
        self._storage = storage
        self._pages = pages
        self._ended = ended
        self._impossible: set[tuple[int, int]] = set()
        self._drawable = True

    def catch_up(self) -> None:
        """Make everything that is missing now. Raises OSError, UserError, WorkerDiedError."""
        records = self._storage.records()
        unmeasured = [record for record in self._pages.unmeasured(records) if self._is_possible(record, 0)]
        undrawn = [r for r in self._pages.undrawn(records) if self._is_possible(r, r.best_epoch)]
        if not unmeasured and not undrawn:
            return
        with ForkServer(MODULES) as server:
            if unmeasured:
                self._measure(unmeasured, server)
            if undrawn:
                self._draw(undrawn, server)

    def _is_possible(self, record: TrialRecord, epoch: int) -> bool:
        return (record.number, epoch) not in self._impossible and (epoch == 0 or self._drawable)

    def _measure(self, records: Sequence[TrialRecord], server: ForkServer) -> None:
        facts = self._pages.spec.facts
        models = [record.config.model for record in records]
        with server.start(tuple, environment=ENVIRONMENT) as fork:
            measured = fork.call(measured_costs, models, facts.height, facts.width)
        costs = {}
        for record, cost in zip(records, measured, strict=True):
            if cost is None:
                self._impossible.add((record.number, 0))
            else:
                costs[record.number] = NetworkCost(parameters=cost[0], macs=cost[1])
        self._pages.add_costs(costs)

    def _draw(self, records: Sequence[TrialRecord], server: ForkServer) -> None:
        folder = self._pages.folder
        runs = read_runs(folder)
        data = runs[-1].get("data") if runs else None
        try:
            with server.start(Artist, self._pages.spec, data, environment=ENVIRONMENT) as artist:
                for record in records:
                    if self._ended.is_set():
                        return
                    self._draw_one(record, artist)
        except DataError as error:
            self._drawable = False  # the data is elsewhere, or other data lies there now
            sys.stderr.write(f"no pictures are drawn: {error}\n")

    def _draw_one(self, record: TrialRecord, artist: Fork) -> None:
        """Draw one trial; its weights may just have been deleted, since another trial is better."""
        weights = trial_folder(self._pages.folder, record.number) / WEIGHTS_NAME
        try:
            content = artist.call(Artist.draw, record.config, str(weights), best_entry(record))
        except FileNotFoundError:
            return
        if content is None:
            self._impossible.add((record.number, record.best_epoch))
            return
        artifacts_folder(self._pages.folder)
        write_whole(drawn_path(self._pages.folder, record), content)

"""A whole search in this process, as the tests of a session use it: tiles, a space of tiny networks, one run."""

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from search.tuning.options import Budget, Execution, RunOptions, What
from search.tuning.plan import Plan, plan, prepare, resources_of
from search.tuning.session import Result, run
from tests.tuning.in_this_process import InThisProcess

OWN_SPACE = """
from spaces.domains import Choice, Float, Simplex
from spaces.space import SearchSpace

def tiny(facts):
    return SearchSpace(name="tiny", root={
        "model": {"family": "unet", "in_channels": facts.channels, "classes": facts.classes, "depth": 2,
                  "width": Choice((2, 4), default=4), "convs": 1},
        "loss": Simplex({"dice": {}, "cross_entropy": {}}, default={"cross_entropy": 1.0}),
        "optimizer": {"learning_rate": Float(1e-4, 1e-2, default=1e-3, log=True), "batch_size": 8},
        "augment": {},
    })

def unknown(facts):
    raise KeyError("no such part")
"""


@dataclass(frozen=True, kw_only=True)
class Done:
    planned: Plan
    result: Result


def write_place(folder: Path) -> Path:
    """A folder with tiles and a space of tiny networks."""
    (folder / "own.py").write_text(OWN_SPACE)
    rng = np.random.default_rng(3)
    masks = np.repeat(rng.integers(0, 3, (40, 4, 4)), 4, axis=1).repeat(4, axis=2)
    images = np.clip(80 * masks + rng.integers(0, 90, masks.shape), 0, 255)
    np.savez_compressed(folder / "tiles.npz", training_set=np.stack([images, masks], axis=1).astype(np.uint8))
    return folder


def asked(
    place: Path, *, trials: int = 2, seed: int = 0, storage: str | None = None, space: str = "tiny"
) -> RunOptions:
    return RunOptions(
        what=What(
            space=f"{place / 'own.py'}:{space}",
            data=place / "tiles.npz",
            results=place / "results",
            seed=seed,
            storage=storage,
        ),
        budget=Budget(trials=trials, max_epochs=1),
        execution=Execution(executor="local"),
    )


def search(options: RunOptions) -> Done:
    server = InThisProcess()
    planned = plan(options, *prepare(options, server), resources_of(options), server)
    return Done(planned=planned, result=run(planned, lambda *_: nullcontext(), server))

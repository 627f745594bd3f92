"""Choosing what predicts, on the validation part alone: one network, a soup, or an ensemble. Imports torch."""

import shutil
from collections.abc import Mapping, Sequence
from statistics import fmean

import torch
from safetensors.torch import load_file
from torch import Tensor

from models.build import build_model
from search.errors import StudyError
from search.files import make_folder, write_whole
from search.selection.answer import Candidate
from search.selection.greedy import greedy_ensemble
from search.selection.loading import load_ensemble
from search.selection.pixels import pixel_logits
from search.selection.predictor import PREDICTOR_NAME, Flip, Member, Predictor
from search.selection.soup import greedy_soup, mean_weights
from search.selection.tasks import ENSEMBLE, NETWORK, SOUP, Choice, Choosing
from search.selection.temperature import fit_temperature
from search.selection.trainings import TrainingResult
from search.training.batches import sample_batches
from search.training.checkpoint import pack_weights
from search.training.compute import Compute
from search.training.ema import measure_statistics
from search.training.validation import objective, validate

FLIPS: tuple[tuple[Flip, ...], ...] = (("none", "horizontal"), ("none", "horizontal", "vertical", "both"))
"""Test-time augmentations that are tried beside none."""

SOUP_WEIGHTS = "soup.safetensors"


def best_system(results: Mapping[str, Sequence[TrainingResult]]) -> str:
    """The configuration of the best mean validation mIoU over its seeds; one that failed from some seed comes last.

    Raises StudyError where none has been trained.
    """
    trained = {name: [result.miou for result in runs if result.trained] for name, runs in results.items()}
    possible = [name for name, values in trained.items() if values]
    if not possible:
        failures = [run.failure for runs in results.values() for run in runs if run.failure is not None]
        raise StudyError(
            "no configuration could be trained again:\n"
            + "\n".join(failures)
            + "\nThe same command tries those again that crashed or found no memory; --concurrency 1 leaves more of it"
        )
    return max(possible, key=lambda name: (len(trained[name]) == len(results[name]), fmean(trained[name])))


class Chooser:
    """The networks that were trained, and what is built of them."""

    def __init__(self, task: Choosing) -> None:
        torch.set_num_threads(task.threads)
        self.task = task
        self.data = task.data
        self.asked = task.asked
        self.runs = {name: [run for run in runs if run.trained] for name, runs in task.results.items()}
        self.system = best_system(task.results)
        self.compute = Compute.here(self.runs[self.system][0].training.config.budget)
        self.candidates: list[Candidate] = []

    def choose(self) -> Choice:
        """Build and compare all predictors; each is left in a folder of its own."""
        best = max(self.runs[self.system], key=lambda run: run.miou)
        network, value = self._decoded(self._put(NETWORK, [best]))
        predictors = {NETWORK: (network, value)}
        if (soup := self._soup(network)) is not None:
            predictors[SOUP] = soup
        if self.asked.ensemble and (ensemble := self._ensemble(network)) is not None:
            predictors[ENSEMBLE] = ensemble
        for kind, (predictor, _) in predictors.items():
            write_whole(self.task.folder / kind / PREDICTOR_NAME, predictor.to_yaml())
        return Choice(
            system=self.system,
            candidates=tuple(self.candidates),
            predictors={kind: value for kind, (_, value) in predictors.items()},
        )

    # --- one network -------------------------------------------------------------------------------------------------

    def _decoded(self, network: Predictor) -> tuple[Predictor, float]:
        """The network with its temperature, and with the decoding and the flips that are best for it."""
        value = self._measure(NETWORK, network)
        background = self.data.facts.background
        if background is not None and background in self.data.facts.ignored:
            network, value = self._better(NETWORK, (network, value), {"excluded": (background,)})
        return self._flipped(NETWORK, self._calibrated(NETWORK, network), value)

    def _calibrated(self, kind: str, predictor: Predictor) -> Predictor:
        """The same single network with the temperature that fits it: no class changes by that."""
        if not self.asked.calibrate:
            return predictor
        (member,) = predictor.members
        temperature = fit_temperature(*self._pixels(kind, predictor))
        return predictor.model_copy(update={"members": (member.model_copy(update={"temperature": temperature}),)})

    def _flipped(self, kind: str, predictor: Predictor, value: float) -> tuple[Predictor, float]:
        best = predictor, value
        for flips in FLIPS if self.asked.tta else ():
            best = self._better(kind, best, {"flips": flips})
        return best

    def _better(
        self, kind: str, best: tuple[Predictor, float], change: Mapping[str, object]
    ) -> tuple[Predictor, float]:
        """The best one so far, or the changed one where that reaches more."""
        changed = best[0].model_copy(update=change)
        value = self._measure(kind, changed)
        return (changed, value) if value > best[1] else best

    # --- several -----------------------------------------------------------------------------------------------------

    def _soup(self, network: Predictor) -> tuple[Predictor, float] | None:
        """The best soup of the networks of one configuration, None where no mean of some beats the best of them."""
        soups = [soup for runs in self.runs.values() if (soup := self._best_soup(runs, network)) is not None]
        if not soups:
            self._keep(SOUP, ())
            return None
        runs, _ = max(soups, key=lambda soup: soup[1])
        names = ", ".join(run.training.words for run in runs)
        predictor = self._stirred(runs, f"the mean of {names}", network)
        self._keep(SOUP, predictor.members)
        value = self._measure(SOUP, predictor)
        return self._flipped(SOUP, self._calibrated(SOUP, predictor), value)

    def _best_soup(
        self, runs: Sequence[TrainingResult], network: Predictor
    ) -> tuple[list[TrainingResult], float] | None:
        """Which networks of one configuration, and what their soup reaches decoded as `network`; None where but one."""
        if len(runs) < 2:
            return None
        ordered = sorted(runs, key=lambda run: -run.miou)
        first = self._put(SOUP, ordered[:1]).model_copy(update={"excluded": network.excluded})
        chosen, value = greedy_soup(
            len(ordered),
            lambda places: self._value(self._stirred([ordered[place] for place in places], "a soup", network), SOUP),
            first=self._value(first, SOUP),
        )
        return ([ordered[place] for place in chosen], value) if len(chosen) > 1 else None

    def _stirred(self, runs: Sequence[TrainingResult], origin: str, network: Predictor) -> Predictor:
        """The network of averaged weights, its batch statistics measured anew, decoded as `network`; written."""
        config = runs[0].training.config
        averaged = build_model(config.model)
        averaged.load_state_dict(mean_weights([load_file(run.weights) for run in runs]))
        self.compute.place(averaged)
        images = (self.compute.images(images) for images, _ in sample_batches(self.data, config.seed))
        measure_statistics(averaged, images, self.compute.autocast)
        write_whole(self.task.folder / SOUP / SOUP_WEIGHTS, pack_weights(averaged))
        member = Member(config=config, weights=SOUP_WEIGHTS, origin=origin)
        return Predictor(members=(member,), excluded=network.excluded)

    def _ensemble(self, network: Predictor) -> tuple[Predictor, float] | None:
        """The greedy ensemble of all trained networks, None where it is but one of them."""
        members = self._put(ENSEMBLE, [run for runs in self.runs.values() for run in runs]).members
        pixels = [self._pixels(ENSEMBLE, Predictor(members=(member,), excluded=network.excluded)) for member in members]
        truth = pixels[0][1]
        temperatures = [fit_temperature(*each) if self.asked.calibrate else 1.0 for each in pixels]
        probabilities = [(logits / t).softmax(1) for (logits, _), t in zip(pixels, temperatures, strict=True)]
        counts, _ = greedy_ensemble(probabilities, truth, self.data.facts.objective)
        chosen = tuple(
            member.model_copy(update={"share": float(count), "temperature": temperature})
            for member, count, temperature in zip(members, counts, temperatures, strict=True)
            if count
        )
        self._keep(ENSEMBLE, chosen if len(chosen) > 1 else ())
        if len(chosen) == 1:
            return None
        together = Predictor(members=chosen, excluded=network.excluded)
        return self._flipped(ENSEMBLE, together, self._measure(ENSEMBLE, together))

    # --- measuring ---------------------------------------------------------------------------------------------------

    def _put(self, kind: str, runs: Sequence[TrainingResult]) -> Predictor:
        """The weights of these networks in the folder of `kind`, and the predictor of equal shares."""
        folder = self.task.folder / kind
        make_folder(folder)
        members = []
        for run in runs:
            name = f"{run.training.name}.safetensors"
            shutil.copyfile(run.weights, folder / name)
            members.append(Member(config=run.training.config, weights=name, origin=run.training.words))
        return Predictor(members=tuple(members))

    def _keep(self, kind: str, members: Sequence[Member]) -> None:
        """Delete the weights in the folder of `kind` of all but these; the folder too where there are none."""
        folder = self.task.folder / kind
        for path in folder.glob("*.safetensors"):
            if path.name not in {member.weights for member in members}:
                path.unlink()
        if not members:
            shutil.rmtree(folder, ignore_errors=True)

    def _pixels(self, kind: str, predictor: Predictor) -> tuple[Tensor, Tensor]:
        network = load_ensemble(predictor, self.task.folder / kind)
        self.compute.place(network)
        return pixel_logits(network, self.data, self.compute)

    def _measure(self, kind: str, predictor: Predictor) -> float:
        """The mIoU of a predictor whose weights are in the folder of `kind`, noted among the candidates."""
        value = self._value(predictor, kind)
        self.candidates.append(Candidate(name=kind, words=words(predictor), miou=value))
        return value

    def _value(self, predictor: Predictor, kind: str) -> float:
        network = load_ensemble(predictor, self.task.folder / kind)
        self.compute.place(network)
        return objective(validate(network, self.data, self.compute), self.data.facts)


def words(predictor: Predictor) -> str:
    """A predictor as a table names it."""
    first = predictor.members[0].origin if len(predictor.members) == 1 else predictor.words
    excluded = ", never background" if predictor.excluded else ""
    flips = f", {len(predictor.flips)} flips" if predictor.flips != ("none",) and len(predictor.members) == 1 else ""
    return f"{first}{excluded}{flips}"

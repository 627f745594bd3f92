"""From the options of a run to a plan: the data, the space, the study found or begun, what this machine can do.

No trial is started, and nothing is written but an empty folder: `--dry-run` ends with the plan.
"""

from dataclasses import dataclass
from pathlib import Path

from search.data.initial_weights import InitialWeights, read_initial_weights
from search.data.prepare import PreparedData, prepare_data
from search.errors import SpaceError, StudyError
from search.tuning.asha import default_grace
from search.tuning.encoder_file import fit_space
from search.tuning.estimates import Asked, choose_epochs, conclude
from search.tuning.folder import create_folder, study_folder
from search.tuning.fork_server import ForkServer
from search.tuning.options import Execution, RunOptions, check_grace
from search.tuning.packing_probe import probe_packing
from search.tuning.probe import LAYOUTS, PRECISIONS, Modes, Probe, run_probe
from search.tuning.resources import Resources, most_per_gpu, packed, plan_resources
from search.tuning.spec import StudySpec, read_spec
from search.tuning.storage import open_storage
from spaces.encoders import encoders_of
from spaces.presets import UnknownSpaceError, build_space
from spaces.space import SearchSpace


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that is known before the first trial."""

    options: RunOptions
    folder: Path
    prepared: PreparedData
    space: SearchSpace
    resources: Resources
    spec: StudySpec
    continued: bool


def prepare(options: RunOptions, server: ForkServer) -> tuple[PreparedData, SearchSpace]:
    """Check the options, read the weights to start from and the data, build the space. Raises UserError."""
    options.check()
    study_folder(options.what.results, options.study_name)
    what = options.what
    start = read_initial_weights(what.pretrained)
    prepared = prepare_data(what.data, seed=what.seed, input_size=options.input_size, stratify=what.stratify)
    try:
        space = build_space(options.what.space, prepared.facts)
    except UnknownSpaceError as error:
        raise SpaceError(str(error)) from error
    check_encoders(space, start)
    check_unlabelled(space, prepared, what.space)
    if not space.has_pseudo_labels:
        prepared = prepared.without_unlabelled()
    return prepared.starting_from(start), fit_space(space, start, server)


def check_encoders(space: SearchSpace, start: InitialWeights) -> None:
    """Raise SpaceError where networks shall start from an encoder's weights, and none of the space has an encoder."""
    if start.pretrained == "none" or start.whole_network or encoders_of(space):
        return
    what = "timm's weights" if start.pretrained == "imagenet" else "the weights of an encoder, as that file's are,"
    raise SpaceError(
        f"{what} need networks with an encoder of timm, and the space {space.name} has none: choose one such as "
        "encoder_family or all_families, or --pretrained none"
    )


def check_unlabelled(space: SearchSpace, prepared: PreparedData, given: str) -> None:
    """Raise SpaceError where the space has pseudo-labels, and the data no images for them."""
    if space.has_pseudo_labels and not prepared.facts.unlabelled_images:
        misfit = prepared.unlabelled.misfit
        reason = "" if misfit is None else f" that fit ({misfit})"
        raise SpaceError(
            f"the space {given!r} has augment.pseudo_labels, and the data has no images without labels{reason}; "
            "add test_set to the npz file or a folder unlabelled/, or give the space pseudo-labels only where "
            "facts.unlabelled_images is above 0"
        )


def check_places(options: RunOptions) -> None:
    """Make the study's folder and reach its storage, before anything is measured. Raises StudyError."""
    folder = study_folder(options.what.results, options.study_name)
    create_folder(folder)
    if options.what.storage is not None:
        open_storage(options.what.storage)


def plan(
    options: RunOptions, prepared: PreparedData, space: SearchSpace, resources: Resources, server: ForkServer
) -> Plan:
    """Find or begin the study. Measures this machine for a new one. Raises UserError, also for another identity."""
    folder = study_folder(options.what.results, options.study_name)
    stored = read_spec(folder)
    if stored is None:
        spec, resources = begun_spec(options, prepared, space, resources, server)
    else:
        spec = continued_spec(options, prepared, space, stored)
        if packs(options, resources) and spec.measured.packing is not None:
            resources = packed(resources, spec.measured.packing.trials_per_gpu)
    return Plan(
        options=options,
        folder=folder,
        prepared=prepared,
        space=space,
        resources=resources,
        spec=spec,
        continued=stored is not None,
    )


def resources_of(options: RunOptions) -> Resources:
    """What this machine gives to the trials. Raises UserError where more is asked for."""
    concurrency = 1 if options.execution.executor == "local" else options.concurrency
    return plan_resources(concurrency=concurrency, gpus_per_trial=options.gpus_per_trial)


def packs(options: RunOptions, resources: Resources) -> bool:
    """Whether the number of trials on a GPU is left to a measurement."""
    asked = options.execution.executor == "local", options.concurrency, options.gpus_per_trial
    return resources.gpus > 0 and asked == (False, None, None)


def begun_spec(
    options: RunOptions, prepared: PreparedData, space: SearchSpace, resources: Resources, server: ForkServer
) -> tuple[StudySpec, Resources]:
    """Measure this machine for a new study: its spec, and the resources with as many trials on a GPU as are worthwhile.

    Which networks are admitted, and may have to fit beside each other, follows from the time of one trial a GPU: where
    several share it each takes longer, and no more are admitted.
    """
    probe = run_probe(space, prepared.trial, resources, admitted_modes(options.execution), server)
    spec = new_spec(options, prepared, space, probe, resources)
    if not packs(options, resources) or most_per_gpu(resources) == 1:
        return spec, resources
    probe, resources = probe_packing(probe, space, prepared.trial, spec.measured.fitting_points, resources, server)
    return new_spec(options, prepared, space, probe, resources), resources


def admitted_modes(execution: Execution) -> Modes:
    """The precisions and layouts that the probe compares."""
    return Modes(
        precisions=PRECISIONS if execution.precision == "auto" else (execution.precision,),
        layouts=LAYOUTS if execution.layout == "auto" else (execution.layout,),
    )


def new_spec(
    options: RunOptions, prepared: PreparedData, space: SearchSpace, probe: Probe, resources: Resources
) -> StudySpec:
    """The spec of a study that begins: what was not asked for follows from the measurements."""
    max_epochs = options.budget.max_epochs or choose_epochs(probe.speed.seconds_per_epoch, options.time_budget)
    check_grace(options.budget.grace_epochs, max_epochs)
    asked = Asked(
        max_params=options.networks.max_params,
        max_macs=options.networks.max_macs,
        trials=options.budget.trials,
        time_budget=options.time_budget,
    )
    grace = options.budget.grace_epochs or default_grace(max_epochs, options.budget.reduction_factor)
    return StudySpec(
        space=options.what.space,
        space_fingerprint=space.fingerprint,
        data_name=data_name(options),
        data_fingerprint=prepared.fingerprint,
        split_fingerprint=prepared.split.fingerprint,
        stratify=prepared.split.recipe.stratify,
        unlabelled_fingerprint=prepared.unlabelled_fingerprint if space.has_pseudo_labels else None,
        seed=options.what.seed,
        objectives=options.objectives,
        max_epochs=max_epochs,
        grace_epochs=grace,
        reduction_factor=options.budget.reduction_factor,
        patience=max(grace, max_epochs // 2),
        max_params=options.networks.max_params,
        max_macs=options.networks.max_macs,
        warm_start=not options.budget.no_warm_start,
        pretrained=prepared.pretrained,
        facts=prepared.facts,
        measured=conclude(probe, asked, max_epochs=max_epochs, resources=resources),
    )


def continued_spec(options: RunOptions, prepared: PreparedData, space: SearchSpace, stored: StudySpec) -> StudySpec:
    """The stored spec, if the options ask for the same study. Raises StudyError that shows what differs."""
    asked = {
        "space": options.what.space,
        "space_fingerprint": space.fingerprint,
        "data_fingerprint": prepared.fingerprint,
        "split_fingerprint": prepared.split.fingerprint,
        "stratify": prepared.split.recipe.stratify,
        "unlabelled_fingerprint": prepared.unlabelled_fingerprint if space.has_pseudo_labels else None,
        "facts": prepared.facts,
        "seed": options.what.seed,
        "objectives": options.objectives,
        "reduction_factor": options.budget.reduction_factor,
        "warm_start": not options.budget.no_warm_start,
        "pretrained": prepared.pretrained,
    }
    optional = {
        "max_epochs": options.budget.max_epochs,
        "grace_epochs": options.budget.grace_epochs,
        "max_params": options.networks.max_params,
        "max_macs": options.networks.max_macs,
    }
    asked |= {name: value for name, value in optional.items() if value is not None}
    differences = [*stored.differences(stored.model_copy(update=asked)), *other_modes(options.execution, stored)]
    if differences:
        listing = "\n".join(f"  {line}" for line in differences)
        raise StudyError(
            f"the study {options.study_name!r} exists and is another one:\n{listing}\n"
            "Use another --study name, or the options it was started with; uv run python -m search.delete removes it"
        )
    return stored


def other_modes(execution: Execution, stored: StudySpec) -> list[str]:
    """A line for the precision and for the layout, where another one is asked for than the study was begun with."""
    asked = {"precision": execution.precision, "layout": execution.layout}
    has = {"precision": stored.measured.precision, "layout": stored.measured.layout}
    return [
        f"{name}: the study has {has[name]}, asked for {value}"
        for name, value in asked.items()
        if value not in ("auto", has[name])
    ]


def data_name(options: RunOptions) -> str:
    """What the data is called in tables: its file or folder name."""
    return options.what.data.name if options.what.data is not None else "demo set"

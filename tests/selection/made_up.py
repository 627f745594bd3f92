"""An answer without a study."""

from search.selection.answer import (
    Answer,
    Candidate,
    ClassScore,
    Difference,
    Interval,
    LockedTest,
    Opening,
    SearchBest,
    SystemScore,
)


def score(name: str, miou: float, seeds: tuple[float, ...] = ()) -> SystemScore:
    interval = Interval(value=miou, low=miou - 0.02, high=miou + 0.03)
    return SystemScore(
        name=name,
        words=f"{name} in words",
        miou=interval,
        classes=(
            ClassScore(name="background", groups=9, iou=None),
            ClassScore(name="soil", groups=30, iou=interval),
            ClassScore(name="rock [big]", groups=3, iou=Interval(value=miou / 2)),
        ),
        readings={"standard_fg": miou - 0.1},
        seeds=seeds,
        validation=miou + 0.01,
    )


def answer(*, reopened: bool = False) -> Answer:
    systems = (
        score("ensemble", 0.61),
        score("network", 0.60),
        score("trial-4", 0.59, (0.58, 0.60)),
        score("default", 0.5),
    )
    differences = [
        Difference(against=system.name, difference=Interval(value=0.61 - system.miou.value, low=-0.01, high=0.12))
        for system in systems[1:]
    ]
    openings = [Opening(time="2026-03-04T12:00:00+00:00", systems=4)]
    if reopened:
        openings.append(Opening(time="2026-03-05T12:00:00+00:00", systems=4, reopened="--reopen"))
    return Answer(
        study="mars",
        trial=4,
        retrained=(0.60, 0.62),
        search_best=SearchBest(trial=2, value=0.65, retrained=(0.60, 0.58)),
        seed_noise=0.0141,
        seed_noise_range=(0.007, 0.2),
        candidates=(
            Candidate(name="network", words="trial 4, seed 2", miou=0.62),
            Candidate(name="ensemble", words="an ensemble of 3 networks", miou=0.63),
        ),
        chosen="ensemble",
        validation=0.63,
        openings=tuple(openings),
        test=LockedTest(
            images=40,
            groups=32,
            systems=systems,
            differences=tuple(differences),
            confusion=((5, 1, 0), (2, 90, 4), (0, 7, 11)),
        ),
        class_names=("background", "soil", "rock [big]"),
    )

"""Answers by hand, as `search.selection.answer` stores them."""

from pathlib import Path
from typing import Any

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
    answer_folder,
    write_answer,
)


def system(name: str, value: float, **changes: Any) -> SystemScore:
    fields = {
        "name": name,
        "words": f"{name}, one network",
        "miou": Interval(value=value, low=value - 0.03, high=value + 0.03),
        "classes": (
            ClassScore(name="soil", groups=40, iou=Interval(value=value + 0.1, low=value, high=value + 0.2)),
            ClassScore(name="<b>rock</b>", groups=3, iou=Interval(value=value - 0.2)),
            ClassScore(name="background", groups=50, iou=None),
        ),
        "readings": {"standard_fg": value - 0.05},
        "validation": value + 0.01,
    }
    return SystemScore.model_validate({**fields, **changes})


def answer(**changes: Any) -> Answer:
    fields = {
        "study": "mars",
        "trial": 7,
        "retrained": (0.59, 0.61, 0.60),
        "search_best": SearchBest(trial=7, value=0.62, retrained=(0.59, 0.61, 0.60)),
        "seed_noise": 0.008,
        "candidates": (
            Candidate(name="trial 7", words="unet 32x4", miou=0.60),
            Candidate(name="ensemble", words="an ensemble of 3 networks", miou=0.63),
        ),
        "chosen": "ensemble",
        "validation": 0.63,
        "openings": (Opening(time="2026-03-05 10:00", systems=3),),
        "test": LockedTest(
            images=84,
            groups=14,
            systems=(system("ensemble", 0.61, seeds=()), system("default", 0.52, seeds=(0.51, 0.52, 0.53))),
            differences=(Difference(against="default", difference=Interval(value=0.09, low=0.04, high=0.13)),),
            confusion=((0, 0, 0, 0, 0), *((10, 80, 5, 5, 0), (2, 8, 85, 5, 0), (0, 5, 5, 90, 0), (0, 10, 30, 10, 50))),
        ),
        "class_names": ("background", "soil", "bedrock", "sand", "big rock"),
    }
    return Answer.model_validate({**fields, **changes})


def store(folder: Path, found: Answer) -> None:
    """Write an answer into a study's folder, as the command that finds it does."""
    answer_folder(folder).mkdir()
    write_answer(folder, found)

"""Writing a package: all of it, or nothing."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from search.errors import StudyError
from search.selection.export import Export, check_empty
from search.selection.loading import load_ensemble
from search.selection.package import predict
from search.selection.package.card import CardFacts, model_card
from search.selection.package.contents import CARD_NAME, HASHES_NAME, PREPROCESSING_NAME, SCRIPT_NAME, Preprocessing
from search.selection.package.hashes import hash_package
from search.selection.package.programs import Program, write_programs
from search.selection.predictor import PREDICTOR_NAME
from search.tuning.folder import BEST_NAME

READ_BY_ALL = 0o755


def write_package(export: Export, target: Path, licence: str = "unknown") -> tuple[Program, ...]:
    """Write the package to the folder `target`, which must be new or empty; what became of its programs.

    Raises StudyError where `target` cannot be used or written, or the weights are damaged; it is then as it was.
    """
    check_empty(target)
    assert export.best.data.form is not None, "an export is planned with the form of its data"
    size, excluded = export.best.data.input_size, export.predictor.excluded
    preprocessing = Preprocessing.of(export.best.data.form, size, excluded)
    with _written_aside(target) as folder:
        for source, name in export.weights.items():
            shutil.copyfile(source, folder / name)
        (folder / BEST_NAME).write_text(export.best.to_yaml(), encoding="utf-8")
        (folder / PREDICTOR_NAME).write_text(export.predictor.to_yaml(), encoding="utf-8")
        (folder / PREPROCESSING_NAME).write_text(preprocessing.to_json(), encoding="utf-8")
        shutil.copyfile(predict.__file__, folder / SCRIPT_NAME)
        programs = write_programs(load_ensemble(export.predictor, folder), preprocessing, folder)
        facts = CardFacts(
            study=export.study,
            best=export.best,
            predictor=export.predictor,
            preprocessing=preprocessing,
            answer=export.answer,
            openings=export.openings,
            audit=export.audit,
            programs=programs,
            licence=licence,
        )
        (folder / CARD_NAME).write_text(model_card(facts), encoding="utf-8")
        (folder / HASHES_NAME).write_text(hash_package(folder, export.best).model_dump_json(indent=2) + "\n")
    return programs


@contextmanager
def _written_aside(target: Path) -> Iterator[Path]:
    """A new folder beside `target`, which becomes `target` when the block ends, and goes away where it raises."""
    place = target.resolve()
    made: Path | None = None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
        yield made
        _move(made, place)
    except OSError as error:
        way_out = "make room and give the command again" if error.errno == errno.ENOSPC else "choose another with --to"
        raise StudyError(f"{target} cannot be written: {error.strerror or error}; {way_out}") from error
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)


def _move(made: Path, place: Path) -> None:
    """Make the folder `made` the folder `place`; one that exists keeps its own identity, it may be a mounted disk."""
    if not place.exists():
        made.chmod(READ_BY_ALL & ~_umask())
        made.rename(place)
        return
    names = sorted((path.name for path in made.iterdir()), key=lambda name: name == HASHES_NAME)
    for name in names:  # the hashes last: without them it is no package
        shutil.move(made / name, place / name)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

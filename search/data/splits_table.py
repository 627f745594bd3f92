"""Tables of stem, split and group: `splits.csv` beside a data set, `split.csv` in a study's folder."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from search.data.dataset import Part
from search.errors import DataError

COLUMNS = ("stem", "split", "group")
PART_NAMES: dict[str, Part] = {
    "train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
    "test": "test",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Row:
    """Where one image belongs: its part and its group, None where the table does not say."""

    stem: str
    part: Part | None = None
    group: str | None = None


def read_table(path: Path, stems: Sequence[str]) -> list[Row]:
    """The row of each stem, in the order of `stems`; rows without part and group where there is no file.

    The header names `stem` and one or both of `split` (train, validation, test) and `group`; empty cells are unknown.
    A split must be given for every image or for none. Raises DataError.
    """
    if not path.is_file():
        return [Row(stem=stem) for stem in stems]
    rows = {row.stem: row for row in parse(path)}
    missing, unknown = [stem for stem in stems if stem not in rows], sorted(set(rows) - set(stems))
    if unknown:
        raise DataError(f"{path.name} names {len(unknown)} stems without an image, such as {unknown[:3]}")
    if any(row.part for row in rows.values()):
        missing += [row.stem for row in rows.values() if row.part is None]
        if missing:
            raise DataError(f"{path.name} must give every image a split; it leaves out {len(missing)}: {missing[:3]}")
    return [rows.get(stem, Row(stem=stem)) for stem in stems]


def parse(path: Path) -> list[Row]:
    """All rows of a table. Raises DataError for a wrong header, an unknown part or a stem named twice."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if "stem" not in (reader.fieldnames or ()) or not {"split", "group"} & set(reader.fieldnames or ()):
                raise DataError(f"{path.name} needs a header with stem and split or group; it has {reader.fieldnames}")
            rows = [parse_row(cells, path.name) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path.name} cannot be read: {error}") from error
    if len({row.stem for row in rows}) < len(rows):
        raise DataError(f"{path.name} names a stem twice")
    return rows


def parse_row(cells: dict[str, str | None], name: str) -> Row:
    """One line of the table."""
    stem, split, group = ((cells.get(column) or "").strip() for column in COLUMNS)
    if split and split.lower() not in PART_NAMES:
        raise DataError(f"a split is train, validation or test; {name} gives {stem!r} the split {split!r}")
    return Row(stem=stem, part=PART_NAMES.get(split.lower()), group=group or None)


def write_table(path: Path, rows: Iterable[Row]) -> None:
    """Write rows with a header, UTF-8."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((row.stem, row.part or "", row.group or "") for row in rows)

"""The folder form: `images/` and `masks/` of the same stems; optional `classes.yaml`, `splits.csv`, `unlabelled/`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from search.data.classes import Classes, declared_classes, found_classes, read_class_table, to_indices
from search.data.dataset import IntensityRange, Part, SegmentationData, stack
from search.data.images import jpeg_mask, read_image, read_mask
from search.data.intensity import check_finite, own_range, to_uint8
from search.data.splits_table import Row, read_table
from search.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
JPEG = (".jpg", ".jpeg")


def read_folder(path: Path) -> SegmentationData:
    """Read a folder of images and masks; see `ClassTable` for `classes.yaml`, `read_table` for `splits.csv`.

    Without `classes.yaml` each label found is a class, none is ignored, and 255 is void only beside other nonzero
    labels. Images of 8 bits stay as they are; all others are mapped linearly to 8 bits, each channel from its lowest
    and highest value in the whole data set. Sizes may differ. Raises DataError.
    """
    images, masks = find_files(path / "images"), find_files(path / "masks")
    check_partners(images, masks)
    stems = tuple(sorted(images))
    classes, indices = read_masks([masks[stem] for stem in stems], path / "classes.yaml", stems)
    pixels, intensity = read_images([images[stem] for stem in stems], stems)
    rows = read_table(path / "splits.csv", stems)
    return SegmentationData(
        images=stack(pixels),
        masks=stack(indices),
        stems=stems,
        groups=tuple(row.group for row in rows),
        class_names=classes.names,
        labels=classes.labels,
        background=classes.background,
        ignored=classes.ignored,
        parts=predefined(rows),
        intensity=intensity,
        colored=classes.colored,
    )


def find_files(folder: Path) -> dict[str, Path]:
    """Image files of a folder by stem; hidden files and other types are passed over. Raises DataError."""
    if not folder.is_dir():
        raise DataError(f"a data folder needs images/ and masks/; there is no folder {folder}")
    files: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        if file.name.startswith(".") or file.suffix.lower() not in SUFFIXES:
            continue
        if folder.name == "masks" and file.suffix.lower() in JPEG:
            raise jpeg_mask(file)
        if file.stem in files:
            raise DataError(f"a stem may occur once; {folder.name}/ holds {files[file.stem].name} and {file.name}")
        files[file.stem] = file
    if not files:
        raise DataError(f"{folder.name}/ holds no image; readable are {', '.join(SUFFIXES)}")
    return files


def check_partners(images: dict[str, Path], masks: dict[str, Path]) -> None:
    """Raise DataError that names images without a mask and masks without an image."""
    alone = [f"images/{images[stem].name}" for stem in sorted(images.keys() - masks.keys())]
    alone += [f"masks/{masks[stem].name}" for stem in sorted(masks.keys() - images.keys())]
    if alone:
        raise DataError(
            f"every image needs a mask of the same stem, and every mask an image; without a partner: {len(alone)} "
            f"files, such as {', '.join(alone[:5])}"
        )


def read_masks(files: Sequence[Path], table: Path, stems: Sequence[str]) -> tuple[Classes, list[np.ndarray]]:
    """Classes as declared or as found, and masks (H, W) of class indices and VOID."""
    if table.is_file():
        classes = declared_classes(read_class_table(table))
        return classes, to_indices([read_mask(file, colored=classes.colored) for file in files], classes, stems)
    raw = [read_mask(file, colored=False) for file in files]
    seen = np.zeros(1 << 16, dtype=bool)
    for mask in raw:
        seen[mask] = True
    classes = found_classes(np.flatnonzero(seen).tolist())
    return classes, to_indices(raw, classes, stems)


def read_images(files: Sequence[Path], stems: Sequence[str]) -> tuple[list[np.ndarray], IntensityRange | None]:
    """Images (H, W, C) uint8, and the range they were mapped from unless they were 8-bit."""
    images = [read_image(file) for file in files]
    types = sorted({str(image.dtype) for image in images})
    if len(types) > 1:
        raise DataError(f"all images need the same bit depth; images/ holds {' and '.join(types)}. Convert them to one")
    if types == ["uint8"]:
        return images, None
    check_finite(images, stems)
    if len({image.shape[2] for image in images}) > 1:
        return [image.astype(np.uint8) for image in images], None  # the data set's own check names the images
    intensity = own_range(images)
    return [to_uint8(image, intensity) for image in images], intensity


def read_unlabelled_folder(path: Path, data: SegmentationData) -> Iterator[np.ndarray]:
    """The images (H, W, C) uint8 of the folder `unlabelled/`, one after the other, mapped as those of `images/`.

    Raises DataError where one has other channels or another bit depth than those.
    """
    if not (path / "unlabelled").is_dir():
        return
    depth = read_image(next(iter(find_files(path / "images").values()))).dtype
    for file in find_files(path / "unlabelled").values():
        image = read_image(file)
        if (image.shape[2], image.dtype) != (data.channels, depth):
            raise DataError(
                f"unlabelled images need the channels and the bit depth of those in images/, {data.channels} and "
                f"{depth}; unlabelled/{file.name} has {image.shape[2]} and {image.dtype}. Convert it, or take it out"
            )
        check_finite([image], [file.stem])
        yield image if data.intensity is None else to_uint8(image, data.intensity)


def predefined(rows: Sequence[Row]) -> tuple[Part, ...] | None:
    """The split that came with the data; `read_table` sees to it that it is complete or absent."""
    parts: tuple[Part, ...] = tuple(row.part for row in rows if row.part is not None)
    return parts or None

"""Predict masks with the network beside this file. Needs numpy, and onnxruntime or torch; Pillow for image files.

    python predict.py photo.png more/ tiles.npz --to predicted

Images, .npy and .npz files, or folders of them, go in; masks come out, in the form of the file they belong to: PNG for
an image, NAME.npy for an array, NAME.npz with `masks` for an archive. Their values are those of the masks that the
network was trained on. An array is one image (H, W) or (H, W, C), or several: (N, H, W), (N, H, W, C), (N, C, H, W).

What is done to an image is in preprocessing.json; README.md tells what the network is for.
"""

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
PROGRAMS = {"onnxruntime": "model.onnx", "torch": "model.pt2"}
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
ARRAYS = (".npy", ".npz")
BATCH = 16  # windows that the network gets at once
Run = Callable[[np.ndarray], np.ndarray]  # images (N, C, height, width) float32 in 0 to 1 -> logits (N, K, ...)


class InputError(Exception):
    """What was given cannot be used; the message says what could be."""


def load_program(runtime: str) -> Run:
    """The network, run by `runtime`; "auto" takes the first of onnxruntime and torch that is installed."""
    problems = []
    for name in PROGRAMS if runtime == "auto" else (runtime,):
        file = HERE / PROGRAMS[name]
        if not file.is_file():
            problems.append(f"{file.name} is not here")
            continue
        check_unchanged(file)
        try:
            return load_onnx(file) if name == "onnxruntime" else load_torch(file)
        except ImportError as error:
            problems.append(f"{name} cannot be imported ({error}): pip install {name}")
    raise InputError(f"nothing can run the network: {'; '.join(problems)}")


def load_onnx(path: Path) -> Run:
    """On a GPU where onnxruntime has one, else on the CPU."""
    import onnxruntime

    usable = ("CUDAExecutionProvider", "CPUExecutionProvider")
    there = [name for name in usable if name in onnxruntime.get_available_providers()]
    session = onnxruntime.InferenceSession(str(path), providers=there)
    return lambda images: np.asarray(session.run(["logits"], {"images": images})[0])


def load_torch(path: Path) -> Run:
    """On the CPU."""
    import torch

    module: Any = torch.export.load(path).module()

    def run(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return module(torch.from_numpy(images)).numpy()

    return run


def check_unchanged(path: Path) -> None:
    """Refuse a file that is not the one that was exported, where hashes.json tells."""
    hashes = HERE / "hashes.json"
    known = json.loads(hashes.read_text(encoding="utf-8"))["files"] if hashes.is_file() else {}
    if known.get(path.name) not in (None, hashlib.sha256(path.read_bytes()).hexdigest()):
        raise InputError(f"{path.name} is not the file that was exported: its sha256 differs. Copy the folder again")


def read_picture(path: Path) -> np.ndarray:
    """An image file as (H, W, C), with the file's own values."""
    try:
        from PIL import Image, ImageSequence
    except ImportError as error:
        raise InputError(f"image files need Pillow: pip install pillow, or save {path.name} as .npy") from error
    try:
        with Image.open(path) as image:
            deep = ";16" in str(getattr(image, "tile", ""))
            pages = ImageSequence.Iterator(image) if image.format == "TIFF" else [image]
            planes = [np.asarray(page.convert("RGB") if page.mode == "P" else page) for page in pages]
    except Exception as error:  # whatever a damaged file makes of a decoder
        raise InputError(f"{path.name} cannot be read as an image: {error}") from error
    if deep and planes[0].dtype == np.uint8:
        raise InputError(f"{path.name} has colours of 16 bits, which Pillow would cut to 8: save it as .npy")
    planes = [plane * np.uint8(255) if plane.dtype == bool else plane for plane in planes]
    return np.concatenate([plane if plane.ndim == 3 else plane[..., None] for plane in planes], axis=2)


def read_array(path: Path, wanted: str | None) -> np.ndarray:
    """The array in an .npy file, or that of an .npz file which holds the images."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded as archive:
            name = chosen_name(path, archive.files, wanted)
            array = archive[name]
            return array[:, 0] if name == "training_set" and array.shape[1] == 2 else array  # image, mask
    except InputError:
        raise
    except Exception as error:  # a truncated archive, a pickle, no array at all
        raise InputError(f"{path.name} cannot be read as an array of numbers: {error}") from error


def chosen_name(path: Path, names: list[str], wanted: str | None) -> str:
    """Which array of an archive holds the images."""
    for name in ("test_set", "training_set") if wanted is None else (wanted,):
        if name in names:
            return name
    if wanted is None and len(names) == 1:
        return names[0]
    raise InputError(f"{path.name} holds the arrays {names}: name the one with the images by --array")


def as_images(array: np.ndarray, channels: int, name: str) -> tuple[np.ndarray, bool]:
    """An array of any layout as images (N, H, W, C), and whether it is a single one."""
    shape, single = array.shape, array.ndim == 2 or (array.ndim == 3 and array.shape[2] == channels)
    images = array[None] if single else array
    if images.ndim == 3 and channels == 1:
        images = images[..., None]
    if images.ndim == 4 and images.shape[3] != channels == images.shape[1]:
        images = np.moveaxis(images, 1, 3)
    if images.ndim != 4 or images.shape[3] != channels or not images.size:
        raise InputError(f"the network takes images of {channels} channel(s); {name} has the shape {shape}")
    return images, single


def write_masks(path: Path, masks: list[np.ndarray], single: bool) -> None:
    """Write masks in the form of the file `path` that they are named for."""
    if path.suffix == ".npy":
        np.save(path, masks[0] if single else np.stack(masks))
    elif path.suffix == ".npz":
        np.savez_compressed(path, masks=np.stack(masks))
    else:
        from PIL import Image

        Image.fromarray(masks[0]).save(path.with_suffix(".png"))


class Predictor:
    """preprocessing.json and the network, as one function from images to masks."""

    def __init__(self, settings: dict[str, Any], run: Run) -> None:
        self.channels, self.scale, self.intensity = settings["channels"], settings["scale"], settings["intensity"]
        self.height, self.width = settings["height"], settings["width"]
        values = [entry["value"] for entry in settings["classes"]]
        self.values = np.array(values, dtype=np.uint8 if np.max(values) < 256 else np.uint16)
        self.run = run

    def masks(self, images: np.ndarray, name: str) -> Iterator[np.ndarray]:
        """The mask (H, W), or (H, W, 3) of colours, of each of the images (N, H, W, C)."""
        for image in images:
            logits = self.logits(self.eight_bits(image, name))
            yield self.values[logits.argmax(axis=0)]

    def eight_bits(self, image: np.ndarray, name: str) -> np.ndarray:
        """An image (H, W, C) of any number type as uint8, as training images were mapped."""
        if image.dtype.kind not in "buif" or not np.isfinite(image).all():
            raise InputError(f"pixels must be finite numbers; {name} holds others ({image.dtype})")
        ranges = self.intensity or [[0, 255]] * self.channels
        if any(list(limits) not in ([0, 1], [0, 255]) for limits in ranges) or ranges != [ranges[0]] * self.channels:
            if image.dtype.itemsize == 1:
                raise InputError(f"the network was trained on images of more than 8 bits; {name} has {image.dtype}")
            return to_uint8(image, ranges)
        if image.dtype == np.uint8:
            return image
        top = 1 if list(ranges[0]) == [0, 1] and image.dtype.kind == "f" else 255
        if image.min() < 0 or image.max() > top:
            raise InputError(
                f"the network was trained on values from 0 to {top}; {name} has {image.dtype} values from "
                f"{image.min():.6g} to {image.max():.6g}"
            )
        return to_uint8(image, [[0, top]] * self.channels)

    def logits(self, image: np.ndarray) -> np.ndarray:
        """Logits (K, H, W) float32 of an image (H, W, C) uint8 of any size."""
        scaled = shrink(image, self.scale)
        (height, width), (rows, columns) = image.shape[:2], scaled.shape[:2]
        missing = ((0, max(0, self.height - rows)), (0, max(0, self.width - columns)), (0, 0))
        logits = self.average(np.pad(scaled, missing, mode="reflect"))[:, :rows, :columns]
        return logits if (rows, columns) == (height, width) else enlarge(logits, height, width)

    def average(self, image: np.ndarray) -> np.ndarray:
        """Logits (K, H, W) of an image no smaller than a window: the weighted mean over windows."""
        tops, lefts = starts(image.shape[0], self.height), starts(image.shape[1], self.width)
        corners = [(top, left) for top in tops for left in lefts]
        weight = np.outer(triangle(self.height), triangle(self.width))
        total = np.zeros((len(self.values), *image.shape[:2]), np.float32)
        weights = np.zeros(image.shape[:2], np.float32)
        for start in range(0, len(corners), BATCH):
            chunk = corners[start : start + BATCH]
            windows = np.stack([image[top : top + self.height, left : left + self.width] for top, left in chunk])
            batch = np.ascontiguousarray(np.moveaxis(windows, 3, 1)) / np.float32(255)
            for (top, left), logits in zip(chunk, self.run(batch), strict=True):
                place = (slice(top, top + self.height), slice(left, left + self.width))
                total[(slice(None), *place)] += weight * logits
                weights[place] += weight
        return total / weights


def to_uint8(image: np.ndarray, ranges: list[list[float]]) -> np.ndarray:
    """Map each channel of (H, W, C) linearly from its range to 0..255, rounded and clipped; a flat one becomes 0."""
    low = np.array([low for low, _ in ranges], dtype=np.float64)
    span = np.array([high - low if high > low else np.inf for low, high in ranges], dtype=np.float64)
    return np.rint(np.clip((image - low) * (255 / span), 0, 255)).astype(np.uint8)


def starts(length: int, window: int) -> list[int]:
    """Where windows begin on an axis: evenly, at most half a window apart, flush with both ends."""
    surplus = length - window
    steps = -(-surplus // max(1, window // 2))
    return [round(surplus * step / steps) for step in range(steps + 1)] if steps else [0]


def triangle(length: int) -> np.ndarray:
    """Weights of a window along an axis, least at its ends."""
    rising = np.arange(1, length + 1)
    return (np.minimum(rising, rising[::-1]) / np.float32(length)).astype(np.float32)


def shrink(image: np.ndarray, scale: float) -> np.ndarray:
    """An image (H, W, C) uint8 at `scale` times its size, averaged over areas: OpenCV's INTER_AREA to the last bit."""
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    if (height, width) == image.shape[:2]:
        return image
    mean = averaged(averaged(image.astype(np.float32), 1, width), 0, height)
    halved = image.shape[:2] == (2 * height, 2 * width) and image.shape[2] != 2
    return np.floor(mean + 0.5).astype(np.uint8) if halved else np.rint(mean).astype(np.uint8)  # as OpenCV rounds


def averaged(image: np.ndarray, axis: int, target: int) -> np.ndarray:
    """An image (H, W, C) float32 with `target` pixels along an axis, each the mean of the stretch it stands for."""
    length = image.shape[axis]  # summed up in OpenCV's order and float32: another would round some values otherwise
    low = np.arange(target) * (length / target)
    high = np.minimum(low + length / target, length)
    first = np.floor(low + 1e-9).astype(int)
    total = np.zeros((), np.float32)
    for step in range(int((np.ceil(high - 1e-9) - first).max())):
        pixels = first + step
        covered = np.clip(np.minimum(pixels + 1, high) - np.maximum(pixels, low), 0, None)
        weights = np.where(covered < 1e-3, 0, covered / (high - low)).astype(np.float32)
        shape = [-1 if index == axis else 1 for index in range(3)]
        total = total + image.take(np.minimum(pixels, length - 1), axis) * weights.reshape(shape)
    return total


def enlarge(logits: np.ndarray, height: int, width: int) -> np.ndarray:
    """Logits (K, h, w) at (height, width), bilinearly, pixels counted from their centres."""
    for axis, target in ((2, width), (1, height)):
        length = logits.shape[axis]
        places = (np.arange(target, dtype=np.float32) + np.float32(0.5)) * np.float32(length / target) - np.float32(0.5)
        places = np.maximum(places, np.float32(0))
        low = places.astype(np.int64)
        share = (places - low.astype(np.float32)).reshape([-1 if index == axis else 1 for index in range(3)])
        upper = np.minimum(low + 1, length - 1)
        logits = logits.take(low, axis) * (1 - share) + logits.take(upper, axis) * share
    return logits


def find_inputs(given: list[Path]) -> list[Path]:
    """All files that were given, and those in folders that were."""
    files = []
    for path in given:
        if path.is_dir():
            inside = [file for file in sorted(path.iterdir()) if not file.name.startswith(".")]
            files += [file for file in inside if file.suffix.lower() in (*PICTURES, *ARRAYS)]
        elif path.is_file():
            files.append(path)
        else:
            raise InputError(f"there is no file or folder {path}")
    if not files:
        raise InputError(f"no image in {', '.join(map(str, given))}; read are {', '.join((*PICTURES, *ARRAYS))}")
    return files


def prepare_output(folder: Path, files: list[Path]) -> None:
    """Make the folder; refuse one that is not empty, and two files whose masks would have one name."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"--to needs a new or an empty folder, so that nothing is overwritten; {folder} is not")
    names = Counter(output_name(file) for file in files)
    if twice := [name for name, count in names.items() if count > 1]:
        raise InputError(f"two masks would be named {twice[0]}: predict these files into different folders")
    folder.mkdir(parents=True, exist_ok=True)


def output_name(file: Path) -> str:
    """The name of the file with the mask."""
    return file.stem + (file.suffix.lower() if file.suffix.lower() in ARRAYS else ".png")


def predict_file(predictor: Predictor, file: Path, target: Path, wanted: str | None) -> int:
    """Write the masks of one file; how many there are."""
    in_array = file.suffix.lower() in ARRAYS
    array = read_array(file, wanted) if in_array else read_picture(file)[None]
    images, single = as_images(array, predictor.channels, file.name)
    masks = list(predictor.masks(images, file.name))
    write_masks(target, masks, single)
    return len(masks)


def read_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGES", help="files, or folders of files")
    parser.add_argument("--to", required=True, type=Path, metavar="FOLDER", help="for the masks: new, or empty")
    parser.add_argument("--runtime", choices=("auto", *PROGRAMS), default="auto", help="default: what is installed")
    parser.add_argument(
        "--array", metavar="NAME", help="in .npz files; default: test_set, training_set, or the only one"
    )
    return parser.parse_args()


def main() -> int:
    """Predict all files; 2 where one could not be used, after all others were."""
    options = read_arguments()
    files = find_inputs(options.images)
    check_unchanged(HERE / "preprocessing.json")
    settings = json.loads((HERE / "preprocessing.json").read_text(encoding="utf-8"))
    predictor = Predictor(settings, load_program(options.runtime))
    prepare_output(options.to, files)
    count, problems = 0, []
    for file in files:
        try:
            count += predict_file(predictor, file, options.to / output_name(file), options.array)
        except InputError as error:
            problems.append(str(error))
    print(f"{count} masks in {options.to}")
    for problem in problems:
        sys.stderr.write(f"error: left out: {problem}\n")
    return 2 if problems else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)

"""A network as programs that need no code of this tool: ONNX, and torch.export. Each is checked against the network.

Importing this module does not import torch; its functions do.
"""

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from search.selection.package.contents import ONNX_NAME, PREPROCESSING_NAME, TORCH_NAME, Preprocessing, Window
from spaces.schema import Config

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.export import ExportedProgram

MOST_DIFFERENCE = 1e-3
"""How far the probability of any class may be from the network's in any pixel; rounding is below a hundredth of it."""

INPUT, OUTPUT = "images", "logits"
CHECKED_BATCHES = (1, 3)
"""Sizes of batches that a program is checked with: others than that it was traced with."""

TRACED_BATCH = 2


class Program(Config):
    """A program file, or why there is none. `difference` is the largest of a probability from the network's."""

    name: str
    words: str
    difference: float | None = None
    problem: str | None = None

    @property
    def written(self) -> bool:
        """Whether the file is there."""
        return self.problem is None


def agreement(program: Program) -> str:
    """How well a program that was written agrees with the network, in words."""
    if program.difference == 0:
        return "all probabilities are equal"
    return f"no probability differs by more than {program.difference:.1g}"


class MismatchError(ArithmeticError):
    """A program does not compute what the network does."""


def write_programs(network: "nn.Module", preprocessing: Preprocessing, folder: Path) -> tuple[Program, ...]:
    """Write `model.onnx` and `model.pt2` of `network`, which is in evaluation mode on the CPU, to `folder`.

    Both map `images` (N, C, height, width) float32 in 0 to 1, of any N, to `logits` (N, K, height, width) float32, and
    hold `preprocessing.json` as their metadata. A format that the network cannot be written in, or that does not
    compute what the network does, is left out, and its `problem` says why.
    """
    window, metadata = preprocessing.window, {PREPROCESSING_NAME: preprocessing.to_json()}
    checks = [(images, probabilities(_run(network, images))) for images in _check_images(window, preprocessing)]
    traced: list[ExportedProgram] = []

    def program() -> "ExportedProgram":
        if not traced:
            traced.append(trace(network, preprocessing))
        return traced[0]

    writers: dict[str, tuple[str, Callable[[Path], Callable[[np.ndarray], np.ndarray]]]] = {
        ONNX_NAME: ("ONNX", lambda path: write_onnx(program(), path, metadata)),
        TORCH_NAME: ("torch.export", lambda path: write_torch(program(), path, metadata)),
    }
    return tuple(_written(folder / name, words, write, checks) for name, (words, write) in writers.items())


def trace(network: "nn.Module", preprocessing: Preprocessing) -> "ExportedProgram":
    """The network as a graph for batches of any size."""
    import torch

    shape = (TRACED_BATCH, preprocessing.channels, preprocessing.height, preprocessing.width)
    batch = torch.export.Dim("batch", min=1, max=1 << 16)
    with _quiet():
        return torch.export.export(network, (torch.full(shape, 0.5),), dynamic_shapes=({0: batch},))


def write_onnx(program: "ExportedProgram", path: Path, metadata: dict[str, str]) -> Callable[[np.ndarray], np.ndarray]:
    """Write the ONNX file; returns what runs it."""
    import onnx
    import onnxruntime
    import torch

    with _quiet():
        made = torch.onnx.export(program, dynamo=True, verbose=False, input_names=[INPUT], output_names=[OUTPUT])
        assert made is not None, "dynamo=True returns the program"
        made.model.metadata_props.update(metadata)
        made.save(path)
    onnx.checker.check_model(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: np.asarray(session.run([OUTPUT], {INPUT: images})[0])


def write_torch(program: "ExportedProgram", path: Path, metadata: dict[str, str]) -> Callable[[np.ndarray], np.ndarray]:
    """Write the torch.export file; returns what runs it."""
    import torch

    with _quiet():
        torch.export.save(program, path, extra_files=dict(metadata))
        module = torch.export.load(path).module()
    return lambda images: _run(module, images)


def probabilities(logits: np.ndarray) -> np.ndarray:
    """The softmax of logits (N, K, H, W) over the classes, in float64."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def largest_difference(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> float:
    """The largest difference between the two arrays of any pair; NaN where one of them holds it."""
    return float(np.max([np.abs(given - expected).max() for given, expected in pairs]))


def _written(
    path: Path,
    words: str,
    write: Callable[[Path], Callable[[np.ndarray], np.ndarray]],
    checks: list[tuple[np.ndarray, np.ndarray]],
) -> Program:
    """Write and check one file; exporters and runtimes raise errors of many kinds, and none of them ends an export."""
    try:
        run = write(path)
        difference = largest_difference((probabilities(run(images)), expected) for images, expected in checks)
        if not difference <= MOST_DIFFERENCE:
            raise MismatchError(
                f"its probabilities differ by up to {difference:.2g} from the network's, more than {MOST_DIFFERENCE:g}"
            )
    except OSError:
        raise
    except Exception as error:
        for left in path.parent.glob(f"{path.name}*"):
            left.unlink()
        return Program(name=path.name, words=words, problem=_first_words(error))
    return Program(name=path.name, words=words, difference=difference)


def _check_images(window: Window, preprocessing: Preprocessing) -> Iterator[np.ndarray]:
    """Images (N, C, H, W) in 0 to 1: noise, brighter from the first image to the last."""
    generator = np.random.default_rng(0)
    for count in CHECKED_BATCHES:
        noise = generator.random((count, preprocessing.channels, window.height, window.width), dtype=np.float32)
        yield noise * np.linspace(0.3, 1, count, dtype=np.float32)[:, None, None, None]


def _run(network: Any, images: np.ndarray) -> np.ndarray:
    import torch

    with torch.no_grad():
        logits: Tensor = network(torch.from_numpy(images))
    return logits.numpy()


def _first_words(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    """Exporters warn and log of their own insides; what comes out is checked."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)

"""A trained network on numpy images of any size."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from models.build import build_model
from search.data.input_size import MAX_TILES
from search.errors import StudyError, UserError
from search.interface.images import as_given, as_images
from search.interface.trained import Trained
from search.training.checkpoint import load_weights
from search.training.compute import Compute, default_device
from search.training.metrics import most_likely
from search.training.validation import logits_of
from search.training.windows import native_logits
from spaces.facts import DataFacts


@dataclass(frozen=True, kw_only=True, repr=False)
class Model:
    """A trained network that predicts images (H, W, C) uint8 at their own size.

    `network` is the torch module: images (N, C, H, W) float32 in 0 to 1 to logits (N, K, H, W), on `compute.device`.
    `class_names` has the name of each of the K classes, `input_size` the height and width of its training.
    Images of that size are predicted whole. Others are cut into windows of it that overlap by half, after those that
    are larger than two windows a side were shrunk to two, as training images were.
    """

    network: nn.Module
    class_names: tuple[str, ...]
    input_size: tuple[int, int]
    channels: int
    compute: Compute
    words: str

    def predict(self, images: np.ndarray | Sequence[np.ndarray]) -> np.ndarray | list[np.ndarray]:
        """The class index uint8 of each pixel: (H, W) of one image (H, W, C), (N, H, W) of images (N, H, W, C).

        A list of images of any sizes gives a list. Grey images may come without the last axis, one by one or in a list.
        Raises DataError for images of another type or number of channels.

        Example:
            >>> mask = model.predict(image)
            >>> mask.shape == image.shape[:2], str(mask.dtype)
            (True, 'uint8')
        """
        chosen = as_images(images, self.channels)
        masks = [most_likely(logits[None])[0].to(torch.uint8).cpu().numpy() for logits in self._logits(chosen)]
        return as_given(masks, images)

    def probabilities(self, images: np.ndarray | Sequence[np.ndarray]) -> np.ndarray | list[np.ndarray]:
        """The probability float32 of each class at each pixel, as `predict` with the K classes in a last axis.

        Example:
            >>> shares = model.probabilities(image)
            >>> shares.shape == (*image.shape[:2], len(model.class_names))
            True
        """
        chosen = as_images(images, self.channels)
        shares = [logits.softmax(0).movedim(0, -1).cpu().numpy() for logits in self._logits(chosen)]
        return as_given(shares, images)

    @torch.no_grad()
    def _logits(self, images: Sequence[np.ndarray]) -> Iterator[Tensor]:
        """The logits (K, H, W) float32 of each image (H, W, C), at its own size."""
        self.network.eval()
        for whole, group in groupby(images, key=lambda image: image.shape[:2] == self.input_size):
            if whole:
                for _, logits in logits_of(self.network, np.stack(list(group)), self.compute):
                    yield from logits.float()
            else:
                for image in group:
                    yield self._by_windows(image)

    def _by_windows(self, image: np.ndarray) -> Tensor:
        rows, columns = image.shape[:2]
        height, width = self.input_size
        return native_logits(
            lambda batch: self.network(self.compute.laid_out(batch)),
            image,
            self._facts,
            scale=min(1.0, MAX_TILES * height / rows, MAX_TILES * width / columns),
            batch_size=self.compute.forward_batch,
            device=self.compute.device,
        )

    @property
    def _facts(self) -> DataFacts:
        """Size and classes in the form that windows are cut by; nothing is known of the data."""
        unknown = (0,) * len(self.class_names)
        return DataFacts(
            channels=self.channels,
            class_names=self.class_names,
            objective=(),
            height=self.input_size[0],
            width=self.input_size[1],
            train_images=0,
            validation_images=0,
            class_pixels=unknown,
            class_images=unknown,
        )

    def __repr__(self) -> str:
        height, width = self.input_size
        return f"<Model {self.words}: {len(self.class_names)} classes, {height}x{width}, on {self.compute.device}>"


def build(trained: Trained, device: str = "auto") -> Model:
    """The network with its weights on a device. Raises StudyError, UserError."""
    compute = Compute(device=chosen_device(device), precision="float32", layout=trained.config.budget.layout)
    network = build_model(trained.config.model).eval()
    try:
        load_weights(trained.weights, network)
    except (SafetensorError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(" .:")
        raise StudyError(
            f"{trained.weights} does not hold the weights of {trained.words} ({reason}): a network needs best.yaml and "
            "best.safetensors of one training; search.export writes both"
        ) from error
    compute.place(network)
    return Model(
        network=network,
        class_names=trained.class_names,
        input_size=trained.input_size,
        channels=trained.config.model.in_channels,
        compute=compute,
        words=f"{trained.config.model.words}, {trained.words}",
    )


def chosen_device(name: str) -> torch.device:
    """The device of that name. Raises UserError for one that this machine does not have."""
    if name == "auto":
        return default_device()
    try:
        device = torch.device(name)
        torch.zeros((), device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(
            f"device is auto, cpu, cuda, or another one of torch that this machine has, got {name!r}: "
            f"{str(error).splitlines()[0]}"
        ) from error
    return device

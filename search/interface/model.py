"""A trained network on numpy images of any size."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import Tensor, nn

from search.errors import UserError
from search.interface.images import as_given, as_images
from search.interface.trained import Trained
from search.selection.loading import load_ensemble
from search.selection.package.contents import Window
from search.training.compute import Compute, default_device
from search.training.metrics import most_likely
from search.training.validation import logits_of
from search.training.windows import native_logits


@dataclass(frozen=True, kw_only=True, repr=False)
class Model:
    """A trained network that predicts images (H, W, C) uint8 at their own size.

    `network` is the torch module: images (N, C, H, W) float32 in 0 to 1 to logits (N, K, H, W), on `compute.device`.
    `class_names` has the name of each of the K classes, `input_size` the height and width of its training.
    Images are shrunk to `scale` times their size, as training images were. Where that is the size of the training they
    are predicted whole, else by windows of it that overlap by half.
    """

    network: nn.Module
    class_names: tuple[str, ...]
    input_size: tuple[int, int]
    channels: int
    scale: float
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
        for whole, group in groupby(images, key=lambda image: self.scale == 1 and image.shape[:2] == self.input_size):
            if whole:
                for _, logits in logits_of(self.network, np.stack(list(group)), self.compute):
                    yield from logits.float()
            else:
                for image in group:
                    yield self._by_windows(image)

    def _by_windows(self, image: np.ndarray) -> Tensor:
        height, width = self.input_size
        return native_logits(
            lambda batch: self.network(self.compute.laid_out(batch)),
            image,
            Window(height=height, width=width, classes=len(self.class_names)),
            scale=self.scale,
            batch_size=self.compute.forward_batch,
            device=self.compute.device,
        )

    def __repr__(self) -> str:
        height, width = self.input_size
        return f"<Model {self.words}: {len(self.class_names)} classes, {height}x{width}, on {self.compute.device}>"


def build(trained: Trained, device: str = "auto") -> Model:
    """The predictor with its weights on a device. Raises StudyError, UserError."""
    model = trained.predictor.members[0].config
    compute = Compute(device=chosen_device(device), precision="float32", layout=model.budget.layout)
    network = load_ensemble(trained.predictor, trained.folder)
    compute.place(network)
    one = len(trained.predictor.members) == 1
    return Model(
        network=network,
        class_names=trained.form.class_names,
        input_size=trained.input_size,
        channels=trained.form.channels,
        scale=trained.form.scale,
        compute=compute,
        words=f"{model.model.words if one else trained.predictor.words}, {trained.words}",
    )


def chosen_device(name: str) -> torch.device:
    """The device of that name. Raises UserError for one that this machine does not have."""
    if name == "auto":
        return default_device()
    there = {"cpu": 1, "cuda": torch.cuda.device_count()}
    parts = re.fullmatch(r"(cpu|cuda)(?::([0-9]+))?", str(name))
    if parts is None or int(parts[2] or 0) >= there[parts[1]]:
        raise UserError(
            f"device is auto, cpu, cuda, or one GPU such as cuda:0, got {name!r}; torch finds {there['cuda']} GPUs here"
        )
    return torch.device(name)

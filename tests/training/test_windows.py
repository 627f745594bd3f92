import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from search.training.windows import native_logits, predict_native
from spaces.facts import DataFacts

HEIGHT, WIDTH = 16, 32
FACTS = DataFacts(
    channels=1,
    class_names=("dark", "grey", "bright"),
    objective=(0, 1, 2),
    height=HEIGHT,
    width=WIDTH,
    train_images=1,
    validation_images=1,
    class_pixels=(1, 1, 1),
    class_images=(1, 1, 1),
)


def by_brightness(images: torch.Tensor) -> torch.Tensor:
    """A pointwise network (N, 1, H, W) -> (N, 3, H, W): the class is the third of the range that a pixel lies in."""
    return -torch.cat([(images - centre).abs() for centre in (1 / 6, 1 / 2, 5 / 6)], dim=1)


def brightness(image: np.ndarray) -> np.ndarray:
    return np.minimum(image[..., 0] // 85, 2)


def random_image(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Gray values in the middle of a third, so that no rounding decides."""
    return (42 + 85 * np.random.default_rng(seed).integers(0, 3, (height, width, 1))).astype(np.uint8)


@settings(max_examples=50, deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 110), batch_size=st.integers(1, 9))
def test_windows_of_a_pointwise_network_equal_one_pass(height, width, batch_size):
    image = random_image(height, width)
    prediction = predict_native(by_brightness, image, FACTS, batch_size=batch_size)
    assert prediction.dtype == np.uint8
    np.testing.assert_array_equal(prediction, brightness(image))


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 110))
def test_windows_have_the_training_size_and_overlap_by_half(height, width):
    rows, columns = np.mgrid[0:height, 0:width]
    image = np.stack([rows, columns], axis=2).astype(np.uint8)
    corners = []

    def forward(images: torch.Tensor) -> torch.Tensor:
        assert images.shape[1:] == (2, HEIGHT, WIDTH)
        assert len(images) <= 4
        corners.extend((images[:, :, 0, 0] * 255).round().int().tolist())
        return torch.zeros(len(images), 3, HEIGHT, WIDTH)

    native_logits(forward, image, FACTS, batch_size=4)
    for axis, (length, window) in enumerate([(height, HEIGHT), (width, WIDTH)]):
        starts = sorted({corner[axis] for corner in corners})
        assert starts[0] == 0
        assert starts[-1] == max(0, length - window)
        assert max(np.diff(starts), default=0) <= window // 2


def test_an_image_of_the_training_size_is_one_plain_pass():
    torch.manual_seed(0)
    network = torch.nn.Conv2d(1, 3, 3, padding=1)
    image = random_image(HEIGHT, WIDTH)
    expected = network(torch.from_numpy(image).permute(2, 0, 1)[None] / 255)[0]
    logits = native_logits(network, image, FACTS)
    torch.testing.assert_close(logits, expected)
    assert not logits.requires_grad


def test_the_middle_of_a_window_outweighs_its_edge():
    """The network errs along its window's edge; a plain mean would keep the errors where four windows meet."""

    def forward(images: torch.Tensor) -> torch.Tensor:
        wrong = torch.ones(HEIGHT, WIDTH)
        wrong[2:-2, 4:-4] = 0
        return functional.one_hot(wrong.long(), 3).permute(2, 0, 1).float().expand(len(images), -1, -1, -1)

    prediction = predict_native(forward, random_image(4 * HEIGHT, 4 * WIDTH), FACTS)
    assert (prediction[2:-2, 4:-4] == 0).all()
    assert (prediction[:, 0] == 1).all()


@pytest.mark.parametrize("scale", [0.8, 0.5, 0.37])
def test_a_scaled_image_is_predicted_at_its_native_size(scale):
    image = np.full((90, 70, 1), 42, np.uint8)
    image[:, 30:] = 212
    image[50:] = 127
    prediction = predict_native(by_brightness, image, FACTS, scale=scale)
    assert prediction.shape == (90, 70)
    np.testing.assert_array_equal(prediction[:45, :25], 0)
    np.testing.assert_array_equal(prediction[:45, 35:], 2)
    np.testing.assert_array_equal(prediction[55:], 1)


def test_low_precision_logits_are_averaged_in_float32():
    logits = native_logits(lambda images: by_brightness(images).bfloat16(), random_image(40, 50), FACTS)
    assert logits.dtype == torch.float32
    assert logits.shape == (3, 40, 50)

"""Pictures of predictions: what they show, when they are drawn, and that nothing else changes."""

import io
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.build import build_model
from search.data.samples import VOID, Samples
from search.files import UnwritableError
from search.training.loop import train
from search.training.outcome import EpochReport
from search.training.palette import CLASS_COLORS, VOID_COLORS, colored
from search.training.pictures import (
    PANEL,
    EpochPictures,
    Example,
    Layout,
    choose_images,
    differing_share,
    draw_page,
    legend_lines,
    panel_size,
    tinted,
    visible,
)
from search.training.validation import predict
from search.tuning.trial_folder import trial_files
from spaces.facts import DataFacts
from tests.training.trials import CPU, SMALL, config, curve, data, facts, of_many_sizes, weights_of

IMAGE, TRUTH, PREDICTION, DIFFERENCE = range(4)


def made_report(classes: int = 3) -> EpochReport:
    values = {"train_loss": 1.0, "learning_rate": 0.1, "seconds": 2.0, "threads": 1, "readings": {}}
    return EpochReport.model_validate({"epoch": 9, "miou": 0.4, "class_iou": (0.4,) * classes, **values})


def train_in(folder: Path, *, every: int, epochs: int | None = None, known: int = 0, **changes: object):
    folder.mkdir(exist_ok=True)
    on = changes.pop("on", None) or data()
    training = train(config(**changes), on, trial_files(folder, every), known)
    reports = list(islice(training, epochs))
    training.close()
    return reports


def drawn(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "pictures").glob("*")}


@pytest.mark.parametrize("optimizer", [{}, {"algorithm": "schedule_free", "schedule": "constant", "ema_decay": None}])
def test_pictures_change_nothing_and_come_every_so_many_epochs(tmp_path: Path, optimizer: dict) -> None:
    dropping = {"model": SMALL.model_copy(update={"dropout": 0.3}), **optimizer}
    without = train_in(tmp_path / "without", every=0, **dropping)
    with_pictures = train_in(tmp_path / "with", every=2, **dropping)
    assert curve(with_pictures) == curve(without)
    assert weights_of(tmp_path / "with") == weights_of(tmp_path / "without")
    assert not (tmp_path / "without" / "pictures").exists()
    assert sorted(drawn(tmp_path / "with")) == ["epoch-002.png", "epoch-004.png"]


def test_a_resumed_trial_draws_the_same_pictures(tmp_path: Path) -> None:
    whole = train_in(tmp_path / "whole", every=1)
    found = train_in(tmp_path / "torn", every=1, epochs=2)
    found += train_in(tmp_path / "torn", every=1, known=2)
    assert curve(found) == curve(whole)
    assert len(drawn(tmp_path / "whole")) == 5
    assert drawn(tmp_path / "torn") == drawn(tmp_path / "whole")


@pytest.mark.parametrize("place", ["epoch", "folder"])
def test_a_disk_too_full_for_a_picture_loses_no_epoch(tmp_path: Path, monkeypatch, place: str) -> None:
    """Epoch 2 is not saved without its picture: continued, the trial trains it again, and draws it."""
    whole = train_in(tmp_path / "whole", every=2)
    torn = train_in(tmp_path / "torn", every=2, epochs=1)
    before = weights_of(tmp_path / "torn")
    method = "write_bytes" if place == "epoch" else "mkdir"
    working = getattr(Path, method)

    def full(path: Path, *arguments: object, **options: object) -> object:
        if "pictures" in str(path):
            raise OSError(28, "No space left on device", str(path))
        return working(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, method, full)
        with pytest.raises(UnwritableError, match=r"No space left on device: .*pictures"):
            list(train(config(), data(), trial_files(tmp_path / "torn", 2), 1))
    assert weights_of(tmp_path / "torn") == before
    torn += train_in(tmp_path / "torn", every=2, known=1)
    assert curve(torn) == curve(whole)
    assert drawn(tmp_path / "torn") == drawn(tmp_path / "whole")


def test_images_of_many_sizes_are_drawn_at_their_own(tmp_path: Path) -> None:
    made = of_many_sizes(0.6)
    assert curve(train_in(tmp_path / "a", every=1, epochs=1, on=made)) == curve(
        train_in(tmp_path / "b", every=0, epochs=1, on=made)
    )
    layout = Layout(sizes=((2 * 50, 2 * 90), (4 * 24, 4 * 64), (8 * 32, 8 * 30)), legend_lines=2)
    with Image.open(tmp_path / "a" / "pictures" / "epoch-001.png") as page:
        assert page.size == (layout.width, layout.height)


def hand_made() -> tuple[Example, DataFacts]:
    """An image of 8x16: background on the left, soil, a rock on the right; a void row; half of the rock is missed."""
    truth = np.ones((8, 16), np.uint8)
    truth[:, :2], truth[:, 12:], truth[7] = 0, 2, VOID
    predicted = np.ones((8, 16), np.uint8)
    predicted[:4, 12:] = 2
    image = np.full((8, 16, 1), 100, np.uint8)
    image[0, 0] = 0
    return Example(number=3, image=image, truth=truth, predicted=predicted), facts(8, 16)


def at(page: Image.Image, layout: Layout, column: int, row: int, pixel: int) -> tuple[int, ...]:
    """The colour of an image's pixel in a panel of the first example."""
    step = PANEL // 16
    place = (layout.left(column) + pixel * step + step // 2, layout.top(0) + row * step + step // 2)
    found = page.getpixel(place)
    assert isinstance(found, tuple)
    return found


def test_the_colours_of_a_hand_made_prediction() -> None:
    example, known = hand_made()
    page = draw_page([example], known, made_report())
    layout = Layout.of([(8, 16)], legend_lines=2)
    background, soil, rock = (tuple(color) for color in CLASS_COLORS[:3].tolist())
    assert at(page, layout, IMAGE, 0, 0) == (0, 0, 0)
    assert at(page, layout, IMAGE, 3, 3) == (255, 255, 255)  # brightened
    assert [at(page, layout, TRUTH, 1, pixel) for pixel in (0, 5, 15)] == [background, soil, rock]
    assert [at(page, layout, PREDICTION, 1, pixel) for pixel in (0, 5, 15)] == [soil, soil, rock]
    assert at(page, layout, PREDICTION, 7, 15) == soil
    striped = {tuple(color) for color in VOID_COLORS.tolist()}
    assert at(page, layout, TRUTH, 7, 5) in striped
    assert {at(page, layout, DIFFERENCE, row, pixel) for row, pixel in ((7, 5), (1, 0))} <= striped  # not counted
    agree, differ = at(page, layout, DIFFERENCE, 1, 15), at(page, layout, DIFFERENCE, 5, 15)
    assert agree == (76, 76, 76)
    assert differ == tuple(tinted(np.full(3, 255)).astype(int))
    assert differing_share(example, known) == 12 / 98


def test_the_predictions_are_those_that_validation_counts() -> None:
    """Panels of images of 32x64 show each pixel as 4x4."""
    made, network = data(), build_model(SMALL)
    page = np.asarray(Image.open(io.BytesIO(EpochPictures(made).draw(network, made_report(), CPU))))
    layout = Layout.of([(32, 64)] * 4, legend_lines=2)
    left = layout.left(PREDICTION)
    for row, mask in enumerate(predict(network, made, CPU)):
        top = layout.top(row)
        assert np.array_equal(page[top : top + 128 : 4, left : left + 256 : 4], colored(mask))


@pytest.mark.parametrize(
    ("channels", "shown"), [(1, [0, 0, 0]), (2, [0, 0, 0]), (3, [0, 1, 2]), (4, [0, 1, 2]), (9, [0, 1, 2])]
)
def test_which_channels_are_shown(channels: int, shown: list[int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (10, 10, channels), np.uint8)
    image[0] = 255
    assert np.array_equal(visible(image), image[..., shown])


def test_a_black_image_stays_black() -> None:
    assert visible(np.zeros((4, 4, 1), np.uint8)).max() == 0


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((64, 128), (128, 256)),
        ((100, 90), (200, 180)),
        ((3000, 4000), (192, 256)),
        ((1, 5000), (1, 256)),
        ((1, 1), (256, 256)),
    ],
)
def test_panels_have_a_sane_size(shape: tuple[int, int], size: tuple[int, int]) -> None:
    assert panel_size(*shape) == size


def masks_of(*contents: dict[int, float]) -> Samples:
    """One mask of 1000 pixels for each: shares by class, the rest void."""
    masks = np.full((len(contents), 20, 50), VOID, np.uint8)
    for mask, shares in zip(masks, contents, strict=True):
        start = 0
        for index, share in shares.items():
            mask.flat[start : start + round(1000 * share)] = index
            start += round(1000 * share)
    return Samples(images=np.zeros((*masks.shape, 1), np.uint8), masks=masks)


def known_classes(classes: int) -> DataFacts:
    counts = (1,) * classes
    return DataFacts.model_validate(
        {
            **facts().model_dump(),
            "class_names": [f"class {index}" for index in range(classes)],
            "background": None,
            "ignored": (),
            "objective": range(classes),
            "class_pixels": counts,
            "class_images": counts,
        }
    )


def test_chosen_images_show_every_class() -> None:
    """Whatever else the images hold: as many images as classes are enough, up to the most."""
    for seed in range(20):
        generator = np.random.default_rng(seed)
        pure = [{index: 0.02} for index in range(6)]
        mixed = [dict(enumerate(generator.dirichlet(np.ones(3)))) for _ in range(30)]
        samples = masks_of(*(mixed[:15] + pure + mixed[15:]))
        chosen = choose_images(samples, known_classes(6))
        assert len(chosen) == 6
        assert set(range(6)) <= set(np.unique(np.asarray(samples.masks)[list(chosen)]).tolist())
        assert chosen == choose_images(samples, known_classes(6)) == tuple(sorted(set(chosen)))


def test_mixed_images_come_before_plain_ones() -> None:
    samples = masks_of({0: 1.0}, {1: 1.0}, {0: 0.5, 1: 0.5}, {0: 0.7, 1: 0.3}, {0: 1.0}, {0: 0.4, 1: 0.6}, {1: 0.9})
    chosen = choose_images(samples, known_classes(2))
    assert {2, 3, 5} < set(chosen)
    assert len(chosen) == 4


def test_near_duplicates_are_not_shown_twice() -> None:
    samples = masks_of({0: 0.5, 1: 0.5}, {0: 0.5, 1: 0.5}, {0: 0.8, 1: 0.2}, {0: 0.2, 1: 0.8}, {0: 0.65, 1: 0.35})
    assert choose_images(samples, known_classes(2)) == (0, 2, 3, 4)


def test_few_images_are_all_shown() -> None:
    assert choose_images(masks_of({0: 0.0}, {1: 1.0}), known_classes(3)) == (0, 1)


def test_a_legend_of_odd_names_stays_short() -> None:
    example, _ = hand_made()
    known = known_classes(3).model_copy(update={"class_names": ("a\nb", "x" * 90, "岩")})
    words = [text for line in legend_lines([example], known, made_report()) for _, text in line]
    assert words[:3] == ["a b, IoU 0.40", f"{'x' * 21}..., IoU 0.40", "岩, IoU 0.40"]
    assert draw_page([example], known, made_report()).width < 1200


def test_many_classes_repeat_their_colours_and_the_legend_says_so() -> None:
    example, _ = hand_made()
    known = known_classes(50)
    words = [text for line in legend_lines([example], known, made_report(50)) for _, text in line]
    assert words == [
        *(f"class {index}, IoU 0.40" for index in range(3)),
        "differs (last column)",
        "no label, or not counted",
        "47 more classes; colours repeat",
    ]
    assert np.array_equal(colored(np.array([[21]], np.uint8)), colored(np.array([[1]], np.uint8)))


# Machado, Oliveira and Fernandes 2009, severity 1, for linear RGB: protanopia, deuteranopia, tritanopia.
EYES = (
    np.eye(3),
    np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
)
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def lab(linear: np.ndarray) -> np.ndarray:
    """CIELAB (N, 3) of linear sRGB (N, 3), white point D65."""
    xyz = np.clip(linear, 0, 1) @ TO_XYZ.T / (0.95047, 1.0, 1.08883)
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


@pytest.mark.parametrize(("colors", "distance"), [(5, 24), (20, 16)])
def test_classes_can_be_told_apart_by_all_eyes(colors: int, distance: float) -> None:
    """A distance of about 2 can just be seen."""
    values = CLASS_COLORS[:colors] / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    for eye in EYES:
        seen = lab(linear @ eye.T)
        apart = np.linalg.norm(seen[:, None] - seen[None], axis=2) + 1000 * np.eye(colors)
        assert apart.min() > distance

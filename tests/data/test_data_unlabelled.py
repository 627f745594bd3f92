"""Images without labels: where they lie, how they are mapped, and which of them no trial may see."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from search.data.folder import read_folder
from search.data.prepare import PreparedData, prepare_data
from search.data.unlabelled import read_unlabelled, repeats


def textures(count: int, rng: np.random.Generator, height: int = 32, width: int = 48) -> np.ndarray:
    """Images (N, H, W) uint8 of large blotches: perceptual hashes tell them apart, and know them again."""
    coarse = rng.integers(0, 256, (count, height // 8, width // 8)).astype(np.uint8)
    return coarse.repeat(8, 1).repeat(8, 2)


@pytest.fixture
def labelled(rng) -> np.ndarray:
    """Twenty images and masks, (20, 2, 32, 48)."""
    images = textures(20, rng)
    return np.stack([images, rng.integers(0, 5, images.shape).astype(np.uint8)], axis=1)


def held_out(prepared: PreparedData, part: str) -> list[int]:
    """Positions of the images of a part in the file."""
    return [int(prepared.split.stems[index]) for index in prepared.split.indices(part)]


def contents(images) -> set[bytes]:
    return {image.tobytes() for image in images}


def test_data_without_any_has_none(npz, labelled, demo):
    prepared = prepare_data(npz(training_set=labelled), seed=0)
    assert len(prepared.trial.unlabelled) == prepared.facts.unlabelled_images == prepared.audit.unlabelled == 0
    assert prepared.unlabelled_fingerprint is None
    assert not list(read_unlabelled(None, demo))


def test_the_test_set_is_handed_out_read_only_and_counted(npz, labelled, rng):
    extra = textures(7, rng)
    plain = prepare_data(npz(training_set=labelled), seed=0)
    prepared = prepare_data(npz(training_set=labelled, test_set=extra), seed=0)
    np.testing.assert_array_equal(prepared.trial.unlabelled, extra[..., None])
    assert prepared.facts.unlabelled_images == prepared.audit.unlabelled == 7
    assert prepared.trial.nbytes == plain.trial.nbytes + extra.nbytes
    assert prepared.warnings == plain.warnings
    with pytest.raises(ValueError, match="read-only"):
        prepared.trial.unlabelled[0] = 0


def test_nothing_that_is_held_out_comes_back_without_its_label(npz, labelled, rng):
    """Copies and near-duplicates of validation and locked test images go; those of training images may stay."""
    prepared = prepare_data(npz(training_set=labelled), seed=0)
    parts = {part: labelled[held_out(prepared, part), 0] for part in ("train", "validation", "test")}
    brighter = np.clip(parts["test"].astype(int) + 3, 0, 255).astype(np.uint8)
    fresh = textures(5, rng)
    everything = np.concatenate([parts["validation"], fresh, parts["test"], brighter, parts["train"]])
    mixed = prepare_data(npz(training_set=labelled, test_set=everything), seed=0)
    assert mixed.split == prepared.split
    assert contents(mixed.trial.unlabelled) == contents(fresh) | contents(parts["train"])
    left_out = len(parts["validation"]) + 2 * len(parts["test"])
    assert mixed.facts.unlabelled_images == mixed.audit.unlabelled - left_out == 5 + len(parts["train"])
    assert mixed.warnings[-1].startswith(
        f"{left_out} of {len(everything)} unlabelled images are near-duplicates of validation or locked test images"
    )


def test_nothing_is_left_where_all_are_held_out(npz, labelled):
    prepared = prepare_data(npz(training_set=labelled), seed=0)
    test = labelled[held_out(prepared, "test"), 0]
    again = prepare_data(npz(training_set=labelled, test_set=test), seed=0)
    assert len(again.trial.unlabelled) == again.facts.unlabelled_images == 0
    assert again.unlabelled_fingerprint is None
    assert again.audit.unlabelled == len(test)


def test_their_fingerprint_is_apart_from_that_of_the_labelled_data(npz, labelled, rng):
    extra = textures(6, rng)

    def prints(test_set: np.ndarray) -> tuple[str, str | None]:
        prepared = prepare_data(npz(training_set=labelled, test_set=test_set), seed=0)
        return prepared.fingerprint, prepared.unlabelled_fingerprint

    changed = extra.copy()
    changed[3, 5, 5] ^= 1
    found = [prints(images) for images in (extra, extra, changed, extra[:5], extra[::-1])]
    assert len({labels for labels, _ in found}) == 1
    assert found[0] == found[1]
    assert len({unlabelled for _, unlabelled in found}) == 4


def add_unlabelled(path: Path, images, suffix: str = ".png") -> Path:
    (path / "unlabelled").mkdir()
    for index, image in enumerate(images):
        Image.fromarray(image).save(path / "unlabelled" / f"free_{index}{suffix}")
    return path


def test_a_folder_has_them_beside_its_images_and_agrees_with_npz(folder, npz, labelled, rng):
    extra = textures(4, rng)
    path = add_unlabelled(folder(images=labelled[:, 0], masks=labelled[:, 1]), extra)
    from_folder = prepare_data(path, seed=0)
    from_npz = prepare_data(npz(training_set=labelled, test_set=extra), seed=0)
    np.testing.assert_array_equal(from_folder.trial.unlabelled, from_npz.trial.unlabelled)
    assert from_folder.unlabelled_fingerprint == from_npz.unlabelled_fingerprint is not None


def test_a_folders_sixteen_bits_take_the_range_of_the_labelled_images(folder, labelled, rng):
    deep = 500 + 3 * labelled[:, 0].astype(np.uint16)
    path = folder(images=deep, masks=labelled[:, 1])
    data = read_folder(path)
    add_unlabelled(path, [np.full((40, 56), value, np.uint16) for value in (0, 500, 882, 65535)])
    images = list(read_unlabelled(path, data))
    assert [image.shape for image in images] == [(40, 56, 1)] * 4
    (low, high), *_ = data.intensity
    assert [int(image[0, 0, 0]) for image in images] == [0, 0, round((882 - low) / (high - low) * 255), 255]


def test_large_ones_are_shrunk_as_training_images_are(folder, rng):
    images = textures(12, rng, 600, 640)
    path = add_unlabelled(folder(images=images, masks=images % 3), [*textures(2, rng, 600, 640), *textures(1, rng)])
    trial = prepare_data(path, seed=0).trial
    assert [image.shape for image in trial.unlabelled] == [(448, 478, 1)] * 2 + [(24, 36, 1)]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((32, 48, 3), np.uint8), "the channels and the bit depth .* 1 and uint8; unlabelled/free_0.png has 3"),
        (np.zeros((32, 48), np.uint16), "1 and uint8; unlabelled/free_0.png has 1 and uint16"),
    ],
)
def test_a_folders_that_do_not_fit_are_named_and_left_out(folder, labelled, image, message):
    fitting = textures(2, np.random.default_rng(1))
    path = add_unlabelled(folder(images=labelled[:, 0], masks=labelled[:, 1]), [*fitting, image])
    left_out(prepare_data(path, seed=0), message.replace("free_0", "free_2"))


def test_a_folder_of_them_without_an_image_is_said(folder, labelled):
    path = add_unlabelled(folder(images=labelled[:, 0], masks=labelled[:, 1]), [])
    left_out(prepare_data(path, seed=0), r"unlabelled/ holds no image; readable are \.png")


def left_out(prepared: PreparedData, reason: str) -> None:
    """What was found does not fit: none is there, a warning says why, and nothing else changes."""
    assert len(prepared.trial.unlabelled) == prepared.facts.unlabelled_images == prepared.audit.unlabelled == 0
    assert prepared.unlabelled_fingerprint is None
    assert re.search(
        f"^there are no images without labels, since those found do not fit: .*{reason}", prepared.warnings[-1]
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda images: images / 255,
            "test_set needs the range of values of the training images, 0 to 255; it has 0 to 1",
        ),
        (lambda images: images.astype(np.uint16) * 9, "test_set needs the range .* it has more than 8 bits"),
        (lambda images: images.repeat(3).reshape(*images.shape, 3), r"test_set needs the 1 channel\(s\)"),
        (lambda images: images[0, 0], "test_set needs the layout"),
        (lambda images: images.astype(object), "'test_set' in .* is pickled Python objects"),
    ],
    ids=["floats", "16 bits", "channels", "layout", "pickle"],
)
def test_a_test_set_that_does_not_fit_ends_nothing(npz, labelled, rng, change, reason):
    left_out(prepare_data(npz(training_set=labelled, test_set=change(textures(4, rng))), seed=0), reason)


def test_integers_of_more_than_eight_bits_fit_each_other_whatever_occurs_in_them(npz, labelled):
    deep = 1000 + 4 * labelled.astype(np.uint16)
    deep[:, 1] = labelled[:, 1]
    dark = np.full((3, 32, 48), 200, np.uint16)
    dark[:, :, 24:] = 5000
    dark[1] = 90  # no value of this one would need more than 8 bits
    for test_set in (dark, dark[1:2]):
        images = prepare_data(npz(training_set=deep, test_set=test_set), seed=0).trial.unlabelled
        assert len(images) == len(test_set)
        assert images[-1].min() == 0
    assert dark.max() > deep[:, 0].max() > deep[:, 0].min() > 200


def test_whoever_has_no_use_for_them_drops_them_and_remembers_what_they_were(npz, labelled, rng):
    prepared = prepare_data(npz(training_set=labelled, test_set=textures(7, rng)), seed=0)
    without = prepared.without_unlabelled()
    assert len(without.trial.unlabelled) == len(without.unlabelled.images) == 0
    assert without.trial.nbytes == prepared.trial.nbytes - 7 * 32 * 48
    assert without.facts == prepared.facts
    assert without.unlabelled_fingerprint == prepared.unlabelled_fingerprint is not None
    assert without.warnings == prepared.warnings


def test_a_chain_of_near_duplicates_that_reaches_what_is_held_out_goes_as_a_whole():
    """As in the audit: 0 and 1 are 4 bits apart, 1 and 2, 3 and 4; 0 and 2 are 8."""
    chain = np.array([0, 0xF, 0xFF, 0xFFFF_0000, 0xFFFF_000F], np.uint64)
    assert repeats(chain, 1).tolist() == [True, True, False, False]
    assert repeats(chain, 0).tolist() == [False] * 5
    assert repeats(chain[[0, 2]], 1).tolist() == [False]

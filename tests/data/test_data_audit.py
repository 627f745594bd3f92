"""The audit: outliers by the rule, near-duplicates, counts, and its round trip."""

import os
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path

import imagehash
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from search.audit import AuditOptions
from search.data.audit import Audit, audit, clean
from search.data.audit_tables import format_audit
from search.data.dataset import SegmentationData
from search.data.duplicates import find_duplicates, near_pairs, perceptual_hashes
from search.data.outliers import find_outliers
from search.data.read import read_data
from search.data.samples import VOID
from search.errors import UserError

SIZE = (20, 20)


def make(images: np.ndarray, masks: np.ndarray, **changes) -> SegmentationData:
    count = len(images)
    fields = {
        "images": images[..., None],
        "masks": masks,
        "stems": tuple(f"s{index}" for index in range(count)),
        "groups": (None,) * count,
        "class_names": ("zero", "one", "two"),
        "labels": (0, 1, 2),
    }
    return SegmentationData(**(fields | changes))


@pytest.fixture
def images(rng) -> np.ndarray:
    return rng.integers(0, 256, (40, *SIZE)).astype(np.uint8)


@pytest.fixture
def masks(rng) -> np.ndarray:
    return rng.integers(0, 3, (40, *SIZE)).astype(np.uint8)


def striped(share: float) -> np.ndarray:
    """A mask of class 1 whose last rows are class 2: class 1 covers `share` of the pixels."""
    mask = np.ones(SIZE, dtype=np.uint8)
    mask[round(SIZE[0] * share) :] = 2
    return mask


@pytest.mark.parametrize(("sharing", "found"), [(9, 0), (10, 10), (25, 25)])
def test_a_mixed_mask_shared_by_ten_images_is_an_outlier(images, masks, sharing, found):
    masks[5 : 5 + sharing] = striped(0.9)
    assert find_outliers(make(images, masks)).tolist() == list(range(5, 5 + found))


@pytest.mark.parametrize("share", [0.95, 1.0])
def test_masks_that_one_label_covers_repeat_legitimately(images, masks, share):
    masks[5:30] = striped(share)
    assert len(find_outliers(make(images, masks))) == 0


def test_an_unlabelled_mask_is_no_outlier(images, masks):
    masks[5:30] = VOID
    assert len(find_outliers(make(images, masks))) == 0


def test_copies_of_one_image_count_once(images, masks):
    masks[5:15], images[5:15] = striped(0.5), images[5]
    assert len(find_outliers(make(images, masks))) == 0
    images[5:15] += np.arange(10, dtype=np.uint8)[:, None, None]
    assert len(find_outliers(make(images, masks))) == 10


def test_masks_of_different_sizes_are_not_shared():
    """The same bytes in another shape are another mask."""
    masks = tuple(striped(0.5).reshape(shape) for shape in [(20, 20)] * 9 + [(10, 40)])
    images = tuple(np.full((*mask.shape, 1), index, np.uint8) for index, mask in enumerate(masks))
    data = replace(make(np.zeros((10, 1, 1), np.uint8), np.zeros((10, 1, 1), np.uint8)), images=images, masks=masks)
    assert len(find_outliers(data)) == 0


def test_hashes_equal_imagehash(rng):
    images = rng.integers(0, 256, (5, 40, 60, 1)).astype(np.uint8)
    for value, image in zip(perceptual_hashes(images), images, strict=True):
        bits = np.unpackbits(np.array([value]).view(np.uint8))
        np.testing.assert_array_equal(bits, imagehash.phash(Image.fromarray(image[..., 0])).hash.ravel())


def test_pairs_equal_the_plain_loop(rng):
    hashes = rng.integers(0, 2**12, 700).astype(np.uint64)
    expected = [
        (i, j) for i in range(700) for j in range(i + 1, 700) if (int(hashes[i]) ^ int(hashes[j])).bit_count() <= 2
    ]
    assert sorted(map(tuple, near_pairs(hashes, 2).tolist())) == expected


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_a_brighter_copy_is_a_near_duplicate(rng, channels):
    images = rng.integers(10, 240, (30, 64, 64, channels)).astype(np.uint8)
    images[7], images[20] = images[3] + 5, images[3] + 9
    assert [group.tolist() for group in find_duplicates(images)] == [[3, 7, 20]]


def test_counts_empty_masks_and_absent_classes(images, masks):
    masks[:] = 0
    masks[0, 0, :5], masks[1] = 1, VOID
    report = audit(make(images, masks, ignored=(0,)))
    assert [(entry.name, entry.pixels, entry.images) for entry in report.classes] == [
        ("zero", 40 * 400 - 400 - 5, 39),
        ("one", 5, 1),
        ("two", 0, 0),
    ]
    assert report.void_pixels == 400
    assert report.empty == tuple(f"s{index}" for index in range(1, 40))
    assert report.absent == ("two",)
    assert any("declared but in no mask: two" in warning for warning in report.warnings)
    assert any("39 of 40 masks are empty" in warning for warning in report.warnings)


def test_counts_are_those_after_removal(images, masks):
    masks[:12] = striped(0.5)
    report = audit(make(images, masks))
    assert report.kept == 28
    assert sum(entry.pixels for entry in report.classes) == 28 * 400


def test_cleaning_removes_the_outliers_alone(images, masks):
    masks[5:17] = striped(0.5)
    data = make(images, masks)
    cleaned = clean(data, audit(data))
    assert cleaned.stems == data.stems[:5] + data.stems[17:]
    np.testing.assert_array_equal(cleaned.images, np.delete(data.images, range(5, 17), axis=0))


def test_the_hash_of_what_was_removed_follows_the_content(images, masks):
    masks[5:17] = striped(0.5)
    before = audit(make(images.copy(), masks)).removed_hash
    images[0, 0, 0] ^= 1
    assert audit(make(images.copy(), masks)).removed_hash == before
    images[5, 0, 0] ^= 1
    assert audit(make(images, masks)).removed_hash != before


def test_round_trips(demo):
    report = audit(demo)
    assert Audit.model_validate_json(report.to_json()) == report
    assert Audit.from_yaml(report.to_yaml()) == report


def test_tables_show_what_was_found(images, masks):
    masks[5:17], masks[20] = striped(0.5), VOID
    console = Console(width=120, file=StringIO())
    console.print(format_audit(audit(make(images, masks, class_names=("[b]zero", "one", "two")))))
    text = console.file.getvalue()
    for part in ("outliers, removed", "12", "s5, s6, s7", "[b]zero", "(void)", "20x20 pixels"):
        assert part in text


@pytest.mark.skipif("SEGTUNE_TEST_MARS" not in os.environ, reason="SEGTUNE_TEST_MARS names no Mars npz file")
def test_mars_has_110_outliers():
    data = read_data(Path(os.environ["SEGTUNE_TEST_MARS"]))
    report = audit(data)
    assert len(report.outliers) == 110
    assert len({data.masks[data.stems.index(stem)].tobytes() for stem in report.outliers}) == 1
    assert (report.kept, report.groups) == (2505, 693)
    assert report.classes[4].images == 105


def run_audit(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "search.audit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_command_prints_json_and_tables(npz, pairs):
    path = str(npz(training_set=pairs))
    assert Audit.model_validate_json(run_audit(path, "--json").stdout).images == 12
    shown = run_audit(path).stdout
    assert "images that remain" in shown
    assert "Split by" not in shown


def test_command_says_that_a_test_set_does_not_fit(npz, pairs):
    path = str(npz(training_set=pairs, test_set=pairs[:, 0] / 255))
    result = run_audit(path, "--json")
    assert result.returncode == 0, result.stderr
    report = Audit.model_validate_json(result.stdout)
    assert report.unlabelled == 0
    assert report.warnings[-1].startswith("there are no images without labels, since those found do not fit: test_set")


def test_command_prints_the_split_that_is_asked_for(npz, pairs):
    path = str(npz(training_set=pairs))
    shown = run_audit(path, "--stratify", "dispersion-quantile", "--seed", "4").stdout
    assert "Split by groups, stratified on dispersion-quantile, seed 4\n" in shown
    assert [line.split("│")[1].strip() for line in shown.splitlines() if "-seg " in line] == ["Well-seg", "Non-seg"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"json": True, "stratify": "presence"}, "--json prints the audit alone, --stratify a table of the split"),
        ({"seed": -1}, "--seed must be between 0 and 4294967295, got -1"),
        ({"seed": 3}, "--seed is that of the split which --stratify prints: give --stratify too"),
        ({"seed": 2**32}, "--seed must be between 0 and 4294967295, got 4294967296"),
    ],
)
def test_options_that_cannot_be_followed_are_refused(options, message):
    with pytest.raises(UserError, match=f"^{message}"):
        AuditOptions(path=Path("tiles.npz"), **options).check()


def test_command_ends_with_one_message_and_code_2(tmp_path):
    result = run_audit(str(tmp_path / "none.npz"))
    assert result.returncode == 2
    assert result.stderr.startswith("error: there is no file or folder")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_help_imports_nothing_heavy():
    code = (
        "import sys, runpy\nsys.argv = ['audit', '--help']\n"
        "try:\n    runpy.run_module('search.audit', run_name='__main__')\nexcept SystemExit as end:\n"
        "    assert end.code == 0\nassert not {'torch', 'ray', 'optuna'} & set(sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "--json" in result.stdout


def test_search_data_imports_no_torch():
    code = "import sys, search.data.prepare\nassert not {'torch', 'ray', 'optuna', 'tyro'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

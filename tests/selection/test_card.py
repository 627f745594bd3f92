"""What the model card says, with an answer and without one."""

import html.parser
from pathlib import Path
from typing import Any

import yaml

from search.selection.answer import Candidate
from search.selection.export import refitted_answer
from search.selection.package.card import CardFacts, model_card
from search.selection.package.contents import Preprocessing
from search.selection.package.markdown import escaped
from search.selection.package.programs import Program
from search.selection.predictor import Member, Predictor
from tests.models.networks import small_networks
from tests.selection.packages import CLASSES, FORM, SIZE, answer, config_of, export_of

PROGRAMS = (
    Program(name="model.onnx", words="ONNX", difference=3e-7),
    Program(name="model.pt2", words="torch.export", problem="Unsupported: the <op> `x`"),
)
MEMBER = Member(config=config_of(small_networks()["unet"]), weights="best.safetensors", origin="trial 7")


def card(**changes: Any) -> str:
    predictor = Predictor(members=(MEMBER,))
    export = export_of(Path("nowhere"), predictor)
    values = {
        "study": export.study,
        "best": export.best,
        "predictor": predictor,
        "preprocessing": Preprocessing.of(FORM, SIZE, changes.pop("excluded", ())),
        "answer": None,
        "openings": 0,
        "audit": export.audit,
        "programs": PROGRAMS,
        "licence": "unknown",
    }
    return model_card(CardFacts(**(values | changes)))


def front(text: str) -> dict[str, Any]:
    assert text.startswith("---\n")
    return yaml.safe_load(text[4 : text.index("\n---\n")])


def test_without_an_answer_it_says_that_no_locked_test_was_opened() -> None:
    text = card()
    assert "**No locked test was opened for this network.** `search.answer`" in text
    assert "Validation mIoU 0.7123, of trial 7 at its best epoch, 3, on 20 images" in text
    assert "Test mIoU" not in text
    (result,) = front(text)["model-index"][0]["results"]
    assert result["dataset"] == {"name": "my_tiles", "type": "custom", "split": "validation"}
    assert result["metrics"][0]["value"] == 0.7123


def test_a_trial_beside_an_answer_says_that_the_test_was_of_another() -> None:
    text = card(openings=2)
    assert "The study's was opened twice, for another predictor, the study's answer." in text


def test_an_answer_shows_the_test_with_intervals_and_groups() -> None:
    text = card(answer=answer(), openings=1)
    assert "**Test mIoU 0.6123 [0.5512, 0.6630]**, on 20 images of 9 groups" in text
    assert "The locked test part was opened once." in text
    assert (
        "Against default\\_point: +0.0200 [-0.0100, +0.0500], on the same images; this test does not tell them apart."
        in text
    )
    assert "| sand | 7 | 0.5000 [0.4000, 0.6000] |" in text
    assert "| big rock | 3 | 0.5000, too few groups for an interval |" in text
    assert "| back\\|ground | 0 | not measured |" in text
    assert (
        "search's best, trial 4, had 0.7123; trained again from 2 new seeds it reached 0.6900, 0.7000: the search's "
        "number was +0.0173 above their mean."
    ) in text
    assert "between seeds of one configuration: 0.0123" in text
    assert "- Fewer than 5 groups hold big rock: a good part of the mIoU hangs on these few." in text
    assert "A training failed" not in text
    failed = card(answer=answer(failed=("default, seed 3: <no> memory",)), openings=1)
    assert "- A training failed: default, seed 3: \\<no\\> memory." in failed
    assert "No locked test" not in text
    (result,) = front(text)["model-index"][0]["results"]
    assert (result["dataset"]["split"], result["metrics"][0]["value"]) == ("test", 0.6123)


def test_a_second_opening_stands_there_for_ever() -> None:
    first = {"time": "2026-11-22", "systems": 2}
    openings = (first, {"time": "2026-11-23", "systems": 3, "reopened": "a *better* idea"})
    text = card(answer=answer(openings=openings), openings=2)
    assert "The locked test part was opened twice: what was chosen after the first time knew its result." in text
    assert "Opened again on 2026-11-23: a \\*better\\* idea." in text


def test_a_refitted_network_has_the_value_of_the_single_one(tmp_path: Path) -> None:
    """The answer is an ensemble; what was trained once more is its best network."""
    network = Candidate(name="network", words="trial 7, seed 2", miou=0.61)
    candidates = (*answer().candidates, network.model_copy(update={"miou": 0.6}), network)
    study = export_of(tmp_path, Predictor(members=(MEMBER,))).study
    for changes in ({}, {"test": None}):
        for_use = refitted_answer(study, answer(refitted=True, candidates=candidates, **changes), None)
        assert (for_use.chosen, for_use.validation) == ("network", 0.61)


def test_an_answer_without_a_test_part_and_a_refitted_one() -> None:
    assert "**No locked test was opened**: the data has no test part." in card(answer=answer(test=None, openings=()))
    refitted = card(answer=answer(refitted=True))
    assert "trained once more on all labelled images, those of the test part among them" in refitted


def test_programs_that_are_missing_are_named_with_their_reason() -> None:
    text = card()
    assert "There is no `model.pt2` (torch.export): Unsupported: the \\<op\\> \\`x\\`." in text
    assert (
        "`model.onnx` (ONNX) was compared with the network on noise: no probability differs by more than 3e-07." in text
    )
    assert "pip install numpy pillow onnxruntime" in text
    assert front(text)["tags"] == ["semantic-segmentation", "segtune", "onnx"]
    assert "pip install" not in card(programs=PROGRAMS[1:])


class Tags(html.parser.HTMLParser):
    found: tuple[str, ...] = ()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.found += (tag,)


def test_names_of_classes_become_no_markup() -> None:
    text = card(licence="<b>mine</b>\n---\nlicense: other", excluded=(0,))
    parser = Tags()
    parser.feed(text[text.index("\n---\n") :].replace("\\<", "&lt;"))
    assert parser.found == ()
    rows = [line.replace("\\|", "") for line in text.splitlines() if line.startswith("| ") and "`0`" in line]
    assert [row.count("|") for row in rows] == [6]
    assert "background, not counted in the metric, never predicted" in rows[0]
    assert "soil \\*wet\\*" in text
    assert front(text)["license"] == "<b>mine</b> --- license: other"
    assert set(front(text)) >= {"license", "model-index", "tags"}


def test_escaping() -> None:
    assert escaped("a\n b: (c)!") == "a b: (c)!"
    assert escaped("[x](y) <i> `c` *d* _e_ | ~ &amp; http://f @g :h:") == (
        "\\[x\\](y) \\<i\\> \\`c\\` \\*d\\* \\_e\\_ \\| \\~ \\&amp; http\\://f \\@g \\:h:"
    )
    assert escaped("\\<b>") == "\\\\\\<b\\>"


def test_the_audit_and_the_search_are_told() -> None:
    text = card()
    assert "105 images of 32x48 to 32x48 pixels, 1 channel, 30 named groups; 5 removed as outliers" in text
    assert "60 to train, 20 to validate, 20 locked for the test" in text
    assert "declared but in no mask: \\<i\\>moon\\</i\\>" in text
    assert "There is no audit of it" in card(audit=None)
    assert "Space: small" in text
    assert all(escaped(name) in text for name in CLASSES)

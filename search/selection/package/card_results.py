"""What a model card says of how good a predictor is: on validation, and on the locked test part, if that was opened."""

from search.selection.answer import FEWEST_GROUPS, Answer, ClassScore, Interval, LockedTest
from search.selection.package.markdown import escaped, table
from search.tuning.best import BestConfig
from search.words import plural, values_text


def result_lines(best: BestConfig, answer: Answer | None, openings: int, validation_images: int) -> list[str]:
    """The section on results. `answer` is None where the predictor is not the study's answer."""
    head = ["## How good it is", ""]
    if answer is None:
        return [
            *head,
            f"- Validation mIoU {best.miou:.4f}, of trial {best.trial} at its best epoch, {best.epoch}, on "
            f"{validation_images} images. It was chosen by this very number among many: expect less on new images.",
            f"- **No locked test was opened for this network.** {_other_openings(openings)}`search.answer` trains the "
            "best trials again and tests the winner once on images that no trial saw.",
            "",
        ]
    return [*head, *validation_lines(answer), *(test_lines(answer.test, answer)), ""]


def _other_openings(openings: int) -> str:
    if not openings:
        return ""
    return f"The study's was opened {_times(openings)}, for another predictor, the study's answer. "


def validation_lines(answer: Answer) -> list[str]:
    """What was reached on the validation part, and how much of it is luck."""
    lines = [
        f"- Validation mIoU {answer.validation:.4f}: {escaped(answer.chosen)}, the best of {len(answer.candidates)} "
        "candidates there, and therefore a little too high.",
    ]
    if (best := answer.search_best) is not None:
        lines.append(
            f"- The search's best, trial {best.trial}, had {best.value:.4f}; trained again from "
            f"{plural(len(best.retrained), 'new seed')} it reached {values_text(best.retrained)}: the search's number "
            f"was {best.optimism:+.4f} above their mean."
        )
    if answer.seed_noise is not None:
        lines.append(f"- Standard deviation between seeds of one configuration: {answer.seed_noise_words}.")
    lines += [f"- A training failed: {escaped(failure)}." for failure in answer.failed]
    return lines


def test_lines(test: LockedTest | None, answer: Answer) -> list[str]:
    """What was measured on the locked test part, how often it was opened, and against what."""
    if test is None:
        return ["- **No locked test was opened**: the data has no test part. The validation value above is all."]
    chosen = test.systems[0]
    opened = len(answer.openings)
    lines = [
        f"- **Test mIoU {interval_text(chosen.miou)}**, on {test.images} images of {test.groups} groups that no trial "
        f"trained or validated on ({escaped(chosen.words)}). Intervals are 95 %, by resampling groups.",
        f"- The locked test part was opened {_times(opened)}"
        + ("." if opened == 1 else ": what was chosen after the first time knew its result."),
        *(
            f"- Opened again on {escaped(opening.time)}: {escaped(opening.reopened)}."
            for opening in answer.openings
            if opening.reopened is not None
        ),
        *(
            f"- Against {escaped(entry.against)}: {interval_text(entry.difference, signed=True)}, on the same images"
            f"{'.' if entry.tells_apart else '; this test does not tell them apart.'}"
            for entry in test.differences
        ),
    ]
    if chosen.thin:
        names = ", ".join(escaped(name) for name in chosen.thin)
        lines.append(f"- Fewer than {FEWEST_GROUPS} groups hold {names}: a good part of the mIoU hangs on these few.")
    if answer.refitted:
        lines.append(
            "- The network was then trained once more on all labelled images, those of the test part among them. The "
            "numbers are those measured before; nothing is left to measure this one on."
        )
    rows = [[escaped(entry.name), str(entry.groups), _class_text(entry)] for entry in chosen.classes]
    return [*lines, "", *table(["class", "groups with it in the test part", "test IoU"], rows)]


def interval_text(value: Interval, *, signed: bool = False) -> str:
    """`0.6123 [0.5512, 0.6630]`, or the value alone."""
    form = "+.4f" if signed else ".4f"
    if value.low is None or value.high is None:
        return f"{value.value:{form}}"
    return f"{value.value:{form}} [{value.low:{form}}, {value.high:{form}}]"


def _class_text(score: ClassScore) -> str:
    if score.iou is None:
        return "not measured"
    few = score.iou.low is None and score.groups < FEWEST_GROUPS
    return interval_text(score.iou) + (", too few groups for an interval" if few else "")


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")

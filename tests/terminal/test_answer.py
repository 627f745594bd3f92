"""An answer on the screen."""

import io

from rich.console import Console

from search.selection.answer import Answer, Difference, Interval
from search.terminal.answer import difference_words, interval_text, print_answer, search_words
from tests.selection.made_up import answer


def screen(shown: Answer) -> str:
    console = Console(file=io.StringIO(), width=200)
    print_answer(console, shown)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_all_numbers_stand_with_their_intervals() -> None:
    text = screen(answer())
    assert "chosen  ensemble, validation mIoU 0.6300" in text
    assert "ensemble          0.6100  [0.5900, 0.6400]  0.6200      ensemble in words" in text
    assert "mean of 2 seeds: trial-4 in words" in text
    assert "+0.1100 [-0.0100, 0.1200] against default: this test does not tell them apart" in text
    assert "answer  ensemble, mIoU 0.6100 (95 % interval 0.5900 to 0.6400), on 40 images in 32 groups" in text
    assert "opened again" not in text


def test_class_names_are_shown_as_they_are_and_few_groups_have_no_interval() -> None:
    text = screen(answer())
    assert "rock [big]  3       0.3050  -" in text
    assert "warning: fewer than 5 groups hold rock [big]: a good part of the mIoU hangs on these few" in text
    assert "background  9" not in text  # it does not count


def test_the_optimism_of_the_search_and_the_noise_of_the_seed() -> None:
    words = search_words(answer())
    assert words == (
        "its best, trial 2, had 0.6500; from new seeds 0.6000, 0.5800: the search's number was +0.0600 above their "
        "mean; standard deviation between seeds 0.0141 (95 % interval 0.0070 to 0.2000)"
    )
    assert "standard deviation" not in search_words(answer().model_copy(update={"seed_noise": None}))
    lost = answer().model_copy(update={"search_best": None})
    assert search_words(lost).startswith("its best trial could not be trained again; standard deviation")


def test_what_was_chosen_and_what_failed() -> None:
    text = screen(answer().model_copy(update={"failed": ("default, seed 3: no memory left",), "test": None}))
    assert "the best configuration is that of trial 4, from new seeds 0.6000, 0.6200\n" in text
    assert "warning: a training failed: default, seed 3: no memory left\n" in text


def test_a_refitted_network_is_told_without_a_test_part_too() -> None:
    text = screen(answer().model_copy(update={"test": None, "refitted": True}))
    assert "refit   trained once more on all labelled data; search.export --refitted takes it" in text


def test_a_second_look_is_told_every_time() -> None:
    assert "warning: the test part was opened again on 2026-03-05T12:00:00+00:00" in screen(answer(reopened=True))


def test_without_a_test_part_it_says_so() -> None:
    text = screen(answer().model_copy(update={"test": None}))
    assert "there is no locked test part: no number here is free of choice" in text


def test_a_difference_whose_interval_leaves_zero_out_is_told_as_it_is() -> None:
    apart = Difference(against="trial-3", difference=Interval(value=0.1, low=0.02, high=0.2))
    assert difference_words(apart) == "+0.1000 [0.0200, 0.2000] against trial 3"
    few = Difference(against="default", difference=Interval(value=0.1))
    assert difference_words(few) == "+0.1000 - against default: this test does not tell them apart"


def test_intervals() -> None:
    assert interval_text(Interval(value=0.5)) == "-"
    assert interval_text(Interval(value=0.5, low=0.4, high=0.61)) == "[0.4000, 0.6100]"

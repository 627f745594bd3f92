"""`python -m search.answer STUDY`: the best trials trained again, one chosen, measured once on the locked test part."""

import sys
from typing import TYPE_CHECKING

import tyro

from search.command import INTERRUPTED, run_command
from search.selection.options import AnswerOptions
from search.tuning.folder import find_study, locked
from search.tuning.fork_server import ForkServer

if TYPE_CHECKING:
    from rich.console import Console

    from search.data.prepare import PreparedData
    from search.selection.answer import Answer
    from search.selection.planning import PlannedAnswer


def main() -> None:
    """Answer as the options say."""
    options = tyro.cli(AnswerOptions, prog="python -m search.answer")
    options.check()
    folder = find_study(options.study, options.results)
    with ForkServer() as server:  # first: it imports for seconds
        from rich.console import Console

        from search.selection.planning import plan_answer
        from search.terminal.answer import print_answer, print_answer_plan
        from search.tuning.session import told_if_unwritable

        console = Console(highlight=False)
        planned = plan_answer(options, folder, server)
        given = planned.given
        if given is not None:
            console.print("this answer has been given already; it stays as it is", soft_wrap=True)
        else:
            print_answer_plan(console, planned)
        if options.dry_run:
            console.print("nothing was started: leave --dry-run out to go on", soft_wrap=True)
        elif given is not None and (given.refitted or not options.refit):
            print_answer(console, given)
        else:
            with locked(folder), told_if_unwritable(folder):
                answer_planned(console, planned, server)


def answer_planned(console: "Console", planned: "PlannedAnswer", server: ForkServer) -> None:
    """Find the answer, where it has not been given; train it on all labelled data, where that is asked for; tell it."""
    from search.selection.answering import prepare
    from search.selection.refitting import refit
    from search.terminal.answer import display_trainings, print_answer, print_refitted
    from search.terminal.commands import answer_commands
    from search.terminal.lines import print_commands
    from search.terminal.waiting import waiting
    from search.tuning.session import terminable

    with waiting(console, "reading the data"):
        prepared = prepare(planned, server)
    answer = planned.given or find_answer(console, planned, prepared, server)
    if answer is None:
        return
    print_answer(console, answer)
    if planned.options.refit:
        console.print("training once more, on all labelled data", soft_wrap=True)
        with terminable():
            interrupted = not refit(planned, prepared, answer, display_trainings, server)
        if interrupted:
            console.print("that did not come to its end; the same command goes on", soft_wrap=True)
            sys.exit(INTERRUPTED)
        print_refitted(console)
    print_commands(console, answer_commands(planned.study.folder))


def find_answer(
    console: "Console", planned: "PlannedAnswer", prepared: "PreparedData", server: ForkServer
) -> "Answer | None":
    """Train, choose, open the test part; None where the time for training was over before."""
    from search.selection.answering import choose_predictor, give_answer, open_locked_part, train
    from search.terminal.answer import display_trainings, print_locked
    from search.terminal.waiting import waiting
    from search.tuning.session import terminable
    from search.words import plural

    print_locked(console, prepared, planned)
    with terminable():
        interrupted = train(planned, prepared, display_trainings, server)
    if left := planned.trainings.unfinished:
        console.print(f"{plural(left, 'training')} left; the same command goes on", soft_wrap=True)
        if interrupted:
            sys.exit(INTERRUPTED)
        return None
    with waiting(console, "comparing networks, soups and ensembles on validation"):
        choice = choose_predictor(planned, prepared, server)
    with waiting(console, "measuring on the test part"):
        test, openings = open_locked_part(planned, prepared, choice, server)
    return give_answer(planned, choice, test, openings)


if __name__ == "__main__":
    run_command(main)

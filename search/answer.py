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

    from search.selection.answer import Answer
    from search.selection.answering import PlannedAnswer


def main() -> None:
    """Answer as the options say."""
    options = tyro.cli(AnswerOptions, prog="python -m search.answer")
    options.check()
    folder = find_study(options.study, options.results)
    with ForkServer() as server:  # first: it imports for seconds
        from rich.console import Console

        from search.selection.answering import plan_answer
        from search.terminal.answer import print_answer, print_answer_plan

        console = Console(highlight=False)
        planned = plan_answer(options, folder, server)
        if planned.settled and planned.answer is not None:
            console.print("this answer has been given already; it stays as it is", soft_wrap=True)
            answer = planned.answer
            if options.refit and not answer.refitted:
                with locked(folder):
                    answer = refitted(console, planned, answer, server)
            print_answer(console, answer)
            return
        print_answer_plan(console, planned)
        if options.dry_run:
            console.print("nothing was started: leave --dry-run out to go on", soft_wrap=True)
            return
        with locked(folder):
            find_answer(console, planned, server)


def find_answer(console: "Console", planned: "PlannedAnswer", server: ForkServer) -> None:
    """Train, choose, open the test part, tell what came of it."""
    from search.selection.answering import choose_predictor, give_answer, open_locked_part, prepare, train
    from search.terminal.answer import display_trainings, print_answer, print_locked
    from search.terminal.commands import answer_commands
    from search.terminal.lines import print_commands
    from search.terminal.waiting import waiting
    from search.tuning.session import terminable
    from search.words import plural

    with waiting(console, "reading the data"):
        prepared = prepare(planned, server)
    print_locked(console, prepared, planned)
    with terminable():
        interrupted = train(planned, prepared, display_trainings, server)
    if left := planned.trainings.unfinished:
        console.print(f"{plural(left, 'training')} left; the same command goes on", soft_wrap=True)
        if interrupted:
            sys.exit(INTERRUPTED)
        return
    with waiting(console, "comparing networks, soups and ensembles on validation"):
        choice = choose_predictor(planned, prepared, server)
    with waiting(console, "measuring on the test part"):
        test, openings = open_locked_part(planned, prepared, choice, server)
    answer = give_answer(planned, choice, test, openings)
    if planned.options.refit:
        answer = refitted(console, planned, answer, server)
    print_answer(console, answer)
    print_commands(console, answer_commands(planned.study.folder))


def refitted(console: "Console", planned: "PlannedAnswer", answer: "Answer", server: ForkServer) -> "Answer":
    """Train on all labelled data; the answer, which says so where that came to its end."""
    from search.selection.answering import prepare
    from search.selection.refitting import refit
    from search.terminal.answer import display_trainings
    from search.tuning.session import terminable

    console.print("training once more, on all labelled data", soft_wrap=True)
    with terminable():
        done = refit(planned, prepare(planned, server), answer, display_trainings, server)
    if done is None:
        console.print("that did not come to its end; the same command goes on", soft_wrap=True)
    return done or answer


if __name__ == "__main__":
    run_command(main)

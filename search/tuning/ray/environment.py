"""What Ray reads from the environment before it is imported, and how a local cluster is started.

Each setting answers something measured with Ray 2.60; the user's own value wins where one is set.
"""

import contextlib
import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

SETTINGS = {
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # else every worker is started through `uv run`, the folder uploaded
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # every socket on 127.0.0.1; by default they listen on all addresses
    "RAY_AUTH_MODE": "token",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",  # the study is the only state; Ray's own is never read
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_memory_monitor_refresh_ms": "0",  # Ray's memory monitor ends the whole run, not the trial
    "RAY_enable_worker_prestart": "0",  # prestarted workers never fit Tune's actors: they only cost time
    "RAY_prestart_worker_first_driver": "0",
    "RAY_worker_niceness": "0",  # actors only pass messages; at Ray's 15 they wait behind all else on a busy machine
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
}

OBJECT_STORE_BYTES = 80 * 2**20
"""The least that Ray takes: only addresses and reports pass through it."""


def prepare_environment() -> None:
    """Set what Ray reads when it is imported."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("ray.widgets").setLevel(logging.WARNING)  # else it asks for ipywidgets in every notebook


@contextlib.contextmanager
def local_cluster(*, cpus: int, gpus: int, log: Path) -> Iterator[None]:
    """A Ray cluster on this machine for the duration; what Ray prints on stderr goes to `log`.

    A process that is connected to a cluster already keeps using that one.
    """
    with interrupts_deferred():
        import ray
        import ray.tune  # here, where an interrupt waits: the import takes seconds

    if ray.is_initialized():
        yield
        return
    with stderr_to(log), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own deprecations; they tell a user of this tool nothing
        try:
            with interrupts_deferred():
                ray.init(
                    address="local",  # else a cluster that runs on this machine is joined, or RAY_ADDRESS
                    num_cpus=cpus,
                    num_gpus=gpus,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    object_store_memory=OBJECT_STORE_BYTES,
                )
            yield
        finally:
            ray.shutdown()


@contextlib.contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM take effect after the block.

    Within it, an exception may be raised in a callback of the interpreter, where it is printed and lost. `ray.init`
    puts a handler of its own at SIGTERM, which raises SystemExit at once: that counts as Ctrl-C. Two agents of Ray, if
    they start at that moment, end some seconds later than the rest.
    """
    noted: list[int] = []
    with handlers_restored():
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda arrived, _frame: noted.append(arrived))
        try:
            yield
        except SystemExit as ended:
            raise KeyboardInterrupt from ended
    if noted:
        raise KeyboardInterrupt


@contextlib.contextmanager
def handlers_restored() -> Iterator[None]:
    """Put back what Ctrl-C and SIGTERM did before the block: Ray leaves handlers of its own."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)


@contextlib.contextmanager
def stderr_to(log: Path) -> Iterator[None]:
    """Send this process's stderr, also that of native code and children started meanwhile, to the end of a file."""
    saved = os.dup(2)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)

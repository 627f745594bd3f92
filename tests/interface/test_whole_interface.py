"""A script as someone writes it, without a main guard: it searches through Ray, is interrupted, and goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interface.waiting import TIMEOUT, wait_for_an_epoch
from tests.tuning.whole_search import write_place

SCRIPT = """
import numpy
from search import load_model, run

study = run(space="own.py:tiny", data="tiles.npz", max_epochs=400, trials=50, concurrency=1, progress=False)
print("interrupted", study.interrupted, "trials", len(study.trials))
mask = load_model(study).predict(numpy.zeros((16, 16, 1), numpy.uint8))
print("mask", mask.shape)
"""


@pytest.mark.whole
@pytest.mark.timeout(600)
def test_a_script_is_interrupted_and_goes_on_with_the_study(tmp_path: Path) -> None:
    write_place(tmp_path)
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "script.py"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as script:
        try:
            wait_for_an_epoch(tmp_path / "results/tiny-tiles", lambda: script.poll() is None)
            script.send_signal(signal.SIGINT)
            screen, errors = script.communicate(timeout=TIMEOUT)
        finally:
            script.kill()
    assert (script.returncode, errors) == (0, "")
    assert screen.startswith("interrupted True trials ")
    assert screen.endswith("mask (16, 16)\n")

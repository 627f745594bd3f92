"""What was written to each tracker, by its library's own reader."""

import json
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Told:
    """One trial: values by name as (epoch, value), settings as text, how it ended, the study that it belongs to."""

    values: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    ended: str = ""
    group: str = ""


BEST = "best validation mIoU"
BLOCK, WHOLE, LAST = 32768, 1, 4


def from_tensorboard(folder: Path) -> dict[str, Told]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    found = {}
    for run in sorted((folder / "tracking/tensorboard").glob("trial-*")):
        events = EventAccumulator(str(run)).Reload()
        told = Told(group=folder.name)
        for tag in events.Tags()["scalars"]:
            if tag != BEST:
                told.values[tag] = [(event.step, event.value) for event in events.Scalars(tag)]
        metadata = events.SummaryMetadata("_hparams_/session_start_info")
        started = HParamsPluginData.FromString(metadata.plugin_data.content).session_start_info
        for key, value in started.hparams.items():
            told.settings[key] = str(getattr(value, value.WhichOneof("kind")))
        ended = events.Tensors("ended")[-1].tensor_proto.string_val[0].decode()
        told.ended = ended.splitlines()[0]
        found[f"trial {int(run.name.removeprefix('trial-'))}"] = told
    return found


def from_mlflow(folder: Path) -> dict[str, Told]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder.resolve()}/tracking/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name(folder.name)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=100)
    names = {run.info.run_id: run.info.run_name for run in runs}
    found = {}
    for run in runs:
        if "mlflow.parentRunId" not in run.data.tags:
            continue
        told = Told(
            settings=dict(run.data.params),
            ended=run.data.tags["ended"],
            group=names[run.data.tags["mlflow.parentRunId"]],
        )
        for name in run.data.metrics:
            if name != BEST:
                history = client.get_metric_history(run.info.run_id, name)
                told.values[name] = sorted((metric.step, metric.value) for metric in history)
        found[run.info.run_name] = told
    return found


def from_wandb(folder: Path) -> dict[str, Told]:
    """What is in the files of the offline runs, those of one run joined."""
    found: dict[str, Told] = {}
    for path in sorted((folder / "tracking/wandb/wandb").glob("offline-run-*/run-*.wandb")):
        told = Told()
        for record in _whole_run(path):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                told = found.setdefault(record.run.display_name, told)
                told.group = record.run.run_group
                told.settings |= {name: str(value) for name, value in _items(record.run.config.update).items()}
            elif kind == "history":
                row = _items(record.history.item)
                for name in row.keys() - {"epoch"}:
                    if not name.startswith("_"):
                        told.values.setdefault(name, []).append((row["epoch"], row[name]))
            elif kind == "summary":
                told.ended = _items(record.summary.update).get("ended", told.ended)
    return found


def _whole_run(path: Path) -> list[Any]:
    """All records of a run, up to that of its end: wandb's own process writes them some time after it was told."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        records = list(_wandb_records(path))
        if records and records[-1].WhichOneof("record_type") == "exit":
            return records
        time.sleep(0.2)
    raise AssertionError(f"{path} has no end")


def _wandb_records(path: Path) -> Iterator[Any]:
    """The records of an offline run. wandb 0.31 reads them in Go alone.

    They are in LevelDB's log format, after a header of 7 bytes: blocks of 32 kB, in them pieces with a checksum, a
    length and a kind (whole, first, middle, last).
    """
    from wandb.proto.wandb_internal_pb2 import Record

    content, offset, record = path.read_bytes(), 7, b""
    while offset + 7 <= len(content):
        rest = BLOCK - offset % BLOCK
        if rest < 7:
            offset += rest
            continue
        _, length, kind = struct.unpack_from("<IHB", content, offset)
        record += content[offset + 7 : offset + 7 + length]
        offset += 7 + length
        if kind in (WHOLE, LAST):
            yield Record.FromString(record)
            record = b""


def _items(items: Any) -> dict[str, Any]:
    """Keys and values of wandb's lists of JSON."""
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


READERS: dict[str, Callable[[Path], dict[str, Told]]] = {
    "tensorboard": from_tensorboard,
    "mlflow": from_mlflow,
    "wandb": from_wandb,
}

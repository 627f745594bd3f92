"""What was written to each tracker, by its library's own reader."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Told:
    """One trial: values by name as (epoch, value), settings as text, how it ended, the study that it belongs to."""

    values: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    ended: str = ""
    group: str = ""


BEST = "best validation mIoU"


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
            held = getattr(value, value.WhichOneof("kind"))
            told.settings[key] = str(int(held)) if isinstance(held, float) and held.is_integer() else str(held)
        ended = events.Tensors("ended/text_summary")[-1].tensor_proto.string_val[0].decode()
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
    import json

    from wandb.proto.wandb_internal_pb2 import Record
    from wandb.sdk.internal.datastore import DataStore

    found: dict[str, Told] = {}
    for path in sorted((folder / "tracking/wandb/wandb").glob("offline-run-*/run-*.wandb")):
        store = DataStore()
        store.open_for_scan(str(path))
        told = Told()
        while (data := store.scan_data()) is not None:
            record = Record.FromString(data)
            match record.WhichOneof("record_type"):
                case "run":
                    told = found.setdefault(record.run.display_name, told)
                    told.group = record.run.run_group
                    for item in record.run.config.update:
                        told.settings[item.key or ".".join(item.nested_key)] = str(json.loads(item.value_json))
                case "history":
                    row = {
                        item.key or ".".join(item.nested_key): json.loads(item.value_json)
                        for item in record.history.item
                    }
                    for key, value in row.items():
                        if key != "epoch" and not key.startswith("_"):
                            told.values.setdefault(key, []).append((row["epoch"], value))
                case "summary":
                    for item in record.summary.update:
                        if (item.key or ".".join(item.nested_key)) == "ended":
                            told.ended = json.loads(item.value_json)
    return found


READERS: dict[str, Callable[[Path], dict[str, Told]]] = {
    "tensorboard": from_tensorboard,
    "mlflow": from_mlflow,
    "wandb": from_wandb,
}

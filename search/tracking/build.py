"""A tracker by its name. Each library is imported when its tracker is built, in the tracker's own thread."""

import os

from search.tracking.tracker import TrackedStudy, Tracker


def build_tracker(name: str, study: TrackedStudy) -> Tracker:
    """The tracker that `--track NAME` stands for."""
    match name:
        case "tensorboard":
            from search.tracking.tensorboard import TensorBoard

            return TensorBoard(study)
        case "mlflow":
            os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "0")  # what it logs belongs into search.log
            from search.tracking.mlflow import MLflow

            return MLflow(study)
        case "wandb":
            from search.tracking.wandb import WeightsAndBiases

            return WeightsAndBiases(study)
    raise AssertionError(f"no tracker is called {name}")

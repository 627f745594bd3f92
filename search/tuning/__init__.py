"""Many trials: the study (Optuna), the pruning rule (ASHA), the engine, and the executors (Ray Tune, in-process)."""

"""Reporting a search to TensorBoard, MLflow or Weights & Biases while it runs: `--track`."""

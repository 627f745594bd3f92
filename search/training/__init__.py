"""One trial: augmentation, losses, metric, optimizers, the training loop and its checkpoints."""

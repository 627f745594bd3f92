"""What is trained: networks only, a ModelConfig in, an nn.Module out."""

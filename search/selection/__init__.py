"""The answer of a search: the best configuration as files, and its training once more."""

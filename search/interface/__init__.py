"""The Python interface, `from search import run, load, load_model`: the calls are light, what they return is not."""

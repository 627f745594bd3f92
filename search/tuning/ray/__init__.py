"""Ray Tune as an executor: the one package that imports ray."""

from search.tuning.ray.environment import prepare_environment

prepare_environment()  # here, so that no module of this package can import ray before it

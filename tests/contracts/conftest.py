from collections.abc import Iterator

import pytest

from search.tuning.ray.environment import local_cluster
from tests.contracts.searching import Run, run_in_ray, run_locally


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One Ray cluster for the whole module: starting one takes longer than a search here."""
    log = tmp_path_factory.mktemp("ray") / "ray.log"
    with local_cluster(cpus=2, gpus=0, log=log):
        yield


@pytest.fixture(params=[run_locally, run_in_ray], ids=["local", "ray"])
def run(request: pytest.FixtureRequest) -> Run:
    if request.param is run_in_ray:
        request.getfixturevalue("cluster")
    return request.param

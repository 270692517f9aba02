"""Processes that share the tiles find the partition that one finds alone."""

import os
import subprocess
import sys

import numpy as np
import pytest

from stages.merge import initial_labels
from tests.pairwise import slow_beyond_pairs
from tests.reference.published import merge_stage

FIELDS = ("labels", "merges", "distance", "inter", "intra", "sizes")


@pytest.mark.parametrize(
    ("update", "ranked_by", "size"),
    slow_beyond_pairs(
        ("stale", "exact", "union"), (("dbc", "sqeuclidean"), ("dbc", "euclidean"), ("buc", "cosine")), (2, 4)
    ),
)
def test_any_number_of_processes_gives_one_partition(random_clusters, by_processes, *, update, ranked_by, size):
    features, labels = random_clusters(size, 90, 7, 60)
    options = {"update": update, "criterion": ranked_by[0], "metric": ranked_by[1]}
    expected = merge_stage(features, labels, 20, **options)
    for result in by_processes(size, features, labels, 20, tile=9, **options):
        for name in FIELDS:
            np.testing.assert_array_equal(getattr(result, name), getattr(expected, name))


SCRIPT = """
import sys, numpy as np, torch.distributed as dist
from stages.processes import TorchProcesses
from stages.merge import initial_labels, merge_stage
rank, size, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=size)
features = np.random.default_rng(0).standard_normal((150, 8))
options = {"update": "exact", "lambda_": 0.1, "intra_normalizer": "n"}
result = merge_stage(features, initial_labels(150), 40, tile=16, processes=TorchProcesses(), **options)
np.save(f"{folder}/{rank}.npy", result.merges)
dist.destroy_process_group()
"""


def test_torch_processes_give_one_partition(tmp_path):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    processes = [
        subprocess.Popen([sys.executable, "-c", SCRIPT, str(rank), "2", str(tmp_path)], env=environment)
        for rank in range(2)
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    features = np.random.default_rng(0).standard_normal((150, 8))
    expected = merge_stage(features, initial_labels(150), 40, update="exact")
    for rank in range(2):
        np.testing.assert_array_equal(np.load(tmp_path / f"{rank}.npy"), expected.merges)

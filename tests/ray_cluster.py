"""A Ray cluster of several nodes on this machine, for tests."""

import importlib.util
import os
from contextlib import contextmanager

import pytest

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="the extra `ray` is not installed"
)


@contextmanager
def ray_machines(*folders):
    """Start a control node without cores and, for each folder, one with its files there.

    Yields the cluster's address, and a function that kills all processes of a folder's node.
    """
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
    cluster = importlib.import_module("ray.cluster_utils").Cluster()
    try:
        cluster.add_node(num_cpus=0, include_dashboard=False)
        nodes = {}
        for folder in folders:
            variables = {"TMPDIR": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
            variables["RAY_process_group_cleanup_enabled"] = "true"
            nodes[folder] = cluster.add_node(
                num_cpus=1, include_dashboard=False, env_vars=os.environ | variables
            )
        cluster.wait_for_nodes()
        yield cluster.address, lambda folder: cluster.remove_node(nodes[folder], False)
    finally:
        cluster.shutdown()

"""Which stages `dvc repro` would run, where not everything is on this machine.

What is missing here counts as unchanged, as `dvc repro --allow-missing` has it.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import plan_repro

if TYPE_CHECKING:
    from dvc.output import Output
    from dvc.stage import Stage

_PIPELINE = "dvc.yaml"


def in_order(repo: Repo) -> "list[Stage]":
    """The pipeline's stages and what they depend on, inputs before those who read them."""
    wanted = [stage for stage in repo.index.stages if stage.path_in_repo == _PIPELINE]
    return plan_repro(repo.index.graph, wanted)


def has_changed(repo: Repo, stage: "Stage") -> bool:
    """Whether DVC holds that it must run. The caller has locked the project."""
    upstream = list(repo.index.graph.successors(stage))
    return stage.changed(allow_missing=True, upstream=upstream)


def read_by(repo: Repo, stage: "Stage") -> "list[Output]":
    """Outs of others that a stage reads: a file, a folder, or all that lies in a folder."""
    paths = [Path(dep.fs_path) for dep in stage.deps if dep.protocol == "local"]
    return [
        out
        for out in repo.index.outs
        if out.use_cache and any(_overlap(path, Path(out.fs_path)) for path in paths)
    ]


def stale_stages(repo: Repo) -> tuple[str, ...]:
    """Names of the stages whose inputs, or outs, are not those of their last run."""
    with lock_repo(repo):
        return tuple(
            stage.addressing
            for stage in in_order(repo)
            if has_changed(repo, stage) and all(is_here(out) for out in read_by(repo, stage))
        )


def is_here(out: "Output") -> bool:
    """Whether it is on this machine, whole and as the lock says."""
    return out.exists and not out.changed_checksum()


def _overlap(path: Path, out: Path) -> bool:
    return path == out or path in out.parents or out in path.parents

"""What `dvc repro` will run, why, and for how long, before it does.

Hides DVC's status and graph: which stages' own inputs changed, in words, and which follow because
they read what those make. A stage whose inputs come out as they were is skipped after all, and one
that ran before with the same inputs is restored; both are known only when it is their turn.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.repo.reproduce import plan_repro
from dvc.stage import Stage

from motiontransfer.errors import MotionTransferError
from motiontransfer.workspace.amounts import names_text
from motiontransfer.workspace.cost import Plan, stage_seconds

# What they make is the same in every run, or known without them.
_WITHOUT_CONSEQUENCES = ("check_params", "code")
_CODE_FOLDER = "artifacts/code"

_WORDS_OF_OUTS = {
    "deleted": "missing",
    "modified": "not as made",
    "not in cache": "not in the cache",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStage:
    """A stage that will run."""

    name: str
    """As DVC names it."""

    description: str
    """Its `desc` in dvc.yaml."""

    reasons: tuple[str, ...]
    """Why, in words."""

    seconds: float | None = None
    """What it should take; None: nobody knows, for example on a GPU without a run."""

    @property
    def kind(self) -> str:
        """The stage without the name of the video, target or transfer."""
        return kind_of(self.name)


def kind_of(stage: str) -> str:
    """`train_gan` of `train_gan@me`, `film` of `demo/dvc.yaml:film@target`."""
    return stage.rpartition(":")[2].partition("@")[0]


def planned_stages(
    repo: Repo, targets: Sequence[str] = (), *, force: bool = False
) -> list[PlannedStage]:
    """The stages that will run, in DVC's order, without times.

    Args:
        targets: stages, as given to `dvc repro`; none: all of dvc.yaml.
        force: whether they run even if nothing changed.

    Raises:
        MotionTransferError: DVC cannot read the project, or another DVC is at work in it.
    """
    try:
        with repo.lock:
            pass  # told now, not after the plan
        order = _in_order(repo, targets)
        status = repo.status()
    except DvcException as error:
        raise MotionTransferError(f"dvc: {' '.join(str(error).split())}") from error
    recorded = _recorded_params(repo)
    planned: dict[str, PlannedStage] = {}
    for stage in order:
        before = {it.addressing for it in repo.index.graph.successors(stage)}
        makers = [it for it in planned if it in before and it not in _WITHOUT_CONSEQUENCES]
        changes = status.get(stage.addressing, [])
        reasons = list(_reasons(stage, changes, recorded, planned))
        if force and not reasons and not makers:
            reasons = ["as asked"]
        reasons += [f"after {names_text(makers)}"] if makers and not reasons else []
        if reasons:
            planned[stage.addressing] = PlannedStage(
                name=stage.addressing, description=stage.desc or "", reasons=tuple(reasons)
            )
    return list(planned.values())


def with_times(
    stages: Sequence[PlannedStage],
    plan: Plan,
    *,
    run_factors: Mapping[str, float],
    unknown_kinds: Sequence[str] = (),
) -> list[PlannedStage]:
    """The stages with what each should take.

    Args:
        run_factors: how many times as long each kind took here as the model expects.
        unknown_kinds: stages of which the model knows nothing on this machine.
    """
    return [
        PlannedStage(
            name=stage.name,
            description=stage.description,
            reasons=stage.reasons,
            seconds=(
                None
                if stage.kind in unknown_kinds and stage.kind not in run_factors
                else stage_seconds(stage.name, plan) * run_factors.get(stage.kind, 1.0)
            ),
        )
        for stage in stages
    ]


def _in_order(repo: Repo, targets: Sequence[str]) -> list[Stage]:
    """The targets and all that they need, in the order in which `dvc repro` goes."""
    graph = repo.index.graph
    if targets:
        wanted = [stage for target in targets for stage in _matching(repo, target)]
    else:
        wanted = [stage for stage in repo.index.stages if _is_of(repo, stage, "dvc.yaml")]
    return [stage for stage in plan_repro(graph, wanted) if not stage.is_data_source]


def _matching(repo: Repo, target: str) -> list[Stage]:
    """A stage, all of a foreach stage, or those of another dvc.yaml."""
    stages = list(repo.index.stages)
    named = [s for s in stages if s.addressing == target or s.addressing.startswith(f"{target}@")]
    return named or [stage for stage in stages if _is_of(repo, stage, target)]


def _is_of(repo: Repo, stage: Stage, file: str) -> bool:
    return Path(stage.path).resolve() == Path(repo.root_dir, file).resolve()


def _reasons(
    stage: Stage,
    changes: Sequence[object],
    recorded: Mapping[str, Mapping[str, object]],
    planned: Mapping[str, PlannedStage],
) -> Iterator[str]:
    """What changed for a stage itself, in words."""
    if changes and stage.addressing not in recorded:
        yield "has not run yet"
        return
    if edited := _edited_modules(stage):
        yield f"edited: {names_text(edited)}"
    made_here = [out for name in planned for out in _outs_of(stage.repo, name)]
    for change in changes:
        if not isinstance(change, Mapping):
            yield {"changed command": "its command changed"}.get(str(change), str(change))
            continue
        deps = change.get("changed deps", {})
        yield from _changed_params(stage, deps, recorded[stage.addressing])
        yield from _changed_files(deps, made_here)
        yield from _changed_outs(change.get("changed outs", {}))


def _edited_modules(stage: Stage) -> list[str]:
    """Modules that are not as they were noted for the stage when it ran."""
    for dep in stage.deps:
        noted = Path(dep.fs_path)
        if noted.parent == Path(stage.repo.root_dir, _CODE_FOLDER) and noted.exists():
            digests = json.loads(noted.read_text(encoding="utf-8"))
            root = Path(stage.repo.root_dir)
            return [path for path, digest in digests.items() if _digest(root / path) != digest]
    return []


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def _outs_of(repo: Repo, name: str) -> list[str]:
    stages = [stage for stage in repo.index.stages if stage.addressing == name]
    return [str(out) for stage in stages for out in stage.outs]


def _changed_files(deps: Mapping[str, object], made_here: Sequence[str]) -> Iterator[str]:
    """Changed data, and code that was noted since; not what a stage before will make anew."""
    for path, what in deps.items():
        if path.startswith(f"{_CODE_FOLDER}/"):
            yield "its code changed"
        elif isinstance(what, str) and not _is_made(path, made_here):
            yield f"{path} {'is missing' if what == 'deleted' else 'changed'}"


def _changed_outs(outs: Mapping[str, object]) -> Iterator[str]:
    for state, words in _WORDS_OF_OUTS.items():
        paths = [path for path, what in outs.items() if what == state]
        if paths:
            yield f"{words}: {names_text(paths, most=1)}"


def _is_made(path: str, outs: Sequence[str]) -> bool:
    return any(
        path == out or path.startswith(f"{out}/") or out.startswith(f"{path}/") for out in outs
    )


def _changed_params(
    stage: Stage, deps: Mapping[str, object], recorded: Mapping[str, object]
) -> Iterator[str]:
    for file, changes in deps.items():
        if not isinstance(changes, Mapping):
            continue
        path = Path(stage.wdir) / file
        now = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
        for key in changes:
            before, after = recorded.get(key), _under(now, key)
            yield from differences(key, before, after)


def differences(key: str, before: object, after: object) -> Iterator[str]:
    """`section.name: old -> new` for each value under a key that is not as it was."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in [*before, *(name for name in after if name not in before)]:
            yield from differences(f"{key}.{name}", before.get(name), after.get(name))
    elif before != after or isinstance(before, bool) != isinstance(after, bool):
        yield f"{key}: {_written(before)} -> {_written(after)}"


def _written(value: object) -> str:
    if value is None:
        return "null"
    text = yaml.safe_dump(value, default_flow_style=True, width=1 << 20).strip()
    return text.removesuffix("...").strip()


def _under(content: object, key: str) -> object:
    for part in key.split("."):
        content = content.get(part) if isinstance(content, Mapping) else None
    return content


def _recorded_params(repo: Repo) -> dict[str, Mapping[str, object]]:
    """Params of each stage as of its last run, by stage, then key."""
    recorded: dict[str, Mapping[str, object]] = {}
    for file in sorted({Path(stage.path) for stage in repo.index.stages}):
        lock = file.with_suffix(".lock")
        if file.suffix != ".yaml" or not lock.exists():
            continue
        content = yaml.load(lock.read_text(encoding="utf-8"), Loader=_Loader)
        folder = file.parent.relative_to(repo.root_dir)
        prefix = "" if folder == Path() else f"{(folder / file.name).as_posix()}:"
        for name, stage in content.get("stages", {}).items():
            values = list(stage.get("params", {}).values())
            recorded[prefix + name] = {key: it for params in values for key, it in params.items()}
    return recorded


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The same as SafeLoader, and ten times as fast on long lock files."""

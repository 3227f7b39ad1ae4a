"""A run of `dvc repro` explained: what will run and why, and afterwards what came of it.

Hides how plan, cost, run and headlines are put into lines. Nothing here changes what DVC does.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from motiontransfer.workspace.amounts import time_text
from motiontransfer.workspace.cost import GPU_KINDS, Plan, stage_seconds
from motiontransfer.workspace.headlines import headlines, metrics_files, table
from motiontransfer.workspace.machine import find_gpu
from motiontransfer.workspace.narrated_run import Narrator, keep_run_times, run_narrated
from motiontransfer.workspace.planning import read_plan
from motiontransfer.workspace.remote import opened
from motiontransfer.workspace.run_plan import PlannedStage, kind_of, planned_stages, with_times
from motiontransfer.workspace.run_times import factors, read_run_times

Say = Callable[..., None]
"""Takes a line, and as `style` one of plain, head, better and worse."""

_MADE_BY = {
    "clean_keypoints": "artifacts/quality/*/{}.png: how well the video can be read",
    "train_gan": "artifacts/training/{}/generator: curves and sample pictures",
    "render": "results/{}/: transfer.mp4, comparison.mp4, contact_sheet.png",
    "evaluate": "artifacts/evaluation/{}: held-out frames compared",
}
"""Where to look after a stage."""


class Explained:
    """One run of `dvc repro`, with words around it."""

    def __init__(self, root: Path, arguments: Sequence[str], *, say: Say) -> None:
        """Take the arguments of `dvc repro`."""
        self._root, self._arguments, self._say = root, list(arguments), say
        self._metrics = metrics_files(root)
        self._plan: Plan | None = None
        self._stages: list[PlannedStage] = []
        self._narrator: Narrator | None = None

    def before(self) -> None:
        """Say what will run, why, and how long it should take."""
        targets = [it for it in self._arguments if not it.startswith("-")]
        force = bool({"-f", "--force"} & set(self._arguments))
        with opened(self._root) as repo:
            stages = planned_stages(repo, targets, force=force)
        if not stages:
            self._say("nothing will run: all is as it was made")
            return
        kinds = {stage.kind for stage in stages}
        self._plan = read_plan(self._root, kinds=kinds)
        gpu = find_gpu() if kinds & set(GPU_KINDS) else None
        self._stages = with_times(
            stages,
            self._plan,
            run_factors=factors(read_run_times(self._root)),
            unknown_kinds=GPU_KINDS if gpu else (),
        )
        for line in plan_lines(self._stages):
            self._say(line, style="plain" if line.startswith(" ") else "head")

    def run(self, *, tell: Callable[[str], None]) -> int:
        """Run it; return DVC's exit status.

        Args:
            tell: takes DVC's lines.
        """
        self._narrator = Narrator(self._stages)
        status = run_narrated(
            self._root,
            self._arguments,
            self._narrator,
            tell=tell,
            say=lambda line: self._say(line, style="head"),
        )
        keep_run_times(self._root, self._narrator, self._modelled)
        return status

    def after(self) -> None:
        """Say what was made, where to look, and the headline metrics beside the last run's."""
        narrator = self._narrator
        if narrator is None or not (narrator.finished or narrator.restored):
            return
        seconds = sum(narrator.finished.values())
        self._say(
            f"{len(narrator.finished)} stages ran in {time_text(seconds)}"
            + (f", {len(narrator.restored)} came from the cache" if narrator.restored else ""),
            style="head",
        )
        for stage in [*narrator.finished, *narrator.restored]:
            kind, _, key = stage.partition("@")
            if kind in _MADE_BY:
                self._say(f"  {_MADE_BY[kind].format(key)}")
        for path, content in metrics_files(self._root).items():
            if content != self._metrics.get(path):
                self._say_headlines(path, content)

    def _say_headlines(self, path: Path, content: Mapping[str, object]) -> None:
        lines = headlines(path, content, before=self._metrics, root=self._root)
        if not lines:
            return
        self._say(f"{path!s:<46} {'this run':>9} {'last run':>9}", style="head")
        for words, now, before, judgement in table(lines):
            line = f"  {words:<44} {now:>9} {before:>9}  {judgement}"
            self._say(line.rstrip(), style=judgement)

    def _modelled(self, stage: str) -> float | None:
        kinds = {stage.kind for stage in self._stages}
        planned = self._plan is not None and kind_of(stage) in kinds
        return round(stage_seconds(stage, self._plan), 2) if planned and self._plan else None


def plan_lines(stages: Sequence[PlannedStage]) -> list[str]:
    """The plan as a table: stage, time, reason; a stage's further reasons below the first."""
    known = [stage.seconds for stage in stages if stage.seconds is not None]
    total = f", about {time_text(sum(known))}" if known else ""
    unknown = len(stages) - len(known)
    more = f" and {unknown} of unknown length" if unknown else ""
    noun = "stage" if len(stages) == 1 else "stages"
    lines = [f"{len(stages)} {noun} will run{total}{more}:"]
    width = max(len(stage.name) for stage in stages)
    for stage in stages:
        length = "?" if stage.seconds is None else time_text(stage.seconds)
        first, *others = stage.reasons
        lines.append(f"  {stage.name:<{width}}  {length:>9}  {first}")
        lines += [f"  {'':<{width}}  {'':>9}  {other}" for other in others]
    return lines

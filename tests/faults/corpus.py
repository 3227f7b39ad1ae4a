"""All bad input, by one command with a table: `python -m tests.faults.corpus [GROUP …]`.

Without `--project` a tiny project is run first, which takes minutes.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults import artifacts, params, people, videos
from tests.faults.outcomes import Case, Ending, load_stages, run_cases, table
from tests.tiny_project import run_tiny_project

GROUPS: dict[str, Callable[[Path], Iterator[Case]]] = {
    "odd videos": lambda _: videos.odd_videos(),
    "damaged videos": lambda _: videos.mutations(500),
    "people in view": lambda _: people.people(),
    "names": lambda _: params.names(),
    "params.yaml": lambda _: params.broken_files(),
    "fields of params.yaml": lambda _: params.fuzzed(),
    "extreme params": params.accepted_extremes,
    "artifacts": artifacts.artifacts,
}
OF_PROJECT = ("extreme params", "artifacts")


def run_groups(cases_of: dict[str, Iterator[Case]], *, every: int) -> Iterator[tuple[str, Ending]]:
    """Run each case, or every third, and tell those that ended badly."""
    for group, cases in cases_of.items():
        for ending in run_cases(list(cases)[::every]):
            if ending.outcome in ("wrong", "crashed", "hung"):
                lines = [line for line in ending.output.splitlines() if line.strip()]
                print(f"{group}: {ending.case.name}: {ending.outcome}: {lines[-1:]}", flush=True)
            yield group, ending


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "groups", nargs="*", default=list(GROUPS), metavar="GROUP", help=", ".join(GROUPS)
    )
    parser.add_argument("--every", type=int, default=1, help="run every Nth case only")
    parser.add_argument("--project", type=Path, help="a tiny project that was run")
    parser.add_argument("--videos", type=Path, help="a folder of videos to decode instead")
    arguments = parser.parse_args()
    load_stages()
    with tempfile.TemporaryDirectory() as folder:
        project = arguments.project or Path(folder) / "project"
        of_project = any(group in OF_PROJECT for group in arguments.groups)
        if of_project and not arguments.videos and not project.exists():
            run_tiny_project(project)
        cases_of = {group: GROUPS[group](project.resolve()) for group in arguments.groups}
        if arguments.videos:
            cases_of = {str(arguments.videos): videos.videos_of(arguments.videos.resolve())}
        endings = list(run_groups(cases_of, every=arguments.every))
    print(table(endings))
    return int(any(ending.outcome in ("crashed", "hung", "wrong") for _, ending in endings))


if __name__ == "__main__":
    sys.exit(main())

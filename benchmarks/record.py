"""The record of a release: the default demo in a clean clone of the last commit, brought into git.

    uv run python -m benchmarks.record   # then look at `git diff`, and commit

dvc.lock, demo/dvc.lock and the metrics are those of one whole run. README and docs/ have its
figures and its contact sheet. After the README's command, `dvc metrics diff` compares a user's run
with them.
"""

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

from benchmarks.demo import reproduce
from motiontransfer.core.layout import measurements_file
from motiontransfer.core.storage import write_json
from motiontransfer.evaluation.measurements import read_measurements
from motiontransfer.evaluation.metrics import nested
from motiontransfer.pipeline.git import git

TRANSFER = "ada_as_ben"
_LISTED = ("git", "ls-files", "--modified", "--others", "--exclude-standard", "-z")
_ROWS = {
    "[likeness](docs/evaluation.md), person": ("person", "likeness", 3),
    "likeness, face": ("face", "likeness", 3),
    "likeness, hands": ("hands", "likeness", 3),
    "SSIM, person box": ("person", "ssim", 2),
    "pose distance to the ground truth (px of 256)": ("pose_distance_px", "all", 1),
}
"""Row of the README's table -> keys of a system's metrics against the ground truth, and digits."""
_SYSTEMS = ("ours", "ceiling", "nearest_neighbours")
"""Its columns."""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as scratch:
        project, _ = reproduce(Path(scratch), "HEAD")
        commit = git(project, "rev-parse", "HEAD").strip()
        made = subprocess.run(_LISTED, cwd=project, check=True, capture_output=True, text=True)
        for name in filter(None, made.stdout.split("\0")):
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(project / name, name)
        found = nested(
            read_measurements(project / measurements_file("evaluate_transfer", TRANSFER))
        )
        sheet = Image.open(project / "results" / TRANSFER / "contact_sheet.png").convert("RGB")
    # Which code it is of: so this file changes with each record, and tests find the last one.
    write_json(Path("docs/demo.json"), {"commit": commit, **found})
    sheet.save("docs/contact_sheet.jpg", quality=90)
    readme = Path("README.md")
    readme.write_text(with_figures(readme.read_text(encoding="utf-8"), found), encoding="utf-8")
    tutorial, metrics = Path("docs/tutorial.md"), Path("results", TRANSFER, "metrics.json")
    page = with_headline(tutorial.read_text(encoding="utf-8"), json.loads(metrics.read_bytes()))
    tutorial.write_text(page, encoding="utf-8")


def with_figures(page: str, found: dict) -> str:
    """The page with these figures in its first table."""
    lines = page.split("\n")
    for title, (group, name, digits) in _ROWS.items():
        found_by = [found["truth"][by].get(group) for by in _SYSTEMS]
        values = ["" if of is None else f"{of[name]:.{digits}f}" for of in found_by]
        (row,) = (index for index, line in enumerate(lines) if line.startswith(f"| {title} |"))
        lines[row] = f"| {' | '.join([title, *values])} |"
    return "\n".join(lines)


def with_headline(page: str, headline: dict) -> str:
    """The page with these figures in lines of `metrics.json` that it shows."""

    def line(shown: re.Match) -> str:
        return f'  "{shown[1]}": {headline[shown[1]]}'

    return re.sub(r'^  "(\w+)": [\d.]+', line, page, flags=re.MULTILINE)


if __name__ == "__main__":
    main()

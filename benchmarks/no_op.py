"""How long `dvc repro` takes when there is nothing to do, and on what.

`uv run python -m benchmarks.no_op` measures the graph of the demo, one of 20 videos, 5 targets and
20 transfers, and one of 200 videos: this project's dvc.yaml and modules, with files of a few bytes
for outs, which `dvc commit` takes for made. Medians of five runs, wall clock and CPU; then what
dominates.
"""

import os
import pstats
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml

from benchmarks.machine import recorded, usage_of

PROJECT = Path(__file__).parents[1]
COPIED = ("dvc.yaml", "params.yaml", "demo", "motiontransfer", "stages", "data", ".dvcignore")
RUNS = 5
PARTS = {
    "reading YAML": ("ruamel/yaml/main.py", "load"),
    "resolving the templates": ("dvc/parsing/__init__.py", "resolve_one"),
    "building the graph": ("dvc/repo/index.py", "graph"),
    "checking the stages": ("dvc/stage/__init__.py", "changed"),
}


def main() -> None:
    """A row for each graph, with what dominates."""
    with recorded("no_op") as rows:
        for label, num_videos, num_targets, num_transfers in (
            ("the demo's", 2, 1, 1),
            ("20 videos, 5 targets, 20 transfers", 20, 5, 20),
            ("200 videos, 5 targets, 20 transfers", 200, 5, 20),
        ):
            with tempfile.TemporaryDirectory(prefix="motiontransfer-") as scratch:
                root = Path(scratch) / "project"
                os.environ["DVC_SITE_CACHE_DIR"] = str(Path(scratch) / "site")
                copy_project(root, enlarged(num_videos, num_targets, num_transfers))
                num_stages = pretend_to_have_run(root)
                repro = [sys.executable, "-m", "dvc", "repro", "--quiet"]
                runs = [usage_of(repro, folder=root) for _ in range(RUNS)]
                rows.append(
                    {
                        "graph": label,
                        "stages": num_stages,
                        "s": round(statistics.median(run.seconds for run in runs), 2),
                        "CPU s": round(statistics.median(run.cpu_seconds for run in runs), 2),
                        "under the profiler": profile(root),
                    }
                )


def enlarged(num_videos: int, num_targets: int, num_transfers: int) -> Mapping[str, object]:
    """The project's params with so many names in them; the demo's own are the first."""
    params = yaml.safe_load((PROJECT / "params.yaml").read_text(encoding="utf-8"))
    for index in range(len(params["videos"]), num_videos):
        subject = f"subject_{index}"
        entry = {"path": f"data/videos/{index}.mp4", "subject": subject, "crop": "none"}
        params["videos"][f"video_{index}"] = entry
        params["subjects"].append(subject)
    params["targets"] = params["subjects"][:num_targets]
    videos = list(params["videos"].items())
    for index in range(len(params["transfers"]), num_transfers):
        name, video = videos[index % len(videos)]
        params["transfers"][f"transfer_{index}"] = {
            "source": name,
            "source_subject": video["subject"],
            "target": params["targets"][index % num_targets],
            "truth": "none",
        }
    return params


def copy_project(root: Path, params: Mapping[str, object]) -> None:
    """The project's graph and modules, without git."""
    for name in COPIED:
        source = PROJECT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "clips", "*.mp4", "*.dvc")
            shutil.copytree(source, root / name, ignore=ignored)
        else:
            root.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, root / name)
    (root / ".dvc").mkdir()
    config = "[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n"
    (root / ".dvc/config").write_text(config, encoding="utf-8")
    text = yaml.safe_dump(dict(params), sort_keys=False)
    (root / "params.yaml").write_text(text, encoding="utf-8")


def pretend_to_have_run(root: Path) -> int:
    """Make every out a small file, have DVC take them for made, and count the stages."""
    listing = (
        "from dvc.repo import Repo\n"
        "for stage in Repo('.').index.stages:\n"
        "    print(*[out.def_path for out in stage.outs], sep='\\t')\n"
    )
    lines = run(root, sys.executable, "-c", listing).splitlines()
    videos = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))["videos"].values()
    outs = [out for line in lines for out in line.split("\t") if out]
    demo = ["demo/clips/target.mp4", "demo/clips/source.mp4", "data/truth/demo.mp4"]
    for path in [*outs, *demo, *(video["path"] for video in videos)]:
        file = root / path if Path(path).suffix else root / path / "frames.mkv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text('{"of": "%s"}\n' % path, encoding="utf-8")  # noqa: UP031 - braces are JSON's
    for clip in ("target", "source", "truth"):
        joints = root / f"demo/clips/{clip}_joints.parquet"
        joints.write_text(clip, encoding="utf-8")
    for pipeline in ("demo/dvc.yaml", "dvc.yaml"):
        run(root, sys.executable, "-m", "dvc", "commit", "--force", "--quiet", pipeline)
    told = run(root, sys.executable, "-m", "dvc", "repro")
    if "Running stage" in told:
        raise SystemExit(f"expected nothing to run, got: {told}")
    return len(lines)


def profile(root: Path) -> str:
    """Which parts take the time of one run, under the profiler, which slows all of them."""
    file = root.parent / "profile"
    run(root, sys.executable, "-m", "cProfile", "-o", str(file), "-m", "dvc", "repro")
    stats = pstats.Stats(str(file))
    total = stats.total_tt  # ty: ignore[missing-attribute]
    shares = [
        f"{name} {100 * _cumulative(stats, *where) / total:.0f} %" for name, where in PARTS.items()
    ]
    return f"under the profiler {total:.1f} s, of it {', '.join(shares)}"


def _cumulative(stats: pstats.Stats, file: str, function: str) -> float:
    return max(
        (
            row[3]
            for (path, _, name), row in stats.stats.items()  # ty: ignore[missing-attribute]
            if path.endswith(file) and name == function
        ),
        default=0.0,
    )


def run(root: Path, *command: str) -> str:
    """What a command prints."""
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()

"""Commands of a human preference study.

DVC, PyTorch and MediaPipe take seconds to load: each command imports what it needs.
"""

import json
import secrets
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motiontransfer.cli.options import AsJson, app
from motiontransfer.core.errors import StudyError

if TYPE_CHECKING:
    from motiontransfer.report.study import Score

study = typer.Typer(no_args_is_help=True, help="Human preference study of pairs of videos.")
app.add_typer(study, name="study")


@study.command("make")
def make_study(
    page: Annotated[Path, typer.Argument(help="The page to write, e.g. study.html.")],
    *,
    a: Annotated[list[Path], typer.Option(help="First video; several: one per comparison.")],
    b: Annotated[list[Path], typer.Option(help="Second video, in the same order.")],
    question: Annotated[str, typer.Option()] = "Which video looks more real?",
    seconds: Annotated[float, typer.Option(min=0.5, help="Clip length.")] = 4.0,
    clips: Annotated[int, typer.Option(min=1, help="Clips per comparison.")] = 3,
    checks: Annotated[int, typer.Option(min=0, help="Attention checks.")] = 2,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Random seed; default: random. Stored in the key.")
    ] = None,
) -> None:
    """Write a two-alternative forced-choice page and its answer key.

    The page is one file, works without a network, and shuffles the
    order per participant. Give people the page, and keep the key.
    """
    from motiontransfer.report.study import Comparison, key_file_of, write_study

    if page.suffix != ".html":
        raise StudyError(f"{page}: expected a name that ends in .html")
    if len(a) != len(b):
        raise StudyError(f"expected as many --a as --b, got {len(a)} and {len(b)}")
    key = write_study(
        page,
        [Comparison(a=str(one), b=str(other)) for one, other in zip(a, b, strict=True)],
        question=question,
        seconds=seconds,
        clips_each=clips,
        num_checks=checks,
        # A fixed seed would let anyone with this program derive which clip is which.
        seed=secrets.randbits(63) if seed is None else seed,
    )
    size = page.stat().st_size / 2**20
    typer.echo(f"wrote {page} ({len(key.pairs)} pairs, {size:.1f} MiB), to give to people")
    typer.echo(f"wrote {key_file_of(page)}, to keep: it says which clip is which")


@study.command("score")
def score_answers(
    key: Annotated[Path, typer.Argument(help="The answer key.")],
    answers: Annotated[list[Path], typer.Argument(help="Answer files of the participants.")],
    *,
    allowed_misses: Annotated[
        int, typer.Option(min=0, help="Missed attention checks a participant may have.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Preference rate of the first video of each comparison, with confidence intervals."""
    from motiontransfer.report.study import read_answers, read_key, score_study

    known = read_key(key)
    result = score_study(known, read_answers(known, answers), allowed_misses=allowed_misses)
    typer.echo(json.dumps(asdict(result), indent=2) if as_json else "\n".join(_study_lines(result)))


def _study_lines(result: "Score") -> list[str]:
    lines = [f"“{result.question}”", ""]
    if not result.preferences:
        lines.append("no valid answers")
    for preference in result.preferences:
        low, high = preference.interval
        lines += [
            f"{preference.a} over {preference.b}",
            f"  {preference.share:.1%}, 95 % interval {low:.1%} to {high:.1%}:"
            f" {preference.preferred} of {preference.answers} answers",
        ]
    left_out = {
        name: missed for name, missed in result.missed_checks.items() if name not in result.counted
    }
    lines += ["", f"participants: {len(result.counted)} counted, {len(left_out)} left out"]
    return lines + [f"  {name}: {missed} checks missed" for name, missed in left_out.items()]

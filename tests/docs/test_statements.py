"""Defaults, presets and figures on the pages are those of params.yaml, presets/ and recorded runs.

`docs/demo.json` is results/ada_as_ben/metrics.json of the run that the first page shows;
docs/ablation.csv is written by `benchmarks.ablation`. After another run of either, these tests say
which sentences are to change.
"""

import csv
import json
import re
from collections import defaultdict

import pytest
import yaml

from motiontransfer.project.params_editing import preset_changes
from stages.check_params import SECTIONS
from tests.tiny_project import ROOT

PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAPER = {
    change.key: yaml.safe_load(change.new)
    for change in preset_changes("paper", params_file=ROOT / "params.yaml", folder=ROOT / "presets")
}
MINUS = "\N{MINUS SIGN}"
NAMED = re.compile(r"`(?:(\w+)\.)?(\w+): ([\w.-]+)`")  # `section.key: value`


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def sections_with(key: str, section: str | None) -> list[str]:
    return [name for name in SECTIONS if key in PARAMS[name] and section in (None, name)]


def is_valid(section: str, key: str, value: object) -> bool:
    try:
        SECTIONS[section].model_validate({**PARAMS[section], key: value})
    except ValueError:
        return False
    return True


def test_every_value_that_a_page_names_is_one_that_its_key_takes():
    wrong, found = [], 0
    for page in PAGES:
        for section, key, text in NAMED.findall(page.read_text(encoding="utf-8")):
            sections = sections_with(key, section or None)
            found += bool(sections)
            if sections and not any(is_valid(it, key, yaml.safe_load(text)) for it in sections):
                wrong.append(f"{page.name}: {key}: {text}")
    assert not wrong
    assert found > 30


def test_what_a_page_calls_the_default_is_in_params_yaml():
    named = []
    for page in PAGES:
        for section, key, text in re.findall(
            NAMED.pattern + r"\)? \((?:the )?default", page.read_text(encoding="utf-8")
        ):
            values = [PARAMS[it][key] for it in sections_with(key, section or None)]
            assert values == [yaml.safe_load(text)], (page.name, key)
            named.append(key)
    assert named


def choices() -> list[list[str]]:
    """Rows of the table of choices: default, preset `paper`, why, module."""
    _, _, table = text_of("docs/training.md").partition("| default | preset `paper` | why |")
    rows = table.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("| ").split(" | ")] for row in rows]


@pytest.mark.parametrize("row", choices(), ids=lambda row: row[0][:40])
def test_the_table_of_choices_has_the_defaults_and_the_papers_preset(row):
    named = [
        (sections_with(key, section or None), key, yaml.safe_load(text))
        for section, key, text in NAMED.findall(row[0])
    ]
    assert named
    for sections, key, value in named:
        assert PARAMS[sections[0]][key] == value, key
    said = re.findall(r"`([\w-]+)`|(?<![\w`])(\d+(?:\.\d+)?)(?![\w`])", row[1])
    for (sections, key, _), (name, number) in zip(named, said, strict=False):
        assert PAPER[f"{sections[0]}.{key}"] == yaml.safe_load(name or number), key


def demo_rows() -> dict[str, list[str]]:
    """Page -> rows with figures of the demo."""
    run = json.loads(text_of("docs/demo.json"))
    ours, nearest = (run["truth"][it] for it in ("ours", "nearest_neighbours"))
    found = run["detection"]["ours"]
    both = [
        ("SSIM, person box", "person", "ssim", 2),
        ("shift-tolerant SSIM, face", "face", "shift_tolerant_ssim", 2),
        ("shift-tolerant SSIM, hands", "hands", "shift_tolerant_ssim", 2),
        ("L1, person box (of 255)", "person", "l1", 1),
        ("pose distance to the ground truth (px of 256)", "pose_distance_px", "all", 1),
    ]
    flicker = run["temporal"]["background_flicker"]
    return {
        "README.md": [
            *(
                f"| {title} | {ours[region][metric]:.{digits}f} | "
                f"{nearest[region][metric]:.{digits}f} |"
                for title, region, metric, digits in both
            ),
            f"| frames in which a body is detected | {160 * ours['body_found']:.0f} of 160 |",
        ],
        "docs/tutorial.md": [
            f"in the person's box | {ours['person']['ssim']:.2f} |",
            f"of the nearest pose | {nearest['person']['ssim']:.2f} |",
            f"of the face; baseline: {nearest['face']['shift_tolerant_ssim']:.2f} | "
            f"{ours['face']['shift_tolerant_ssim']:.2f} |",
            f"pixels of 256 | {found['pose_distance_px']['all']:.1f} |",
            f"in which a body is detected | {found['body_found']:.1f} |",
            f"ground truth: {flicker['truth']:.2f} | {flicker['ours']:.2f} |",
        ],
    }


def ablation() -> dict[str, dict[str, dict[str, float]]]:
    """Group -> variant -> column -> figure."""
    table: dict[str, dict] = defaultdict(dict)
    for row in csv.DictReader(text_of("docs/ablation.csv").splitlines()):
        figures = {key: float(value) for key, value in list(row.items())[3:] if value}
        table[row["group"]][row["variant"]] = figures
    return table


def ablation_sentences() -> list[str]:
    table = ablation()
    person, face, held_out = "person SSIM", "face shift-tolerant SSIM", "held-out SSIM"
    recipes, faces, parts = (table[group] for group in ("recipes", "faces", "parts"))
    names = ("frame_by_frame_centred", "v1_centred", "paper_small_centred")
    others = [recipes[name] for name in names]
    of_others = sorted(other[held_out] for other in others)
    maps, default = table["normalizations"], parts["standard"]
    return [
        f"held-out SSIM {recipes['demo'][held_out]:.2f} against {of_others[0]:.2f} to "
        f"{of_others[-1]:.2f}, face {recipes['demo'][face]:.2f} against {others[0][face]:.2f}, "
        f"{others[1][face]:.2f} and {others[2][face]:.2f};",
        f"without it: person {MINUS}{default[person] - parts['no_plate'][person]:.2f}, "
        f"flicker +{100 * (parts['no_plate']['flicker'] / default['flicker'] - 1):.0f} %",
        f"`heatmaps`, of 5 px: face {parts['heatmaps'][face]:.2f}; "
        f"`sticks`: pose distance {parts['sticks']['pose px']:.1f} px "
        f"(`limbs` {default['pose px']:.1f}), "
        f"face {parts['sticks'][face]:.2f} ({default[face]:.2f})",
        f"face {faces['none'][face]:.2f} → {faces['standard'][face]:.2f}, missed faces "
        f"{100 * faces['none']['face missed']:.0f} → "
        f"{100 * faces['standard']['face missed']:.0f} %",
        f"the CycleGAN's faces are best ({faces['cycle'][face]:.2f})",
        f"`transposed`: person {parts['transposed'][person]:.3f}, held-out SSIM "
        f"{parts['transposed'][held_out]:.3f} against {default[held_out]:.3f}",
        f"`log`: person {parts['log'][person]:.3f}, face {parts['log'][face]:.2f}",
        f"face {parts['window_3'][face]:.2f} and {parts['window_4'][face]:.2f} at equal time",
        f"face {parts['two_poses'][face]:.2f} for "
        f"{100 * (default['steps'] / parts['two_poses']['steps'] - 1):.0f} % more time a step",
        f"the paper's transform {maps['ankle'][person]:.3f}; limb proportions "
        f"+{maps['limbs'][person] - maps['ankle'][person]:.2f}; clustered ground lines "
        f"{MINUS}{maps['ankle'][person] - maps['clustering'][person]:.2f}; affine map "
        f"{MINUS}{maps['ankle'][person] - maps['affine'][person]:.2f}",
    ]


def default_sentences() -> dict[str, list[str]]:
    """Page -> sentences with a default or a time that another page states, too."""
    minutes = re.search(r"the demo, (\d+) minutes on 2 cores .* (\d+) on", text_of("README.md"))
    crf = PARAMS["render"]["crf"]
    return {
        "docs/tutorial.md": [
            "takes {} to {} minutes".format(*minutes.groups()),
            rf"sed -i 's/^  crf: .*/  crf: {crf}/' params.yaml",
        ],
        "docs/limits.md": [f"`decode.size`, {PARAMS['decode']['size']} pixels high by default"],
        "docs/training.md": [
            f"Windows of `window_frames` consecutive frames of the target's clips "
            f"({PARAMS['train_gan']['window_frames']}, as in the paper)"
        ],
    }


def statements() -> list[tuple[str, str]]:
    pages: dict[str, list[str]] = defaultdict(list, {"docs/training.md": ablation_sentences()})
    for other in (demo_rows(), default_sentences()):
        for page, sentences in other.items():
            pages[page] += sentences
    return [(page, sentence) for page, sentences in pages.items() for sentence in sentences]


@pytest.mark.parametrize(("page", "sentence"), statements())
def test_the_page_says_what_was_measured_or_is_set(page, sentence):
    if " ".join(sentence.split()) not in " ".join(text_of(page).split()):
        pytest.fail(f"{page} does not say: {sentence}", pytrace=False)

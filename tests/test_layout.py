"""layout.py and dvc.yaml name the same artifacts."""

from pathlib import Path

import yaml

from motiontransfer import layout

STAGES = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
KEY_OF_EACH = {
    **dict.fromkeys(("decode", "detect_keypoints", "clean_keypoints"), "VIDEO"),
    **dict.fromkeys(("normalize", "render", "encode", "train_face_cycle"), "TRANSFER"),
    **dict.fromkeys(("evaluate_transfer", "report"), "TRANSFER"),
}
NAMES = {"item.subject": "WHO", "item.target": "WHO", "item.source_subject": "WHO", "item": "WHO"}


def named(template: str, key: str) -> Path:
    """A path of dvc.yaml for one video, subject or transfer."""
    for name, value in {**NAMES, "key": key, "item.source": "VIDEO"}.items():
        template = template.replace(f"${{{name}}}", value)
    return Path(template)


def outs(stage: str) -> list[Path]:
    definition = STAGES[stage].get("do", STAGES[stage])
    listed = [*definition["outs"], *definition.get("metrics", [])]
    paths = [next(iter(out)) if isinstance(out, dict) else out for out in listed]
    return [named(path, KEY_OF_EACH.get(stage, "")) for path in paths]


def paths_of_layout(stage: str) -> list[Path]:
    """What a stage writes, without the files of a folder that is an output as a whole."""
    metrics = layout.metrics_file(stage, "WHO")
    models, results = layout.models_folder("WHO"), layout.results_folder("TRANSFER")
    plots = {
        file: file.with_suffix(".png")
        for file in (
            layout.detections_file("WHO", "VIDEO"),
            layout.statistics_file("WHO"),
            layout.appearance_file("WHO"),
        )
    }
    detections, statistics, appearance = plots.items()
    return {
        "check_params": [
            layout.PARAMS_CHECKED_FILE,
            layout.PARAMS_OF_RESULTS_FILE,
            layout.VIDEO_PARAMS_FOLDER,
        ],
        "plots_page": [layout.PLOTS_PAGE_FILE],
        "decode": [layout.clip_folder("WHO", "VIDEO"), layout.metrics_file(stage, "VIDEO")],
        "detect_keypoints": [*detections, layout.metrics_file(stage, "VIDEO")],
        "clean_keypoints": [
            layout.keypoints_file("WHO", "VIDEO"),
            layout.quality_plot("WHO", "VIDEO"),
            layout.metrics_file(stage, "VIDEO"),
        ],
        "fit_normalization": [*statistics, metrics],
        "segment_person": [
            layout.masks_beside(layout.keypoints_file("WHO", "VIDEO")).parent,
            metrics,
        ],
        "fit_appearance": [*appearance, metrics],
        "train_gan": [
            models / layout.GENERATOR_FILE,
            models / layout.DISCRIMINATOR_FILE,
            layout.training_folder("WHO") / "generator",
            metrics,
        ],
        "train_face_gan": [
            models / layout.FACE_GENERATOR_FILE,
            layout.training_folder("WHO") / "face_generator",
            metrics,
        ],
        "train_face_cycle": [
            layout.face_cycle_folder("TRANSFER"),
            layout.training_folder("TRANSFER") / "face_cycle",
            layout.metrics_file(stage, "TRANSFER"),
        ],
        "normalize": [layout.poses_file("TRANSFER")],
        "render": [layout.rendered_folder("TRANSFER")],
        "encode": [
            results / layout.TRANSFER_FILE,
            results / layout.COMPARISON_FILE,
            results / "contact_sheet.png",
            layout.metrics_file(stage, "TRANSFER"),
        ],
        "evaluate": [
            layout.evaluation_folder("WHO"),
            layout.measurements_file(stage, "WHO"),
            metrics,
        ],
        "evaluate_transfer": [
            layout.transfer_evaluation_folder("TRANSFER"),
            layout.measurements_file(stage, "TRANSFER"),
            results / layout.METRICS_FILE,
        ],
        "report": [results / "report.html"],
        "train_forensics": [
            layout.detector_file("WHO"),
            layout.training_folder("forensics") / "WHO",
            metrics,
        ],
    }[stage]


def test_layout_has_every_output_of_the_pipeline():
    for stage in STAGES:
        if stage == "code":
            expected = [layout.code_file(other) for other in [*STAGES, "film"] if other != stage]
        else:
            expected = paths_of_layout(stage)
        assert sorted(outs(stage)) == sorted(expected), stage


def test_clips_and_frames_are_below_their_folders():
    clip = layout.clip_folder("WHO", "VIDEO")
    assert clip.parent == layout.clips_folder("WHO")
    assert layout.frames_file("WHO", "VIDEO") == clip / layout.FRAMES_FILE
    assert layout.keypoints_file("WHO", "VIDEO").parent == layout.keypoints_folder("WHO")

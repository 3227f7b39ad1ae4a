from unittest.mock import Mock

from motiontransfer.evaluation.measurements import Measurements
from stages import evaluate


def test_workers_that_keep_rendered_films_open_end_before_their_folder_goes(monkeypatch):
    """No system but POSIX removes files that are open."""
    seen = []

    def rendered(*_, scratch, **__):
        seen.append(scratch)
        return Measurements(summary=())

    for name in (
        *("load_section", "open_networks", "load_renderer", "make_runtime", "read_target_clips"),
        *("write_curves", "write_measurements"),
    ):
        monkeypatch.setattr(evaluate, name, Mock())
    monkeypatch.setattr(evaluate, "_size", lambda _: (64, 64))
    monkeypatch.setattr(evaluate, "evaluate_reconstruction", rendered)
    monkeypatch.setattr(evaluate, "end_workers", lambda: seen.append(seen[0].is_dir()))
    evaluate.main("ada")
    assert seen[1:] == [True]
    assert not seen[0].exists()

"""The picture shows the clips and the lines that were fitted."""

from matplotlib.figure import Figure

from motiontransfer.pose.plots import plot_statistics
from motiontransfer.pose.statistics import fit_statistics
from tests.pose.stick_person import stick_person


def test_the_lines_are_drawn_at_the_fitted_heights(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, path, **_: drawn.append(figure) or path.touch()
    )
    clips = {"one": stick_person([60, 80], 40), "two": stick_person([100, 80], 40)}
    statistics = fit_statistics(
        list(clips.values()), min_score=0.5, cluster_fraction=0.7, outlier_quantile=1.0
    )
    plot_statistics(tmp_path / "ada.png", clips, statistics, title="ada")
    over_time, heights = drawn[0].axes
    assert over_time.yaxis_inverted()
    assert {line.get_ydata()[0] for line in over_time.lines[-2:]} == {100, 80}
    assert over_time.lines[1].get_xdata().tolist() == [2, 3]  # the second clip follows the first
    assert [text.get_text() for text in over_time.get_legend().get_texts()] == [
        "one",
        "two",
        "closest: 100.0 px",
        "farthest: 80.0 px",
    ]
    assert len(heights.lines) == 4

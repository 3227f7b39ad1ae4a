"""The page holds everything it needs and nothing that tells which clip is whose."""

import json
import re

import pytest

from motiontransfer.errors import StudyError
from motiontransfer.study.page import key_file_of, write_study
from motiontransfer.study.scoring import Comparison, read_key
from tests.study.videos import study


def content_of(page):
    """The page's data, as the browser reads it."""
    text = page.read_text()
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', text)
    return json.loads(found[1])


def test_there_is_a_pair_for_each_moment_and_each_check(tmp_path):
    key = study(tmp_path, clips_each=3, num_checks=2)
    assert key == read_key(tmp_path / "study.key.json")
    kinds = [pair.comparison for pair in key.pairs.values()]
    assert (kinds.count(0), kinds.count(None)) == (3, 2)
    compared = sorted(pair.start_seconds for pair in key.pairs.values() if pair.comparison == 0)
    assert compared == pytest.approx([0.0, 0.25, 0.5])
    content = content_of(tmp_path / "study.html")
    assert content["pairs"].keys() == key.pairs.keys()
    for number, clips in content["pairs"].items():
        assert set(clips) == {key.pairs[number].a, key.pairs[number].b}
    assert len(content["clips"]) == 2 * len(key.pairs)


def test_nothing_on_the_page_tells_which_is_which(tmp_path):
    key = study(tmp_path, clips_each=9)
    text = (tmp_path / "study.html").read_text()
    for word in ("red.mp4", "blue.mp4", str(tmp_path), str(key.seed) + ",", "comparison"):
        assert word not in text
    content = content_of(tmp_path / "study.html")
    assert content.keys() == {"study", "format", "pairs", "clips"}
    assert all(re.fullmatch("[0-9a-f]{16}", number) for number in content["clips"])
    assert list(content["clips"]) == sorted(content["clips"])
    assert list(content["pairs"]) == sorted(content["pairs"])
    assert all(clips == sorted(clips) for clips in content["pairs"].values())


def test_which_of_the_two_comes_first_is_chance(tmp_path):
    key = study(tmp_path, clips_each=30, num_checks=0)
    ours_first = sum(pair.a < pair.b for pair in key.pairs.values())
    assert 6 < ours_first < 24  # 30 throws of a coin


def test_the_page_asks_nobody_for_anything(tmp_path):
    study(tmp_path)
    text = (tmp_path / "study.html").read_text()
    assert "default-src 'none'" in text
    outside = re.sub(r'"[A-Za-z0-9+/=]{200,}"', "", text)
    assert not re.search(r"https?:|//cdn|@import|url\(", outside)


def test_the_question_is_shown_as_it_was_asked(tmp_path):
    study(tmp_path)
    assert "Which video is &lt;warmer&gt; &amp; redder?" in (tmp_path / "study.html").read_text()


def test_the_same_seed_gives_the_same_page_and_another_one_another(tmp_path):
    pages = []
    for name, seed in (("a.html", 5), ("b.html", 5), ("c.html", 6)):
        study(tmp_path, seed=seed, page=name)
        pages.append((tmp_path / name).read_bytes())
    assert pages[0] == pages[1]
    assert pages[0] != pages[2]
    numbers = [set(read_key(tmp_path / f"{name}.key.json").pairs) for name in "ac"]
    assert not numbers[0] & numbers[1]


def test_a_key_is_never_written_over(tmp_path):
    study(tmp_path)
    before = (tmp_path / "study.key.json").read_bytes()
    with pytest.raises(StudyError, match=r"study\.key\.json: exists, and answers .*another name"):
        study(tmp_path, seed=6)
    assert (tmp_path / "study.key.json").read_bytes() == before


def test_without_comparisons_or_with_a_missing_video_nothing_is_written(tmp_path):
    wishes = {"question": "?", "seconds": 1.0, "clips_each": 1, "num_checks": 1, "seed": 0}
    with pytest.raises(StudyError, match="at least one comparison"):
        write_study(tmp_path / "p.html", [], **wishes)
    with pytest.raises(FileNotFoundError, match=r"none\.mp4"):
        write_study(tmp_path / "p.html", [Comparison(a="none.mp4", b="none.mp4")], **wishes)
    assert not list(tmp_path.iterdir())
    assert key_file_of(tmp_path / "p.html") == tmp_path / "p.key.json"

import base64
import hashlib
import re

import pytest
from jinja2 import UndefinedError

from motiontransfer.report.page import flattened, write_page

EMPTY = {
    **{"title": "A & B", "transfer": "a", "panels": (), "master": "x", "hidden": ()},
    **{"has_sound": False, "notes": ("</script><b>bold",), "params": (), "metrics": {}},
    **{"num_metrics": 0, "verdicts": {"better": 0, "worse": 0, "same": 0}, "charts": ()},
    **{"data": {"note": "</script><script>alert(1)</script>"}},
    "revisions": (
        {"name": "<i>old", "commit": "abc", "message": "<i>one"},
        {"name": "new", "commit": "", "message": ""},
    ),
}


@pytest.fixture
def html(tmp_path):
    write_page(tmp_path / "page.html", "comparison.html", EMPTY)
    return (tmp_path / "page.html").read_text()


def test_the_policy_admits_the_pages_own_style_and_script_and_nothing_else(html):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html).group(1)
    policy = policy.replace("&#39;", "'")
    assert policy.startswith("default-src 'none'")
    for element in ("style", "script"):
        (text,) = re.findall(rf"<{element}(?: type=\"module\")?>(.*?)</{element}>", html, re.S)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy
    assert "http" not in policy
    assert "unsafe" not in policy


def test_names_and_data_are_escaped(html):
    assert "<b>bold" not in html
    assert "<i>" not in html
    assert "<script>alert" not in html
    assert "A &amp; B" in html


def test_the_page_has_no_external_addresses(html):
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", html)
    assert not re.search(r"url\(|@import", html)


def test_undefined_variables_are_errors(tmp_path):
    with pytest.raises(UndefinedError):
        write_page(tmp_path / "page.html", "comparison.html", {"title": "x"})
    assert list(tmp_path.iterdir()) == []


def test_nested_values_have_dotted_keys_as_in_params_yaml():
    tree = {"a": {"b": [1, 2], "c": None}, "d": True, "e": "word", "f": {}}
    assert flattened(tree) == {"a.b": "[1, 2]", "a.c": "null", "d": "true", "e": "word", "f": "{}"}

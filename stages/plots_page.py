"""Offline template of `dvc plots show` and `dvc plots diff`: `python -m stages plots_page`.

DVC's own template loads Vega from a CDN, so its plots are blank offline. This one embeds Vega from
the package `vl-convert-python`.
"""

from pathlib import Path

import vl_convert

from motiontransfer.core import layout
from motiontransfer.core.storage import write_text

TEMPLATE = Path(__file__).with_suffix(".html")
_SNIPPET = "window.vegaEmbed = vegaEmbed;"  # what DVC's plots call
_SCHEMA_VERSION = "5."  # of Vega-Lite, in which DVC writes plots


def main() -> None:
    versions = [v for v in vl_convert.get_vegalite_versions() if v.startswith(_SCHEMA_VERSION)]
    scripts = vl_convert.javascript_bundle(_SNIPPET, vl_version=versions[-1])
    assert "</script" not in scripts  # would end them
    page = TEMPLATE.read_text(encoding="utf-8").replace("@scripts@", scripts)
    write_text(layout.PLOTS_PAGE_FILE, page)

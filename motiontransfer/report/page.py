"""Self-contained pages: templates, style and script of a package, filled in, in one HTML file.

Nothing is fetched: images and videos are embedded, and the content security policy allows no other
source and no script but the page's own.
"""

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from motiontransfer.storage import replacing


def write_page(
    path: Path,
    template: str,
    content: Mapping[str, object],
    *,
    package: str = "motiontransfer.report",
    style: str = "page.css",
    scripts: Sequence[str] = ("player.js", "charts.js", "page.js"),
) -> None:
    """Fill in a template and write the page.

    Args:
        content: values of the template's variables.
        package: whose folder `templates` has the template, the style sheet and the scripts; the
            layout of all pages is this package's.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("motiontransfer.report")]),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["base64"] = lambda data: b64encode(data).decode("ascii")
    css = _source(environment, style)
    script = "\n".join(_source(environment, name) for name in scripts)
    html = environment.get_template(template).render(
        {
            **content,
            "style": Markup(css),
            "script": Markup(script),
            "policy": content_policy(css, script),
        }
    )
    with replacing(path) as temporary:
        temporary.write_text(html, encoding="utf-8")


def flattened(tree: object, prefix: str = "") -> dict[str, str]:
    """Every leaf of nested params or metrics, by its dotted key, as written in YAML."""
    if isinstance(tree, Mapping) and tree:
        leaves: dict[str, str] = {}
        for key, child in tree.items():
            leaves |= flattened(child, f"{prefix}.{key}" if prefix else str(key))
        return leaves
    return {prefix: tree if isinstance(tree, str) else json.dumps(tree, default=str)}


def content_policy(style: str, script: str) -> str:
    """Content security policy of a page with this one style sheet and this one script."""
    return (
        "default-src 'none'; img-src data:; media-src blob: data:; "
        f"style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


def _source(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    source, _, _ = environment.loader.get_source(environment, name)
    return source

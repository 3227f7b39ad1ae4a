"""Lines of code: what a reader has to follow, without blanks, comments, docstrings and imports.

    uv run python -m benchmarks.code_size [FOLDER ...]

Without folders: of the product and of its tests, and the tests' share of the product.
"""

import argparse
import ast
import io
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

PRODUCT = ("motiontransfer", "stages")
TESTS = "tests"
_LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def code_lines(source: str) -> int:
    """Lines that a token of code touches."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    spans = [(it.start[0], it.end[0] + 1) for it in tokens if it.type not in _LAYOUT]
    touched = {line for span in spans for line in range(*span)}
    return len(touched - set(_left_out(ast.parse(source))))


def _left_out(module: ast.Module) -> Iterator[int]:
    """Lines of imports and docstrings."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(module):
        found: list[ast.stmt] = []
        if isinstance(node, ast.Import | ast.ImportFrom):
            found = [node]
        elif isinstance(node, documented):
            found = [it for it in node.body if _is_text(it)]
        for it in found:
            yield from range(it.lineno, (it.end_lineno or it.lineno) + 1)


def _is_text(node: ast.stmt) -> bool:
    """Whether it is a docstring, also that of an attribute."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def folder_size(folder: Path) -> int:
    return sum(code_lines(path.read_text(encoding="utf-8")) for path in folder.rglob("*.py"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path)
    folders = parser.parse_args().folders
    sizes = {str(it): folder_size(it) for it in folders or map(Path, (*PRODUCT, TESTS))}
    for folder, size in sizes.items():
        sys.stdout.write(f"{folder}: {size:,}\n")
    if not folders:
        product = sum(sizes[it] for it in PRODUCT)
        share = sizes[TESTS] / product
        sys.stdout.write(f"product {product:,}, tests {share:.0%} of it\n")


if __name__ == "__main__":
    main()

"""One text for the code host and for the pages.

The sources of these pages are also read as plain files in the repository, where a link to
``../CONTRIBUTING.md`` or ``../examples/gallery/plot_path.py`` is right. On the built pages the
same link leads to the page that shows this file. Pages in ``WHOLE`` show a file of the
repository and are nothing but a link to it on the code host.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent
ROOT = DOCS.parent
GALLERY = ROOT / "examples" / "gallery"
WHOLE = {
    "contributing": ROOT / "CONTRIBUTING.md",
    "changelog": ROOT / "CHANGELOG.md",
    "recorded": ROOT / "benchmarks" / "README.md",
}
PAGES = {
    ROOT / "README.md": DOCS / "index.md",
    GALLERY: DOCS / "gallery" / "index.rst",
    **{file: DOCS / f"{page}.md" for page, file in WHOLE.items()},
}
_LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")


def page_of(file: Path) -> Path:
    """Where a file of the repository is shown; itself if no page shows it."""
    if file.parent == GALLERY and file.name.startswith("plot_"):
        return DOCS / "gallery" / f"{file.stem}.rst"
    return PAGES.get(file, file)


def page_links(text: str, file: Path) -> str:
    """The text of ``file`` with relative links as they are right on the page that shows it."""
    folder = page_of(file).parent

    def lead(match: re.Match[str]) -> str:
        target = (file.parent / match[1]).resolve()
        if not target.exists():
            return match[0]
        return f"]({os.path.relpath(page_of(target), folder)}{match[2] or ''})"

    return _LINK.sub(lead, text)


def read(app, docname: str, source: list[str]) -> None:
    file = Path(app.env.doc2path(docname))
    if docname in WHOLE:
        file = WHOLE[docname]
        app.env.note_dependency(str(file))
        source[0] = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        source[0] = page_links(source[0], file)


def setup(app) -> dict[str, bool]:
    app.connect("source-read", read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

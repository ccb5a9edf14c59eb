"""Which modules have a page, and what pdoc is told about them."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pdoc.render
from jinja2 import pass_context
from markupsafe import Markup
from pdoc.render_helpers import linkify

from requests_jwt_refresh.presets import PRESET_MODULES

PACKAGE: Final = "requests_jwt_refresh"
PARTS: Final = ("testing", "errors", "events", "auto", "httpie", "pytest_plugin")
"""The modules with a page of their own, beside the package, `presets` and each preset."""

MODULES: Final = (
    PACKAGE,
    *(f"{PACKAGE}.{part}" for part in PARTS),
    *(f"{PACKAGE}.presets.{module}" for module in PRESET_MODULES.values()),
)


_DOT: Final = r'(?:\.|</span><span class="o">\.</span><span class="n">)'
_PATH: Final = re.compile(rf"{PACKAGE}(?:{_DOT}\w+)*{_DOT}(?=[A-Z])")


@pass_context
def link_and_shorten(context: Any, code: str, namespace: str = "", shorten: bool = True) -> Markup:
    """Return what pdoc links, and in annotations no class with the path of its module."""
    linked: Markup = linkify(context, code, namespace, shorten)
    return Markup(_PATH.sub("", linked)) if shorten else linked


def build_reference(folder: Path) -> None:
    """Write a page for each of MODULES, an index and a search index into `folder`."""
    pdoc.render.env.filters["linkify"] = link_and_shorten
    for name in MODULES:  # pdoc imports with no stdout, which HTTPie cannot do without
        import_module(name)
    pdoc.render.configure(
        docformat="google",
        show_source=False,
        footer_text=f"requests-jwt-refresh {version('requests-jwt-refresh')}",
        template_directory=Path(__file__).parent,
    )
    pdoc.pdoc(*MODULES, output_directory=folder)

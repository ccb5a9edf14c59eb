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
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]

from requests_jwt_refresh.presets import PRESET_MODULES
from tests.reference.docstrings import read_docstring
from tests.reference.shown import (
    format_short_signature,
    is_inner,
    list_public_bases,
    shorten_types,
)

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

_WITHIN_WORD: Final = re.compile(r'(?<=\w)<a href="[^"]*">[\w.]*(\.\w+)</a>')
"""What pdoc takes for a module: the ".strava" of www.strava.com."""


@pass_context
def link_and_shorten(context: Any, code: str, namespace: str = "", shorten: bool = True) -> Markup:
    """Return what pdoc links, and in annotations no class with the path of its module."""
    linked = Markup(_WITHIN_WORD.sub(r"\1", linkify(context, code, namespace, shorten)))
    return Markup(_PATH.sub("", linked)) if shorten else linked


def build_reference(folder: Path) -> None:
    """Write a page for each of MODULES, an index and a search index into `folder`."""
    pdoc.render.env.filters |= {
        "linkify": link_and_shorten,
        "format_signature": format_short_signature,
        "is_inner": is_inner,
        "public_bases": list_public_bases,
        "shorten_types": shorten_types,
    }
    dark = HtmlFormatter(style="github-dark").get_style_defs(".pdoc-code")
    pdoc.render.env.globals["dark_highlighting"] = dark
    packages = (PACKAGE, f"{PACKAGE}.testing", f"{PACKAGE}.presets")
    load_modules(*packages, *MODULES)
    pdoc.render.configure(
        docformat="google",
        show_source=False,
        footer_text=f"requests-jwt-refresh {version('requests-jwt-refresh')}",
        template_directory=Path(__file__).parent,
    )
    for name in packages:
        explain_values(name)
    pdoc.pdoc(*MODULES, output_directory=folder)


def load_modules(*names: str) -> None:
    """Import modules and all that they make public, so that pdoc need not."""
    for name in names:  # pdoc does so with no stdout, which HTTPie cannot do without
        module = import_module(name)
        for each in getattr(module, "__all__", ()):  # loaded when it is first used
            getattr(module, each)


def explain_values(package: str) -> None:
    """Give the values that a package takes from its modules the docstrings that they have there."""
    for name, member in pdoc.doc.Module.from_name(package).members.items():
        if member.kind == "variable":
            member.docstring = read_docstring(package, name)

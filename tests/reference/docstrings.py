"""The docstrings of public names, as a user's editor and the reference have them."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pdoc.doc_ast import walk_tree

if TYPE_CHECKING:
    from collections.abc import Iterator


def read_docstring(package: str, name: str) -> str:
    """Return the docstring of a name that a package lists in ``__all__``, "" if it has none.

    That of a value or of another name for a class is the string below its assignment: Python
    itself knows no such thing.
    """
    value = getattr(import_module(package), name)
    if isinstance(value, ModuleType) or getattr(value, "__qualname__", None) == name:
        return inspect.getdoc(value) or ""
    for module in (package, *_find_sources(package, name)):
        found = walk_tree(import_module(module)).var_docstrings.get(name)
        if found:
            return found
    return ""


def list_members(package: str, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the public methods and properties that a class defines itself, by their names."""
    owner = getattr(import_module(package), name)
    if not inspect.isclass(owner) or owner.__name__ != name:
        return
    for each, member in vars(owner).items():
        value = getattr(member, "__func__", member)
        is_member = inspect.isfunction(value) or isinstance(value, property)
        if is_member and not each.startswith("_"):
            yield each, value


def _find_sources(package: str, name: str) -> Iterator[str]:
    """Yield the modules from which a package takes a name."""
    for node in ast.walk(ast.parse(inspect.getsource(import_module(package)))):
        if isinstance(node, ast.ImportFrom) and name in [each.name for each in node.names]:
            yield str(node.module)

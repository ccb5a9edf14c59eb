"""Writing a profile into the file, all the rest of which stays as it is.

tomlkit reads and edits the text, with all its comments. The result is parsed once more before it is
written, to be sure that nothing has changed but the profile.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.errors import ProfileError
from requests_jwt_refresh.profiles.load import PATH_VARIABLE, Profiles, parse_toml
from requests_jwt_refresh.stores import private_file
from requests_jwt_refresh.stores.locking import file_lock, user_lock_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tomlkit.items import Item, Key

    Body = list[tuple[Key | None, Item]]

LOCK_TIMEOUT: Final = 10.0  # seconds
_ROOM: Final = 16 * 1024  # bytes, more than a profile
_BYTE_ORDER_MARK: Final = "\ufeff"


def write_profile(
    path: Path,
    name: str,
    content: Mapping[str, Any],
    *,
    replace: bool,
    lock_timeout: float = LOCK_TIMEOUT,
) -> None:
    """Write the profile `name` into the file at `path`, whole or not at all.

    Its folder and the file itself are made if they are missing. Raises ProfileError if the file
    cannot be read or written, or if it has such a profile and `replace` is false; LockTimeout if
    another program is still writing it after `lock_timeout` seconds.
    """
    path = Path(
        os.path.realpath(path)
    )  # it may be a link of the owner's, such as into a repository
    with file_lock(user_lock_path("profiles", str(path)), lock_timeout):
        before = Profiles.read(path).content if path.exists() else {}
        if name in before and not replace:
            raise make_exists_error(path, name)
        text = path.read_bytes().decode() if path.exists() else ""
        mark = text[: text.startswith(_BYTE_ORDER_MARK)]
        after = mark + (_edit(text, name, content) or "")
        _check_result(path, name, after, {**before, name: content})
        _write(path, after)


def write_table(path: Path, name: str, key: str, table: Mapping[str, Any]) -> None:
    """Write the table `key` of the profile `name`, which stays as it is apart from that.

    Raises ProfileError if the file cannot be read or written, LockTimeout if another program is
    writing it.
    """
    path = Path(os.path.realpath(path))
    with file_lock(user_lock_path("profiles", str(path)), LOCK_TIMEOUT):
        before = Profiles.read(path).content
        text = path.read_bytes().decode()
        content = {**before, name: {**before[name], key: table}}
        # At the end of the file, if that says it: no comment in the profile is lost then.
        after = _append(text, _dump({name: {key: table}}, text), _find_line_end(text))
        if _serialize(parse_toml(after.removeprefix(_BYTE_ORDER_MARK))[0]) != _serialize(content):
            mark = text[: text.startswith(_BYTE_ORDER_MARK)]
            after = mark + (_edit(text, name, content[name]) or "")
        _check_result(path, name, after, content)
        _write(path, after)


def make_exists_error(path: Path, name: str) -> ProfileError:
    """Return the error that there is such a profile already."""
    return ProfileError(
        f"{path}: profile {name!r} exists already", "edit it there, or replace it with --replace"
    )


def _check_result(path: Path, name: str, text: str, expected: Mapping[str, Any]) -> None:
    """Raise ProfileError unless the text says what is expected of it, and nothing else."""
    said = parse_toml(text.removeprefix(_BYTE_ORDER_MARK))[0]
    if _serialize(said) != _serialize(expected):
        raise ProfileError(
            f"{path}: {name!r} is written in a way that cannot be replaced automatically, and "
            "nothing was changed",
            "edit it by hand, or remove it and try again",
        )


def _serialize(content: Mapping[str, Any]) -> str:
    """Return a text to compare content by, in which nan equals nan, and true is not 1."""
    return json.dumps(content, sort_keys=True, default=repr)


# --- the text ------------------------------------------------------------------------------------


def _edit(text: str, name: str, content: Mapping[str, Any]) -> str | None:
    """Return the text with the profile in it, without a mark; None if tomlkit cannot do it."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    text = text.removeprefix(_BYTE_ORDER_MARK)
    line_end = _find_line_end(text)
    profile = _dump({name: content}, text)
    try:
        document = tomlkit.parse(text)
        if name not in document:
            return _append(text, profile, line_end)
        is_in_place = _replace(document.body, name, tomlkit.parse(profile).body)
        text = tomlkit.dumps(document)
    except TOMLKitError:
        return None
    return text if is_in_place else _append(text, profile, line_end)


def _find_line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _dump(content: Mapping[str, Any], text: str) -> str:
    """Return what `content` is in TOML, with the line ends of `text`."""
    import tomlkit

    return tomlkit.dumps(content).replace("\n", _find_line_end(text))


def _append(text: str, profile: str, line_end: str) -> str:
    """Return the text with the profile at its end, after a blank line."""
    if not text.strip():
        return text + profile
    text += "" if text.endswith("\n") else line_end
    is_apart = not text.splitlines()[-1].strip()
    return f"{text}{'' if is_apart else line_end}{profile}"


def _replace(body: Body, name: str, profile: Body) -> bool:
    """Take the profile out of the document's body, and put the new one in place of its first table.

    Return whether there was such a place: a profile in dotted keys or an inline table has none, as
    what follows would become part of the new table. Comments and blank lines at the end of its
    tables stay: they may be about what comes next.
    """
    kept: Body = []
    is_in_place = False
    for key, item in body:
        if key is None or key.key != name:
            kept.append((key, item))
            continue
        if _has_header(key, item) and not is_in_place:
            kept += profile
            is_in_place = True
        kept += [(None, each) for each in _find_trailing(key, item)]
    body[:] = kept
    return is_in_place


def _has_header(key: Key, item: Item) -> bool:
    """Whether the item begins with a line such as [name], and not with ``name.key =``."""
    from tomlkit.items import AoT, Table

    return isinstance(item, AoT) or (isinstance(item, Table) and not key.is_dotted())


def _find_trailing(key: Key, item: Item) -> list[Item]:
    """Return the comments and blank lines at the end of each table of a profile."""
    if not _has_header(key, item):
        return []
    *inner, last = _find_tails(item)
    with_comments = (tail for tail in inner if any(each.as_string().strip() for each in tail))
    return [each for tail in (*with_comments, last) for each in tail]


def _find_tails(item: Item) -> list[list[Item]]:
    """Return what is at the end of a table and of each table in it, in the file's order."""
    from tomlkit.items import AoT, Table

    if isinstance(item, AoT):
        return [tail for each in item.body for tail in _find_tails(each)]
    tails: list[list[Item]] = [[]]
    for key, value in item.value.body if isinstance(item, Table) else ():
        if key is None:
            tails[-1].append(value)
        elif _has_header(key, value):
            tails += _find_tails(value)
        else:
            tails[-1].clear()
    return tails


# --- the file ------------------------------------------------------------------------------------


def check_writable(path: Path) -> None:
    """Raise ProfileError if the file at `path` could not be written; its folder is made."""
    path = Path(os.path.realpath(path))
    with _explain(path):
        private_file.make_private_folder(path.parent)
        private_file.check_regular(path)
        with private_file.reserve(path, _ROOM):
            pass


def _write(path: Path, text: str) -> None:
    with _explain(path):
        private_file.make_private_folder(path.parent)
        # Nothing in it is secret: the mode that its owner has chosen stays.
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else private_file.MODE
        private_file.replace(path, text, mode=mode)


@contextmanager
def _explain(path: Path) -> Iterator[None]:
    """Raise ProfileError for what the operating system refuses."""
    try:
        yield
    except private_file.UntrustedPath as error:
        raise ProfileError(error.cause, f"name another file in {PATH_VARIABLE}") from None
    except OSError as error:
        raise ProfileError(
            f"{path} cannot be written ({error.strerror or type(error).__name__}), and nothing was "
            "changed",
            f"make it writable, or name another file in {PATH_VARIABLE}",
        ) from error

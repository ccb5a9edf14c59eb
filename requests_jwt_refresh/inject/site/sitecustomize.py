"""What Python runs at its start, because `requests-jwt run` put this folder before its PYTHONPATH.

It waits for requests to be imported, and imports nothing of this library before a request is made.
Then it runs the sitecustomize that it hides. Whatever goes wrong in here, the program goes on as it
would have without it.
"""

from __future__ import annotations

import os
import sys
from _thread import RLock, get_ident  # threading would take longer to import

TYPE_CHECKING = False  # importing typing would take longer than all of this
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib takes time
_FORK_WAIT = 10.0  # seconds
_LIBRARY = "REQUESTS_JWT_LIBRARY"  # the folders to look in where another Python has no such library


class _PostImportHook:
    """Finds requests.sessions as it would be found, and patches it once it is loaded."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "requests.sessions":
            return None
        others = (each for each in sys.meta_path if each is not self)
        finders = (each.find_spec for each in others if hasattr(each, "find_spec"))
        found: Any = next(filter(None, (find(name, path, target) for find in finders)), None)
        if found is not None and hasattr(found.loader, "exec_module"):
            found.loader = _PatchingLoader(found.loader)
        return found


class _PatchingLoader:
    """Loads a module as its own loader does, then lets the sessions in it send tokens."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        _patch_sessions(module)


class _FallbackFinder:
    """Finds this library and what it needs, and nothing else, where another Python has them."""

    names = (
        *("requests_jwt_refresh", "filelock", "platformdirs", "tomli", "typing_extensions"),
        *("redis", "keyring", "jaraco", "more_itertools", "backports", "importlib_metadata"),
        *("zipp", "secretstorage", "jeepney", "cryptography", "cffi", "_cffi_backend"),
        "pycparser",
    )

    def __init__(self, folders: list[str]) -> None:
        self._folders = folders

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:  # noqa: ARG002 - the finders' protocol
        from importlib.machinery import PathFinder

        is_ours = path is None and name in self.names
        return PathFinder.find_spec(name, self._folders) if is_ours else None

    def find_distributions(self, context: Any) -> Any:
        """Find keyring's metadata alone: it lists its backends there."""
        from importlib import metadata

        if getattr(context, "name", None) not in (None, "keyring"):
            return iter(())
        where = metadata.DistributionFinder.Context(name="keyring", path=self._folders)
        return metadata.MetadataPathFinder.find_distributions(where)


def _patch_sessions(module: Any) -> None:
    session_class: Any = getattr(module, "Session", None)
    original = getattr(session_class, "get_adapter", None)
    if original is None:  # a package of the program's own that is called requests, too
        return

    def get_adapter(self: object, url: str) -> Any:
        return _load_wrapper()(self, original(self, url), url)

    for name in ("__module__", "__doc__", "__qualname__", "__annotations__"):
        setattr(get_adapter, name, getattr(original, name))
    session_class.get_adapter = get_adapter
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_wait_for_imports, after_in_child=_renew_lock)


def _load_wrapper() -> Any:
    """Return the function that wraps a session's adapter in ours, imported when first needed."""
    global _wrap_adapter  # noqa: PLW0603 - imported once
    if _wrap_adapter is None:
        with _importing:
            if _wrap_adapter is None:
                try:
                    _wrap_adapter = _import_wrapper()
                except (Exception, SystemExit) as error:  # noqa: BLE001 - the program has to run
                    _wrap_adapter = _leave_unwrapped
                    _warn(f"{sys.executable} cannot load requests-jwt-refresh ({error})")
    return _wrap_adapter


def _wait_for_imports() -> None:
    """Wait for what is being imported: in a child, another thread's import never ends."""
    if _importing.acquire(timeout=_FORK_WAIT):
        _importing.release()  # the hooks that run after this one may wait for locks of their own


def _renew_lock() -> None:
    global _importing  # noqa: PLW0603 - the thread that held it is not in this process
    _importing = RLock()


def _import_wrapper() -> Any:
    try:
        import requests_jwt_refresh  # noqa: F401 - whether it is there
    except ImportError:  # the Python of another environment
        folders = os.environ.get(_LIBRARY, "").split(os.pathsep)
        sys.meta_path.append(_FallbackFinder([each for each in folders if each]))
    _import_filelock()
    from requests_jwt_refresh.inject import proxy

    proxy.load_registry()  # with all that it imports
    return proxy.wrap_adapter


def _import_filelock() -> None:
    """Import filelock, so that a fork already begun in another thread runs none of its hooks.

    It would run those that come after a fork without the one before, and filelock would complain
    of that on the program's stderr.
    """
    register: Any = getattr(os, "register_at_fork", None)

    def register_in_pairs(*, before: Any = None, **after: Any) -> None:
        begun: set[int] = set()  # by which threads

        def begin() -> None:
            begun.add(get_ident())
            before()

        def end(function: Any) -> Any:
            return lambda: function() if get_ident() in begun else None

        def leave() -> None:
            begun.discard(get_ident())

        if before is None:
            register(**after)
            return
        register(before=begin, **{name: end(function) for name, function in after.items()})
        register(after_in_parent=leave, after_in_child=leave)

    if register is not None:
        os.register_at_fork = register_in_pairs
    try:
        import filelock  # noqa: F401 - for its fork hooks
    finally:
        if register is not None:
            os.register_at_fork = register


def _leave_unwrapped(_session: object, adapter: Any, _url: str) -> Any:
    return adapter


def _warn(problem: str) -> None:
    try:  # noqa: SIM105 - importing contextlib takes time
        sys.stderr.write(
            f"requests-jwt: {problem}\nrequests-jwt: the program runs without tokens\n"
        )
    except Exception:  # noqa: BLE001, S110 - stderr may be missing, closed or full
        pass


def _run_hidden_sitecustomize() -> None:
    """Run the sitecustomize that this one hides, if there is one, as Python would have."""
    ours: ModuleType = sys.modules.pop(__name__)
    sys.path[:] = [each for each in sys.path if os.path.abspath(each or ".") != _HERE]  # noqa: PTH100 - as above
    try:
        __import__(__name__)
    except ImportError as error:
        if getattr(error, "name", None) != __name__:
            raise
    finally:
        sys.modules.setdefault(__name__, ours)


_wrap_adapter: Any = None
_importing = RLock()  # guards _wrap_adapter
if __name__ == "sitecustomize":
    if "requests.sessions" in sys.modules:  # imported by a .pth file
        _patch_sessions(sys.modules["requests.sessions"])
    else:
        sys.meta_path.insert(0, _PostImportHook())
    _run_hidden_sitecustomize()

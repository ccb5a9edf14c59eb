"""Waits in any program for requests to be imported, and finds this library where it is missing.

It is loaded by site/sitecustomize.py at the start of a program, before this library can be found.
So it imports nothing of it, and nothing else that takes time, before a request is made.
"""

from __future__ import annotations

import os
import sys
from _thread import RLock, get_ident  # threading would take longer to import

TYPE_CHECKING = False  # likewise typing
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_FORK_WAIT = 10.0  # seconds
_LIBRARY = "REQUESTS_JWT_LIBRARY"  # the folders to look in where another Python has no such library
_NEEDED = {"requests": (2, 25), "urllib3": (1, 26), "filelock": (3, 9)}  # to work well enough
_wrap_adapter: Any = None
_importing = RLock()  # guards _wrap_adapter
_warn: Callable[[str, str], None]


def install(site: str, warn: Callable[[str, str], None]) -> None:
    """Let all sessions of this process send tokens as soon as requests is imported.

    `site` is the folder before the PYTHONPATH, `warn` writes what is wrong and what to do.
    """
    global _warn  # noqa: PLW0603 - one for the process
    _warn = warn
    _keep_first(site)
    if "requests.sessions" in sys.modules:  # imported by a .pth file
        _patch_sessions(sys.modules["requests.sessions"])
    else:
        sys.meta_path.insert(0, _PostImportHook())


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


class FallbackFinder:
    """Finds this library and what it needs, and nothing else, in folders that Python leaves out.

    It stands behind all other finders.
    """

    names = frozenset(
        (
            *("requests_jwt_refresh", "filelock", "platformdirs", "tomli", "tomlkit", "redis"),
            *("typing_extensions", "keyring", "jaraco", "more_itertools", "backports"),
            *("importlib_metadata", "lazy_importer", "zipp", "secretstorage", "jeepney"),
            *("cryptography", "cffi", "_cffi_backend", "pycparser", "joserfc", "async_timeout"),
            *("win32ctypes", "requests_toolbelt"),
        )
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


class _Obstacle(ImportError):
    """Something of the program's is in the way; `remedy` says what to do."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.remedy = remedy


class _ShadowGuard:
    """Keeps modules of the program from being taken for those that this library imports.

    A program may have a filelock.py or a secrets.py of its own. It is not imported in place of the
    other one; nor is the other one imported, which the program would then get for its own.
    """

    def __init__(self) -> None:
        self.loading_thread: int | None = get_ident()  # all that it imports is for this library

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:  # noqa: ARG002 - the finders' protocol
        if path is not None or not (name in _HIDEABLE or name in sys.stdlib_module_names):
            return
        if self.loading_thread == get_ident() or _find_importer() == "requests_jwt_refresh":
            from importlib.machinery import PathFinder

            _check_not_hidden(name, PathFinder.find_spec(name))


_HIDEABLE = FallbackFinder.names - {"requests_jwt_refresh"}  # which may be run from its source


def _find_importer() -> str:
    """Return the top-level package of what imports a module at the moment."""
    frame = sys._getframe(2)  # noqa: SLF001 - there is no other way that takes no time
    while frame.f_back is not None and "importlib" in frame.f_code.co_filename:
        frame = frame.f_back
    name: str = frame.f_globals.get("__name__", "")
    return name.partition(".")[0]


def _check_not_hidden(name: str, spec: Any) -> None:
    origin = getattr(spec, "origin", None)
    if not origin or not os.path.isabs(origin):  # built in, frozen, or not there at all
        return
    folder = os.path.dirname(origin)
    if spec.submodule_search_locations is not None:
        folder = os.path.dirname(folder)
    if not _holds_packages(folder, name):
        raise _make_hiding_error(origin, name)


def _check_library_not_hidden() -> None:
    """Raise _Obstacle if the program has something of its own by this library's name.

    It is not imported for that: a script of this name would run a second time.
    """
    from importlib.machinery import PathFinder

    name = "requests_jwt_refresh"
    spec: Any = getattr(sys.modules.get(name), "__spec__", None) or PathFinder.find_spec(name)
    if spec is None:
        return
    folders = spec.submodule_search_locations
    if folders is None or PathFinder.find_spec(f"{name}.inject", folders) is None:
        raise _make_hiding_error(spec.origin or next(iter(folders)), name)


def _make_hiding_error(path: str, name: str) -> _Obstacle:
    cause = f"{path} hides the module {name!r}, which requests-jwt-refresh needs"
    return _Obstacle(cause, "give it another name")


def _holds_packages(folder: str, name: str) -> bool:
    """Whether `folder` belongs to Python, or to an installer, rather than to a program."""
    if name in sys.stdlib_module_names:
        return folder.startswith(os.path.dirname(os.__file__)) or not os.path.isdir(folder)
    if folder in _list_libraries() or not os.path.isdir(folder):
        return True
    return any(each.endswith((".dist-info", ".egg-info")) for each in os.listdir(folder))


def _list_libraries() -> list[str]:
    return [each for each in os.environ.get(_LIBRARY, "").split(os.pathsep) if each]


def _check_versions(*names: str) -> None:
    """Raise _Obstacle if the program's environment has a version that is too old."""
    for name in names:
        version = getattr(sys.modules[name], "__version__", "")
        parts = version.split(".")[:2]
        if all(map(str.isdigit, parts)) and tuple(map(int, parts)) < _NEEDED[name]:
            least = ".".join(map(str, _NEEDED[name]))
            raise _Obstacle(
                f"{name} {version} is too old for requests-jwt-refresh, which needs {least} or "
                "newer",
                f"upgrade it: {sys.executable} -m pip install --upgrade {name}",
            )


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
                except _Obstacle as obstacle:
                    _wrap_adapter = _leave_unwrapped
                    _warn(str(obstacle), obstacle.remedy)
                except (Exception, SystemExit) as error:  # noqa: BLE001 - the program has to run
                    _wrap_adapter = _leave_unwrapped
                    _warn(
                        f"{sys.executable} cannot load requests-jwt-refresh ({error})",
                        f"install it there: {sys.executable} -m pip install requests-jwt-refresh",
                    )
    return _wrap_adapter


def _wait_for_imports() -> None:
    """Wait for what is being imported: in a child, another thread's import never ends."""
    if _importing.acquire(timeout=_FORK_WAIT):
        _importing.release()  # the hooks that run after this one may wait for locks of their own


def _renew_lock() -> None:
    global _importing  # noqa: PLW0603 - the thread that held it is not in this process
    _importing = RLock()


def _import_wrapper() -> Any:
    guard = _ShadowGuard()
    sys.meta_path.insert(0, guard)
    try:
        return _import_guarded()
    except BaseException:
        sys.meta_path.remove(guard)
        raise
    finally:
        guard.loading_thread = None


def _import_guarded() -> Any:
    for name in _HIDEABLE & sys.modules.keys():
        _check_not_hidden(name, sys.modules[name].__spec__)
    _check_library_not_hidden()
    try:
        import requests_jwt_refresh  # noqa: F401 - whether it is there
    except ImportError:  # the Python of another environment
        sys.meta_path.append(FallbackFinder(_list_libraries()))
    import requests  # noqa: F401 - it may have another name by now
    import urllib3  # noqa: F401 - likewise

    _check_versions("requests", "urllib3")
    _import_filelock()
    _check_versions("filelock")
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


def _keep_first(site: str) -> None:
    """Have programs that this one becomes run our sitecustomize before one that would hide it.

    opentelemetry-instrument puts a folder of its own before ours, whose sitecustomize runs no
    other. Ours does, so it goes first.
    """
    execv, execve = getattr(os, "execv", None), getattr(os, "execve", None)
    if execv is None or execve is None:
        return

    def exec_with(path: Any, argv: Any, env: Any) -> Any:
        return execve(path, argv, _put_first(site, env))

    def exec_without(path: Any, argv: Any) -> Any:
        env = _put_first(site, os.environ)
        return execv(path, argv) if env is os.environ else execve(path, argv, env)

    for replaced, original in ((exec_with, execve), (exec_without, execv)):
        for name in ("__name__", "__qualname__", "__doc__", "__module__"):
            setattr(replaced, name, getattr(original, name))
        setattr(os, original.__name__, replaced)


def _put_first(site: str, environment: Any) -> Any:
    """Return the environment with `site` before the folders that would hide its sitecustomize."""
    try:
        folders = environment["PYTHONPATH"].split(os.pathsep)
        others = [each for each in folders if each != site]
        is_hidden = site in folders and any(map(_has_sitecustomize, folders[: folders.index(site)]))
    except Exception:  # noqa: BLE001 - as the program has it; what it cannot be is for exec to say
        return environment
    if not is_hidden:
        return environment
    return {**environment, "PYTHONPATH": os.pathsep.join([site, *others])}


def _has_sitecustomize(folder: str) -> bool:
    names = ("sitecustomize.py", os.path.join("sitecustomize", "__init__.py"))
    return any(os.path.isfile(os.path.join(folder, name)) for name in names)

"""What Python runs at its start, because `requests-jwt run` put this folder before its PYTHONPATH.

It has ../hook.py wait for requests to be imported, then runs the sitecustomize that it hides.
Whatever goes wrong in here, the program goes on as it would have without it. Every Python must be
able to read this file, 2.7 as well: one that is too old for the library says so.
"""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_OLDEST = (3, 10)  # as python_requires in setup.cfg


class _TooOld(object):
    """Says, once requests is imported, that this Python is too old. It finds nothing itself."""

    module = sys.modules[__name__]  # whose globals Python 2 would clear

    def find_spec(self, name, path=None, target=None):  # noqa: ARG002 - the finders' protocol
        # type: (str, object, object) -> None
        if name == "requests.sessions":
            sys.meta_path.remove(self)
            versions = sys.version_info[:2] + _OLDEST
            warn(
                "this is Python %d.%d, and requests-jwt-refresh needs %d.%d or newer" % versions,
                "run the program with a newer Python",
            )

    find_module = find_spec  # Python 2


def warn(problem, remedy):
    # type: (str, str) -> None
    """Write on stderr what is wrong and what to do."""
    lines = "requests-jwt: %s\nrequests-jwt: the program runs without tokens; %s\n"
    try:
        sys.stderr.write(lines % (problem, remedy))
    except Exception:  # noqa: BLE001, S110 - stderr may be missing, closed or full
        pass


def _install_hook():
    # type: () -> None
    """Run ../hook.py, which this Python may not find by its name."""
    hook = type(sys)("requests_jwt_refresh.inject.hook")
    hook.__file__ = os.path.join(os.path.dirname(_HERE), "hook.py")
    loader = __loader__.__class__(hook.__name__, hook.__file__)  # type: ignore[name-defined]
    exec(loader.get_code(hook.__name__), hook.__dict__)  # noqa: S102 - it is our own
    hook.install(_HERE, warn)


def _run_hidden_sitecustomize():
    # type: () -> None
    """Run the sitecustomize that this one hides, if there is one, as Python would have."""
    ours = sys.modules.pop(__name__)
    sys.path[:] = [each for each in sys.path if os.path.abspath(each or ".") != _HERE]
    try:
        __import__(__name__)
    except ImportError as error:
        # Python 2 has the name at the end of its text alone.
        if (getattr(error, "name", None) or str(error).rpartition(" ")[2]) != __name__:
            raise
    finally:
        sys.modules.setdefault(__name__, ours)


if __name__ == "sitecustomize":
    try:
        if sys.version_info < _OLDEST:
            sys.meta_path.insert(0, _TooOld())
        else:
            _install_hook()
    except Exception as error:  # noqa: BLE001 - the program has to run
        warn("it cannot be started (%s)" % error, "install requests-jwt-refresh anew")
    _run_hidden_sitecustomize()

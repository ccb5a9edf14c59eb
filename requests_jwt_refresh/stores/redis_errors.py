"""What an error of Redis means, and what to do about it.

Its text is never shown: Redis repeats what it was sent.
"""

from __future__ import annotations

import shlex
from typing import Final

# What a RedisStore sends, itself or in a script: all that an ACL has to allow.
COMMANDS: Final = (
    *("hmget", "hget", "hset", "hdel", "hexists", "set", "get", "del", "pexpire", "pttl", "time"),
    *("evalsha", "script|load"),
    *("hello", "select"),  # of a new connection
)

# redis-py makes classes of some codes and takes the code off the text.
_CODES: Final = {
    "AskError": "MOVED",
    "AuthenticationError": "NOAUTH",
    "BusyLoadingError": "LOADING",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
    "MovedError": "MOVED",
    "NoPermissionError": "NOPERM",
    "OutOfMemoryError": "OOM",
    "ReadOnlyError": "READONLY",
    "TryAgainError": "TRYAGAIN",
    "TimeoutError": "",
    "ConnectionError": "",
}
_DENIED_IN_SCRIPT: Final = ("The user executing the script can't", "ACL failure in script")
_AGAIN: Final = "nothing was changed; try again in a moment"
_TRY_AGAIN: Final = {
    "LOADING": "Redis is still loading its data",
    "TRYAGAIN": "the cluster is being rearranged",
    "CLUSTERDOWN": "the cluster is down",
    "MASTERDOWN": "this replica has lost its primary",
    "NOREPLICAS": "Redis has too few replicas to take a change",
    "BUSY": "a script keeps Redis busy",
    "UNKILLABLE": "a script keeps Redis busy",
}
_MEANINGS: Final = {
    **{code: (meaning, _AGAIN) for code, meaning in _TRY_AGAIN.items()},
    "WRONGTYPE": (
        "another program keeps something else under this key",
        "it was left as it is; use another key",
    ),
    "MOVED": (
        "this Redis is part of a cluster",
        "nothing was changed; give RedisStore a client: redis.RedisCluster.from_url(URL)",
    ),
    "NOAUTH": (
        "Redis does not take this user or password, or wants one",
        "give the right ones, as in redis://USER:PASSWORD@HOST (percent-encoded)",
    ),
    "OOM": (
        "Redis has no memory left",
        "nothing was changed; raise its maxmemory, or delete what is not needed there",
    ),
    "READONLY": (
        "this Redis is a replica, which takes no changes",
        "nothing was changed; use the address of the primary",
    ),
    "MISCONF": (
        "Redis cannot write its own data to the disk and takes no changes",
        "nothing was changed; see to the disk of the Redis server, whose log says more",
    ),
    "DB": (
        "there is no database of this number",
        "nothing was changed; use another number at the end of the URL, such as 0",
    ),
    "DENIED": (
        "Redis takes connections from its own machine alone (protected mode)",
        "nothing was changed; set a password on the Redis server, or bind it to an address",
    ),
    "unknown": (
        "this Redis does not know a command that is needed",
        f"nothing was changed; use a Redis that has: {', '.join(COMMANDS[:13])}",
    ),
    "TypeError": (
        "the client cannot connect",
        "nothing was changed; check the options after the ? in the URL",
    ),
    "UnicodeDecodeError": (
        "another program keeps something else under this key",
        "it was left as it is; use another key",
    ),
}
_NOT_ANSWERED: Final = (
    "make sure that Redis runs at that address, and that the URL begins with rediss:// if it "
    "expects TLS, and only then"
)
_UNKNOWN_CERTIFICATE: Final = (
    "name the file of its certificate authority at the end of the URL: ?ssl_ca_certs=FILE"
)


def explain(error: Exception, key: str, lock: str) -> tuple[str, str]:
    """Return what happened to `key`, and what to do about it."""
    code = _find_code(error)
    if code in _MEANINGS:
        return _MEANINGS[code]
    if code == "NOPERM":
        return (
            "this user may not do that",
            f"nothing was changed; let an administrator of Redis allow it: {allow(key, lock)}",
        )
    if code:
        return (
            f"the answer was {type(error).__name__}",
            "nothing was deleted; the log of the Redis server may say more",
        )
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "its certificate is not trusted", _UNKNOWN_CERTIFICATE
    is_slow = type(error).__name__ == "TimeoutError"
    return ("no answer came in time" if is_slow else "no connection", _NOT_ANSWERED)


def allow(key: str, lock: str) -> str:
    """Return the command that allows a user of Redis what a store with this `key` needs."""
    rules = [f"~{_escape(each)}" for each in (key, lock)] + [f"+{each}" for each in COMMANDS]
    return shlex.join(["redis-cli", "ACL", "SETUSER", "NAME", *rules])


def _find_code(error: Exception) -> str:
    """Return the code of a refusal, the class of another error, or "" if there was no answer."""
    names = [each.__name__ for each in type(error).__mro__]
    known = next((_CODES[name] for name in names if name in _CODES), None)
    if known is not None:
        return known
    if "ResponseError" in names:
        is_denied = str(error).startswith(_DENIED_IN_SCRIPT)
        return "NOPERM" if is_denied else str(error).partition(" ")[0] or names[0]
    return names[0]


def _escape(key: str) -> str:
    """Return a pattern that matches `key`; no pattern can hold a space."""
    escaped = "".join(f"\\{each}" if each in "*?[]\\^" else each for each in key)
    return "".join("?" if each.isspace() else each for each in escaped)

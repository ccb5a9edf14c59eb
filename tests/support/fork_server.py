"""Commands that are started as processes of their own, without the time that their imports take.

A fork server imports what a command needs, once. Each start is a fork of it that runs the command's
own script: with its own environment, folder, arguments and streams, in a session of its own, and as
its own process, with an end and an exit status of its own. What a command execs is as ever.

This file is also the program that forks: ``python fork_server.py SOCKET MODULE...``.
"""

from __future__ import annotations

import array
import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import types
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from typing_extensions import Self

_LENGTH = 8  # bytes of a number


class Forked:
    """A program that a fork server has started, with what tests need of subprocess.Popen."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self.pid = _read_number(channel)
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status, minus the signal for a death by one.

        Raises subprocess.TimeoutExpired.
        """
        if self.returncode is None:
            self._channel.settimeout(timeout)
            try:
                self.returncode = os.waitstatus_to_exitcode(_read_number(self._channel))
            except TimeoutError:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0) from None
            self._channel.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the end of the program is known."""
        if self.returncode is None:
            os.kill(self.pid, number)


class ForkServer:
    """Starts commands of which `modules` have been imported already.

    `environment` is what these see while they are imported, beside our own. `prefix` are the words
    of a command that runs Python: ``("nice", "-n", "5")``.
    """

    def __init__(self, *modules: str, prefix: Sequence[str] = (), **environment: str) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [*prefix, sys.executable, __file__, str(theirs.fileno()), *modules],
                env={**os.environ, **environment},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()  # which ends it
        self._process.wait(30)

    def start(
        self,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        folder: str | Path,
        streams: Sequence[int | IO[Any]],
    ) -> Forked:
        """Run the Python script `command[0]`, or after "-c" some code, with the other arguments.

        `streams` are its stdin, stdout and stderr.
        """
        ours, theirs = socket.socketpair()
        numbers = [each if isinstance(each, int) else each.fileno() for each in streams]
        order = [[str(each) for each in command], dict(environment), str(folder)]
        with theirs:
            descriptors = array.array("i", [theirs.fileno(), *numbers])
            message = json.dumps(order).encode()
            self._socket.sendmsg(
                [len(message).to_bytes(_LENGTH, "big")],
                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)],
            )
            self._socket.sendall(message)
        return Forked(ours)


def _read(channel: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        more = channel.recv(size - len(content))
        if not more:
            raise EOFError
        content += more
    return content


def _read_number(channel: socket.socket) -> int:
    return int.from_bytes(_read(channel, _LENGTH), "big")


def _serve(orders: socket.socket) -> list[str]:
    """Fork for each order. Return in a child, with what it is to run; exit if there are no more."""
    while True:
        size, descriptors, _, _ = socket.recv_fds(orders, _LENGTH, 4)
        if not size:
            os._exit(0)
        command, environment, folder = json.loads(_read(orders, int.from_bytes(size, "big")))
        if os.fork() == 0:  # waits for the program, and tells its status
            orders.close()
            child = os.fork()
            if child == 0:
                _become(descriptors, environment, folder)
                return list(command)
            _report(child, descriptors)
        for each in descriptors:
            os.close(each)
        _reap()


def _reap() -> None:
    """Let go of the processes that have ended meanwhile."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def _become(descriptors: list[int], environment: dict[str, str], folder: str) -> None:
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, descriptor in enumerate(descriptors[1:]):
        os.dup2(descriptor, number)
    for descriptor in descriptors:
        os.close(descriptor)


def _report(child: int, descriptors: list[int]) -> None:
    channel = socket.socket(fileno=descriptors[0])
    for descriptor in (0, 1, 2, *descriptors[1:]):
        os.close(descriptor)
    channel.sendall(child.to_bytes(_LENGTH, "big"))
    status = os.waitpid(child, 0)[1]
    try:
        channel.sendall(status.to_bytes(_LENGTH, "big"))
    finally:
        os._exit(0)


def _import(names: list[str]) -> None:
    """Import modules, which may look at the streams: none of these is a terminal."""
    errors, nowhere = os.dup(2), os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 2)
    try:
        for name in names:
            importlib.import_module(name)
    except BaseException:
        os.dup2(errors, 2)
        raise
    os.close(errors)
    os.close(nowhere)


def _main() -> None:
    arguments = sys.argv[1:]
    sys.path.pop(0)  # this folder
    _import(arguments[1:])
    gc.freeze()  # or each child would copy what the collector merely looks at
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    command = _serve(socket.socket(fileno=int(arguments[0])))
    if command[0] == "-c":
        sys.argv[:] = ["-c", *command[2:]]
        sys.path.insert(0, "")
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(command[1], "<string>", "exec"), main.__dict__)
    else:
        sys.argv[:] = command  # the same list, which a command may have got hold of
        sys.path.insert(0, os.path.dirname(command[0]))  # noqa: PTH120 - as Python itself does
        runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    _main()

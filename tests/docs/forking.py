"""A `kyori` command for the shell whose every call is a fork of one process that has imported all of it
already.

``python -m tests.docs.forking SOCKET`` serves; `CLIENT` is the command. ``kyori run`` without ``--once``
goes on behind the command, which ends when it is ready; it is stopped, and has to end well, at the next
``kyori run`` and at ``kyori --stop``, which only this one has. What it logs goes to ``daemon-N.log``.
"""

from __future__ import annotations

import contextlib
import json
import os
import pkgutil
import select
import signal
import socket
import sys
import time
from importlib import import_module
from pathlib import Path

from detector import kernel

CLIENT = """\
#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
    server.connect({path!r})
    asked = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(server, [asked], [0, 1, 2])
    code = server.recv(1)
sys.exit(code[0] if code else 1)
"""
HEAVY = (
    *("sklearn.neighbors", "detector.daemon", "detector.estimators.sklearn_api", "detector.keeper"),
    *("detector.scoring", "detector.study", "detector.survey"),
)
_READY_S = 100.0


def serve(path: str) -> None:
    """Answer calls until killed."""
    for name in HEAVY:
        import_module(name)
    for module in pkgutil.walk_packages(kernel.__path__, "detector.kernel."):
        import_module(module.name)  # which compiles, where that was not done
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(path)
        server.listen(64)
        sys.stdout.write("serving\n")
        sys.stdout.flush()
        while True:
            ready, _, _ = select.select([server, sys.stdin], [], [])
            if sys.stdin in ready:  # closed: whoever started us is gone
                os.killpg(0, signal.SIGKILL)
            connection, _ = server.accept()
            with connection:
                if os.fork() == 0:
                    code = 1
                    try:
                        code = _answer(connection)
                    finally:
                        connection.sendall(bytes([code]))
                        os._exit(0)


def _answer(connection: socket.socket) -> int:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    asked, files, _, _ = socket.recv_fds(connection, 1 << 17, 3)
    arguments, place, environ = json.loads(asked)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(place)
    os.environ.clear()
    os.environ.update(environ)
    logs = Path(environ["KYORI_DOCS_LOGS"])
    if arguments == ["--stop"]:
        return _stop(logs)
    if arguments[:1] != ["run"]:
        return _run(arguments)
    stays = not {"--once", "--help", "-h"} & {*arguments}
    return _stop(logs) or (_stay(arguments, logs) if stays else _run(arguments))


def _run(arguments: list[str]) -> int:
    from detector import cli  # noqa: PLC0415

    sys.argv = ["kyori", *arguments]
    code = cli._run()
    with contextlib.suppress(OSError):  # who read it has seen enough
        sys.stdout.flush()
    sys.stderr.flush()
    return code


def _stay(arguments: list[str], logs: Path) -> int:
    """Start a daemon, and return when it is ready, or its exit code."""
    log = logs / f"daemon-{len(list(logs.glob('daemon-*.log')))}.log"
    pid = os.fork()
    if pid == 0:
        file = os.open(log, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, 2)
        os.dup2(file, 1)
        os._exit(_run(arguments))
    end = time.monotonic() + _READY_S
    while time.monotonic() < end:
        if log.exists() and '"event": "ready"' in log.read_text():
            log.with_suffix(".pid").write_text(str(pid))
            return 0
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            sys.stderr.write(log.read_text())
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    sys.stderr.write(f"not ready after {_READY_S:g} s:\n{log.read_text()}")
    return 1


def _stop(logs: Path) -> int:
    """Stop the daemon that runs, if any; it must have said that it has stopped."""
    code = 0
    for file in logs.glob("daemon-*.pid"):
        pid, log = int(file.read_text()), file.with_suffix(".log")
        file.unlink()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            end = time.monotonic() + _READY_S
            while time.monotonic() < end:
                os.kill(pid, 0)
                time.sleep(0.02)
        if '"event": "stopped"' not in log.read_text():
            sys.stderr.write(f"a daemon did not end well:\n{log.read_text()}")
            code = 1
    return code


if __name__ == "__main__":
    serve(sys.argv[1])

"""In place of the raylet's agent of environments: starts it once it is asked.

    late_agent.py HOST PORT COMMAND ...

Ray's own imports Ray for a second, the raylet is ready only then, and who asks for no environment never asks it. What
is said at PORT goes to the agent and back, byte by byte. Ends with the raylet, and with the agent.

Started by its path, without anything installed.
"""

import os
import select
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

LOOK_SECONDS, START_SECONDS, RETRY_SECONDS = 1.0, 60.0, 0.05
PORT_OPTION = "--runtime-env-agent-port="
SIZE = 1 << 16


def main(host: str, port: int, command: list[str]) -> None:
    raylet = os.getppid()
    agent: tuple[subprocess.Popen[bytes], int] | None = None
    with socket.create_server((host, port)) as listening:
        while os.getppid() == raylet and (agent is None or agent[0].poll() is None):
            if select.select([listening], [], [], LOOK_SECONDS)[0]:
                asked, _ = listening.accept()
                agent = agent or started(host, command)
                threading.Thread(target=hand_on, args=(asked, (host, agent[1])), daemon=True).start()
    if agent is not None:
        agent[0].terminate()


def started(host: str, command: list[str]) -> tuple[subprocess.Popen[bytes], int]:
    """The agent, and the port at which it will answer."""
    port = free_port(host)
    words = [f"{PORT_OPTION}{port}" if word.startswith(PORT_OPTION) else word for word in command]
    return subprocess.Popen(words), port


def free_port(host: str) -> int:
    with socket.create_server((host, 0)) as free:
        return int(free.getsockname()[1])


def hand_on(asked: socket.socket, address: tuple[str, int]) -> None:
    with suppress(OSError), asked, connected(address) as agent:
        answering = threading.Thread(target=copy, args=(agent, asked), daemon=True)
        answering.start()
        copy(asked, agent)
        answering.join()


def connected(address: tuple[str, int]) -> socket.socket:
    """Once it answers."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            return socket.create_connection(address)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(RETRY_SECONDS)


def copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while said := source.recv(SIZE):
            target.sendall(said)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])

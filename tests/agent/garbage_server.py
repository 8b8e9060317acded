"""An agent in a process of its own, whose memory and files can be looked at: ``… DIRECTORY`` of certificates, or none.

Prints its port, and serves until its input ends. What strangers are allowed lasts seconds here, not minutes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from etcdmeta.agent import server
from etcdmeta.agent.certificates import ServerCertificates, ServerTls
from etcdmeta.agent.hardening import raise_open_files, server_options
from etcdmeta.agent.limits import Limits
from etcdmeta.agent.trust import Rules, Trust
from etcdmeta.testing.agents import serve_agent
from etcdmeta.testing.stores import local_store

HANDSHAKE = 3.0
IDLE = 2.0
RECEIVE = 2.0


def main(directory: str | None = None) -> None:
    raise_open_files()
    server.SERVER_OPTIONS = server_options(handshake=HANDSHAKE, idle=IDLE)
    tls = None
    if directory is not None:
        path = Path(directory)
        tls = ServerTls(path / "cert.pem", path / "key.pem", path / "ca.pem")
    with (
        local_store() as store,
        serve_agent(
            store,
            limits=Limits(receive=RECEIVE),
            authorise=Trust(Rules(), tls),
            credentials=None if tls is None else ServerCertificates(tls).credentials(),
        ) as serving,
    ):
        print(serving.address.rpartition(":")[2], flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])

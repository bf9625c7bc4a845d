"""A way to a server that is cut between the server's answer and the client."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Cutter:
    """Forwards connections to a server, and cuts the one over which a text goes for the Nth time.

    The server gets the text and does what it says; its answer never comes to the client.
    """

    def __init__(self, server: tuple[str, int], text: bytes, at: int) -> None:
        self._server, self._text, self._at = server, text, at
        self.seen = 0
        """How often the text went over."""
        self._threads: list[threading.Thread] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]

    def __enter__(self) -> Cutter:
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listening.close()
        for each in self._threads[1:]:
            each.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(client,)))
                self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        cut = threading.Event()
        with client, socket.create_connection(self._server) as server:
            back = threading.Thread(target=self._forward, args=(server, client, cut, False))
            back.start()
            self._forward(client, server, cut, True)
            back.join()

    def _forward(
        self, source: socket.socket, target: socket.socket, cut: threading.Event, is_client: bool
    ) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if is_client and self._text in data:
                    self.seen += 1
                    if self.seen == self._at:
                        cut.set()
                if not is_client and cut.is_set():
                    break
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

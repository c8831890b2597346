"""Python's websockets, as it comes and with each parameter of RFC 7692 that it can offer.

    websockets_client.py ws://ADDRESS/echo deflate|takeover
"""

import json
import os
import socket
import sys
from urllib.parse import urlsplit

from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect

URL, MODE = sys.argv[1:]
JSON = json.dumps([{"id": id, "name": f"user {id}", "mail": f"user{id}@example.com"} for id in range(300)])
MESSAGES = [
    "", "a", "below the threshold", JSON, "Zażółć gęślą jaźń 😀 " * 5000, "x" * (1 << 20),
    b"", b"\1\2\3", os.urandom(100_000), bytes(900_000), JSON.encode(),
]
REPEATS = 10
OFFERS = [
    {"client_max_window_bits": True},
    {},
    {"server_no_context_takeover": True},
    {"client_no_context_takeover": True},
    # zlib checks that nothing refers further back than this.
    {"server_max_window_bits": 9},
    {"server_max_window_bits": 12, "client_max_window_bits": 12},
    {"client_max_window_bits": 9},
]


class Counting(socket.socket):
    received = sent = 0

    def recv(self, *arguments):
        data = super().recv(*arguments)
        self.received += len(data)
        return data

    def sendall(self, data, *arguments):
        self.sent += len(data)
        return super().sendall(data, *arguments)


def judge(count, takeover, what):
    low, high = (4000, 8000) if takeover else (40_000, 60_000)
    assert low < count < high, f"{what}: {count} bytes on the wire, takeover: {takeover}"


def exchange(connection, message):
    # Every other one in fragments.
    connection.send([message[: len(message) // 2], message[len(message) // 2 :]] if len(message) % 2 else message)
    answer = connection.recv(timeout=20)
    assert answer == message, f"{len(answer)} came back for {len(message)}"


for offer in OFFERS:
    address = urlsplit(URL)
    wire = Counting()
    wire.connect((address.hostname, address.port))
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    factory = ClientPerMessageDeflateFactory(**offer)
    with connect(URL, sock=wire, compression=None, extensions=[factory], max_size=None) as connection:
        (extension,) = connection.protocol.extensions
        server = MODE == "takeover" and "server_no_context_takeover" not in offer
        client = MODE == "takeover" and "client_no_context_takeover" not in offer
        assert extension.remote_no_context_takeover != server
        assert extension.local_no_context_takeover != client
        assert extension.remote_max_window_bits == offer.get("server_max_window_bits", 15)
        for message in MESSAGES:
            exchange(connection, message)
        before = wire.received, wire.sent
        text = os.urandom(4096).hex()
        for _ in range(REPEATS):
            exchange(connection, text)
        # Only a window that reaches back a whole message finds it.
        bits = offer.get("client_max_window_bits", 15)
        judge(wire.received - before[0], server and offer.get("server_max_window_bits", 15) == 15, f"websockets receives, {offer}")
        judge(wire.sent - before[1], client and bits in (True, 15), f"websockets sends, {offer}")
    assert connection.close_code == 1000
print(f"ok      websockets, {MODE}")

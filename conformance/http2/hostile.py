"""WebSockets over HTTP/2 (RFC 8441) against the example echo, as h2 and wsproto speak them, and as nobody should.

    python3 hostile.py PATH_OF_THE_ECHO_BINARY
"""

import re
import select
import socket
import subprocess
import sys
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

PATIENCE = 10
CONNECT = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/echo"),
           (":authority", "localhost")]


class Client:
    """One connection; what it sends is not checked."""

    def __init__(self, port, window=None):
        self.tcp = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8", validate_outbound_headers=False,
                                           normalize_outbound_headers=False)
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        if window is not None:
            self.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.streams = {}
        self.goaway = None
        self.allows_connect = False
        self.flush()
        self.wait(lambda: self.allows_connect)

    def flush(self):
        self.tcp.sendall(self.h2.data_to_send())

    def pump(self, seconds):
        """Takes what comes within this time."""
        if not select.select([self.tcp], [], [], seconds)[0]:
            return
        data = self.tcp.recv(65536)
        if not data:
            self.goaway = self.goaway or "end"
            return
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.RemoteSettingsChanged):
                changed = event.changed_settings.get(h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL)
                self.allows_connect |= changed is not None and changed.new_value == 1
            elif isinstance(event, h2.events.ConnectionTerminated):
                self.goaway = event.error_code
            elif getattr(event, "stream_id", None) in self.streams:
                self.streams[event.stream_id].take(event)
        self.flush()

    def wait(self, done):
        end = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < end, "not within %d s" % PATIENCE
            assert not self.goaway, "the connection is over: %s" % self.goaway
            self.pump(0.1)

    def ask(self, headers, reads=True):
        """A stream with this request, and its answer."""
        stream = Stream(self, self.h2.get_next_available_stream_id(), reads)
        self.streams[stream.id] = stream
        self.h2.send_headers(stream.id, headers)
        self.flush()
        self.wait(lambda: stream.status or stream.reset is not None)
        return stream

    def open(self, headers=CONNECT, reads=True):
        stream = self.ask(headers, reads)
        assert stream.status == "200", "%s %s" % (stream.status, stream.reset)
        return stream


class Stream:
    def __init__(self, client, number, reads):
        self.client, self.id, self.reads = client, number, reads
        self.ws = Connection(ConnectionType.CLIENT)
        self.status = self.headers = self.reset = None
        self.ended = False
        self.heard = []

    def take(self, event):
        if isinstance(event, h2.events.ResponseReceived):
            self.headers = dict(event.headers)
            self.status = self.headers[":status"]
        elif isinstance(event, h2.events.DataReceived):
            if self.reads and event.flow_controlled_length:
                self.client.h2.acknowledge_received_data(event.flow_controlled_length, self.id)
            if self.status == "200" and event.data:
                self.ws.receive_data(event.data)
                self.heard += list(self.ws.events())
        elif isinstance(event, h2.events.StreamEnded):
            self.ended = True
        elif isinstance(event, h2.events.StreamReset):
            self.reset = event.error_code

    def write(self, data):
        """Up to what the window takes; returns how much that was."""
        sent = 0
        while sent < len(data):
            room = min(self.client.h2.local_flow_control_window(self.id), self.client.h2.max_outbound_frame_size)
            if room <= 0:
                before = self.client.h2.local_flow_control_window(self.id)
                end = time.monotonic() + 1
                while self.client.h2.local_flow_control_window(self.id) == before and time.monotonic() < end:
                    self.client.pump(0.05)
                if self.client.h2.local_flow_control_window(self.id) == before:
                    break
                continue
            self.client.h2.send_data(self.id, data[sent:sent + room])
            self.client.flush()
            sent += min(room, len(data) - sent)
        return sent

    def send(self, event):
        self.write(self.ws.send(event))

    def next(self):
        self.client.wait(lambda: self.heard or self.ended or self.reset is not None)
        return self.heard.pop(0) if self.heard else None

    def message(self):
        data = None
        while True:
            event = self.next()
            assert isinstance(event, (TextMessage, BytesMessage)), event
            data = event.data if data is None else data + event.data
            if event.message_finished:
                return data

    def echo(self, data="hello"):
        self.send(TextMessage(data) if isinstance(data, str) else BytesMessage(data))
        found = self.message()
        assert found == data, "%d of %d" % (len(found), len(data))

    def leave(self, code=1000):
        """The closing handshake, and the end of both sides."""
        self.send(CloseConnection(code=code, reason="bye"))
        event = self.next()
        assert isinstance(event, CloseConnection) and event.code == code, event
        self.client.wait(lambda: self.ended)
        assert self.reset is None, self.reset
        self.client.h2.end_stream(self.id)
        self.client.flush()


def without(name):
    return [(key, value) for key, value in CONNECT if key != name]


def with_(name, value):
    return [(key, value if key == name else old) for key, old in CONNECT]


CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


@check
def talks(port):
    """talks, and ends its stream behind the Close frames"""
    client = Client(port)
    stream = client.open()
    for name in ("sec-websocket-accept", "connection", "upgrade", "content-length"):
        assert name not in stream.headers, stream.headers
    stream.echo("ünïcödé")
    stream.echo(b"x" * 500_000)
    stream.send(Ping(b"you"))
    pong = stream.next()
    assert isinstance(pong, Pong) and pong.payload == b"you", pong
    stream.leave(4321)


@check
def pseudo_headers(port):
    """refuses wrong pseudo-headers, stream by stream"""
    for name, headers, expected in [
        ("no :scheme", without(":scheme"), "reset"),
        ("no :path", without(":path"), "reset"),
        ("an empty :path", with_(":path", ""), "reset"),
        (":protocol on a GET", with_(":method", "GET"), "reset"),
        (":protocol twice", CONNECT + [(":protocol", "websocket")], "reset"),
        ("an unknown pseudo-header", CONNECT + [(":color", "red")], "reset"),
        ("a pseudo-header behind a header", without(":path") + [("a", "b"), (":path", "/echo")], "reset"),
        ("Connection", CONNECT + [("connection", "upgrade")], "reset"),
        ("Upgrade", CONNECT + [("upgrade", "websocket")], "reset"),
        ("another :protocol", with_(":protocol", "connect-udp"), "501"),
        ("version 8", CONNECT + [("sec-websocket-version", "8")], "426"),
        ("no authority", without(":authority"), "400"),
        ("two hosts", without(":authority") + [("host", "a"), ("host", "b")], "400"),
        ("a subprotocol that is none", CONNECT + [("sec-websocket-protocol", "a b")], "400"),
        ("a foreign origin", CONNECT + [("origin", "https://evil.example")], "403"),
        ("a page", with_(":path", "/"), "405"),
        ("a host for the authority", without(":authority") + [("host", "localhost")], "200"),
        ("a protocol in capitals", with_(":protocol", "WEBSOCKET"), "200"),
    ]:
        client = Client(port)
        client.open().echo()
        try:
            stream = client.ask(headers)
        except AssertionError:
            # Some of these end the whole connection, which RFC 9113 §5.4.1 allows.
            assert expected == "reset" and client.goaway, name
            continue
        # Behind an answer, a reset without an error says that the rest of the request is not wanted (RFC 9113 §8.1).
        found = stream.status or "reset"
        assert found == expected, "%s: %s" % (name, found)
        assert expected == "reset" or not {"connection", "upgrade"} & set(stream.headers), name
        client.open().echo()


@check
def early_end(port):
    """an early END_STREAM, in and between messages, ends the server's side too"""
    for start in (b"", b"\x81", b"\x81\x85abcd", b"\x01\x81abcd\x00"):
        client = Client(port)
        stream = client.open()
        client.h2.send_data(stream.id, start, end_stream=True)
        client.flush()
        client.wait(lambda: stream.ended or stream.reset is not None)
        assert not stream.heard, stream.heard
        client.open().echo()


@check
def resets(port):
    """a reset within a message, many times, harms nobody else"""
    client = Client(port)
    witness = client.open()
    for number in range(1000):
        stream = client.open()
        stream.write(b"\x82\xff" + (1 << 19).to_bytes(8, "big") + b"abcd" + b"x" * 100)
        client.h2.reset_stream(stream.id, h2.errors.ErrorCodes.CANCEL)
        client.flush()
        if number % 100 == 0:
            witness.echo()
    witness.leave()


@check
def violations(port):
    """a violation gets its Close frame, and then the end of the stream"""
    for data, code in [
        (b"\x81\x01a", 1002),                                           # not masked
        (b"\x83\x80abcd", 1002),                                        # a reserved opcode
        (b"\x81\x81aaaa\x9e", 1007),                                    # 0xff is not UTF-8
        (b"\x82\xff" + (1 << 40).to_bytes(8, "big") + b"abcd", 1009),   # a terabyte
    ]:
        client = Client(port)
        stream = client.open()
        stream.write(data)
        event = stream.next()
        assert isinstance(event, CloseConnection) and event.code == code, (code, event)
        client.wait(lambda: stream.ended)


@check
def closed_window(port):
    """a window that never opens: the server takes no more either, and its memory is bounded"""
    before = memory()
    clients = []
    for _ in range(10):
        client = Client(port, window=0)
        stream = client.open(reads=False)
        message = stream.ws.send(BytesMessage(b"x" * 100_000))
        taken = 0
        while taken < 8 << 20:
            sent = stream.write(message)
            taken += sent
            if sent < len(message):
                break
        assert taken < 1 << 20, "%d bytes taken" % taken
        clients.append((client, stream))
    grown = memory() - before
    assert grown < 10 << 20, "%d KiB for 10 sockets" % (grown >> 10)
    # The others are served, on the same connection too once they have a window.
    Client(port).open().echo()
    client, stream = clients[0]
    client.h2.reset_stream(stream.id)
    client.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 65535})
    client.flush()
    client.open().echo()


def memory():
    with open("/proc/%d/statm" % SERVER.pid) as file:
        return int(file.read().split()[1]) * 4096


SERVER = subprocess.Popen([sys.argv[1], "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
try:
    PORT = int(re.search(r":(\d+)/", SERVER.stdout.readline()).group(1))
    for function in CHECKS:
        function(PORT)
        print("ok      " + function.__doc__)
    assert SERVER.poll() is None, "the server is gone"
    print("%d passed, 0 failed" % len(CHECKS))
finally:
    SERVER.kill()

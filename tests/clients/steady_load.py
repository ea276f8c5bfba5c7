"""Requests without pause over HTTP/1.1, HTTP/2, HTTP/3 and WebSocket, until standard input ends.

Prints one JSON object a protocol: requests, connections, failures and the first few of them. A failure is an exchange that
a careful client cannot call whole: no connection, a reset, an answer cut short, a status other than 200. A client that is
told to go (Connection: close, GOAWAY, the end of an idle connection) opens another connection, as RFC 9112, 9113 and 9114
say; nothing is ever sent twice.

The peers are nobody's here: http.client, curl with nghttp2, aioquic, websockets.
"""

import argparse
import asyncio
import http.client
import json
import socket
import subprocess
import sys
import threading
import time

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.buffer import Buffer, BufferReadError
from aioquic.h3.connection import H3_ALPN, FrameType, H3Connection, StreamType
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StreamDataReceived, StreamReset
from websockets.sync.client import connect as websocket

# No exchange takes longer on a busy machine; a hang is a failure.
TIMEOUT = 15
# H3_NO_ERROR, RFC 9114 section 8.1.
NO_ERROR = 0x100


class Tally:
    def __init__(self, name):
        self.name, self.requests, self.connections, self.failures = name, 0, 0, []

    def fail(self, error):
        self.failures.append(f"request {self.requests}: {type(error).__name__}: {error}")

    def line(self):
        return json.dumps(
            {
                "protocol": self.name,
                "requests": self.requests,
                "connections": self.connections,
                "failures": len(self.failures),
                "first": self.failures[:5],
            }
        )


def check(status, body):
    if status != 200 or not body.endswith(b"}\n"):
        raise ValueError(f"status {status}, body {body[-80:]!r}")


def http1(tally, args, stop, keep):
    host, port = args.plain.rsplit(":", 1)
    connection = None
    while not stop.is_set():
        try:
            if connection is None:
                connection = http.client.HTTPConnection(host, int(port), timeout=TIMEOUT)
                connection.connect()
                tally.connections += 1
            connection.request("GET", args.path, headers={} if keep else {"Connection": "close"})
            response = connection.getresponse()
            check(response.status, response.read())
            tally.requests += 1
            if response.will_close:
                connection.close()
                connection = None
        except Exception as error:
            tally.fail(error)
            connection = None


def http2(tally, args, stop):
    """curl, one process a few hundred requests: h2 (Python) takes every frame after GOAWAY for an error."""
    host, port = args.tls.rsplit(":", 1)
    command = ["curl", "--silent", "--http2", "--noproxy", "*", "--max-time", str(TIMEOUT), "--cacert", args.ca]
    command += ["--connect-to", f"::{host}:", "--write-out", "%{http_code} %{http_version} %{num_connects} %{errormsg}\\n"]
    command += ["--output", "/dev/null", f"https://{args.name}:{port}{args.path}?number=[1-200]"]
    while not stop.is_set():
        run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        for line in run.stdout.splitlines():
            status, version, connects, error = line.split(" ", 3)
            tally.requests += 1
            tally.connections += int(connects)
            if (status, version) != ("200", "2"):
                tally.fail(ValueError(f"status {status}, HTTP/{version}, {error}"))
        if run.returncode != 0:
            tally.fail(OSError(f"curl ended with {run.returncode}"))


class ControlStream:
    """The server's control stream, read for GOAWAY: the library throws that frame away (RFC 9114 sections 6.2.1, 7.2.6)."""

    def __init__(self):
        self.data, self.told_to_go = b"", False

    def feed(self, data):
        self.data += data
        buffer = Buffer(data=self.data)
        try:
            if buffer.pull_uint_var() != StreamType.CONTROL:
                self.feed = lambda data: None
                return
            while not buffer.eof():
                kind, length = buffer.pull_uint_var(), buffer.pull_uint_var()
                buffer.pull_bytes(length)
                self.told_to_go |= kind == FrameType.GOAWAY
        except BufferReadError:
            pass  # The rest comes later; what was read is read again then.


class Http3Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http, self.waiting, self.ended, self.streams = H3Connection(self._quic), {}, None, {}

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated):
            self.ended = event
            for stream in self.waiting.values():
                if not stream["done"].done():
                    stream["done"].set_exception(ConnectionError(f"connection ended: {event}"))
        if isinstance(event, StreamReset) and event.stream_id in self.waiting:
            self.waiting[event.stream_id]["done"].set_exception(ConnectionError(f"stream reset: {event}"))
        if isinstance(event, StreamDataReceived) and event.stream_id % 4 == 3:
            self.streams.setdefault(event.stream_id, ControlStream()).feed(event.data)
        for part in self.http.handle_event(event):
            stream = self.waiting.get(getattr(part, "stream_id", None))
            if stream is None:
                continue
            if isinstance(part, HeadersReceived):
                stream["status"] = int(dict(part.headers)[b":status"])
            elif isinstance(part, DataReceived):
                stream["body"] += part.data
            if part.stream_ended and not stream["done"].done():
                stream["done"].set_result(None)

    def told_to_go(self):
        return any(stream.told_to_go for stream in self.streams.values())

    async def get(self, name, path):
        number = self._quic.get_next_available_stream_id()
        done = asyncio.get_running_loop().create_future()
        stream = self.waiting[number] = {"status": 0, "body": b"", "done": done}
        fields = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", name.encode()), (b":path", path.encode())]
        self.http.send_headers(number, fields, end_stream=True)
        self.transmit()
        try:
            await asyncio.wait_for(done, TIMEOUT)
        finally:
            del self.waiting[number]
        check(stream["status"], stream["body"])


async def http3_loop(tally, args, stop):
    host, port = args.tls.rsplit(":", 1)
    while not stop.is_set():
        configuration = QuicConfiguration(alpn_protocols=H3_ALPN, is_client=True, server_name=args.name)
        configuration.load_verify_locations(args.ca)
        try:
            async with connect(host, int(port), configuration=configuration, create_protocol=Http3Client) as client:
                tally.connections += 1
                while not stop.is_set() and client.ended is None and not client.told_to_go():
                    await client.get(args.name, args.path)
                    tally.requests += 1
        except Exception as error:
            tally.fail(error)


def http3(tally, args, stop):
    asyncio.run(http3_loop(tally, args, stop))


def sockets(tally, args, stop):
    """Echoes on one WebSocket as long as the gateway keeps it; a new one only after a close in order."""
    while not stop.is_set():
        try:
            with websocket(args.websocket, open_timeout=TIMEOUT, proxy=None, ping_interval=None) as connection:
                tally.connections += 1
                number = 0
                while not stop.is_set():
                    number += 1
                    connection.send(str(number))
                    if connection.recv(timeout=TIMEOUT) != str(number):
                        raise ValueError("another message came back")
                    tally.requests += 1
                    time.sleep(0.005)
        except Exception as error:
            tally.fail(error)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plain", required=True, help="ADDRESS:PORT of the plain listener")
    parser.add_argument("--tls", required=True, help="ADDRESS:PORT of the TLS listener")
    parser.add_argument("--name", required=True, help="host name of the certificate")
    parser.add_argument("--ca", required=True, help="PEM file of the authority")
    parser.add_argument("--path", required=True)
    parser.add_argument("--websocket", help="ws:// URL of an echo")
    parser.add_argument("--without", action="append", default=[], help="protocol to leave out")
    args = parser.parse_args()
    stop = threading.Event()
    kinds = {
        "http1": lambda tally: http1(tally, args, stop, True),
        "http1-fresh": lambda tally: http1(tally, args, stop, False),
        "http2": lambda tally: http2(tally, args, stop),
        "http3": lambda tally: http3(tally, args, stop),
    }
    if args.websocket:
        kinds["websocket"] = lambda tally: sockets(tally, args, stop)
    work = []
    for name, run in kinds.items():
        if name in args.without:
            continue
        tally = Tally(name)
        thread = threading.Thread(target=run, args=(tally,), daemon=True)
        thread.start()
        work.append((tally, thread))
    sys.stdin.read()
    stop.set()
    for tally, thread in work:
        thread.join(TIMEOUT + 5)
        print(tally.line(), flush=True)


socket.setdefaulttimeout(TIMEOUT)
main()

"""A WebSocket server that sends every message back. Arguments: address, port."""

import sys

from websockets.sync.server import serve


def echo(connection):
    for message in connection:
        connection.send(message)


with serve(echo, sys.argv[1], int(sys.argv[2]), ping_interval=None) as server:
    server.serve_forever()

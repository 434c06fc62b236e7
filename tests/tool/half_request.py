#!/usr/bin/env python3
"""Sends a POST over HTTPS whose body does not come whole, and prints the status it is answered.

Usage: half_request.py PORT CERTIFICATE length|chunked|reset FILE

length   announces all of FILE, sends half of it, and ends its side of the connection
chunked  sends half of FILE in one chunk, and ends its side without the last chunk
reset    as length, but closes the connection altogether

The status is 0 where no answer came.
"""

import socket
import ssl
import sys

CALLBACK = "/v1.0.0/messageReceiver"
WAIT_S = 20


def main(port, certificate, how, file):
    with open(file, "rb") as source:
        body = source.read()
    half = body[: len(body) // 2]
    head = f"POST {CALLBACK} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    if how == "chunked":
        head += "Transfer-Encoding: chunked\r\n\r\n"
        half = b"%x\r\n%s\r\n" % (len(half), half)
    else:
        head += f"Content-Length: {len(body)}\r\n\r\n"
    context = ssl.create_default_context(cafile=certificate)
    bare = socket.create_connection(("127.0.0.1", int(port)), WAIT_S)
    peer = context.wrap_socket(bare, server_hostname="localhost")
    peer.sendall(head.encode() + half)
    answer = b""
    if how != "reset":
        peer.shutdown(socket.SHUT_WR)
        try:
            answer = peer.recv(4096)
        except OSError:
            pass
    peer.close()
    print(answer.split()[1].decode() if answer.startswith(b"HTTP/") else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])

#!/usr/bin/env python3
"""Readers that ask for a document straight at the receiver's socket, and take nothing for a while.

Usage: slow_readers.py SOCKET PATH [--peers N] [--begun N] [--read]

Says "asked" when all have asked, and for N of them (1) something of the answer is there; then does
nothing until a line comes on stdin. With --read each then
takes its answer; "whole BYTES" or "cut BYTES" tells of each document.
"""

import argparse
import select
import sys
import time

import fcgi_peer


def take(peer):
    answer = peer.read(wait=15)
    head, body = answer.head() if answer.stdout else ({}, b"")
    whole = answer.whole and int(head.get("content-length", -1)) == len(body)
    print("whole" if whole else "cut", len(body))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("socket")
    parser.add_argument("path")
    parser.add_argument("--peers", type=int, default=1)
    parser.add_argument("--begun", type=int, default=1)
    parser.add_argument("--read", action="store_true")
    options = parser.parse_args()
    path, _, query = options.path.partition("?")
    peers = [fcgi_peer.Peer(options.socket) for _ in range(options.peers)]
    for peer in peers:
        peer.send(fcgi_peer.request(b"", method="GET", path=path, QUERY_STRING=query))
    while len(select.select([peer.socket for peer in peers], [], [])[0]) < options.begun:
        time.sleep(0.01)
    print("asked", flush=True)
    sys.stdin.readline()
    for peer in peers:
        if options.read:
            take(peer)
        peer.close()


if __name__ == "__main__":
    sys.exit(main())

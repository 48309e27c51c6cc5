#!/usr/bin/env python3
"""A recogniser of your own for phoneai: hears sound, and calls each stretch of it a word.

    pip install websockets
    examples/websocket_recogniser.py 2700

with `engine = "websocket"` in [speech] and `url = "ws://127.0.0.1:2700"` in [recogniser]. Put your
recogniser in the place of `hear`. The protocol is written down in src/speech/stream/generic.rs.
"""
import array
import json
import sys

from websockets.sync.server import serve

QUIET, FRAME = 500, 160  # the loudest sample of silence; samples of 20 ms


def hear(samples, start):
    """Words in a stretch of sound that begins `start` seconds after the connection did."""
    return [{"text": "sound", "start": start, "end": start + len(samples) / 8000, "confidence": 0.9}]


def call(socket):
    sound, heard = array.array("h"), 0

    def tell():
        nonlocal sound
        if sound:
            words = hear(sound, (heard - len(sound)) / 8000)
            socket.send(json.dumps({"type": "words", "final": True, "words": words}))
            sound = array.array("h")

    for message in socket:
        if isinstance(message, str):
            if json.loads(message)["type"] in ("flush", "finish"):
                tell()
                socket.send(json.dumps({"type": "done"}))
            continue
        samples = array.array("h", message)
        for at in range(0, len(samples), FRAME):
            frame = samples[at:at + FRAME]
            if max(map(abs, frame)) <= QUIET:
                tell()
            else:
                sound.extend(frame)
            heard += len(frame)


with serve(call, "127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 2700) as server:
    print("ws://127.0.0.1:%d" % server.socket.getsockname()[1], flush=True)
    server.serve_forever()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Write a seed of each message and command, for fuzz.c, into a folder."""

import os
import struct
import sys


def message(command, payload, fds=0):
    return struct.pack('<HHIII', fds, command, 16 + len(payload), 0, 0) + payload


def chunk(data, control=0):
    return struct.pack('<H', len(data) | control) + data


FILE, EVENTS = 1, 2 | 3 << 2
MESSAGES = [
    message(1, struct.pack('<HH', 0, 1) + b'{}\0'),
    message(2, struct.pack('<IIQQQ', 32, 3, 0, 0x10000, 0x2000), FILE),
    message(3, struct.pack('<IIQQ', 24, 0, 0x10000, 0x2000)),
    message(4, bytes(16)),
    message(5, struct.pack('<IIIIQQ', 32, 0, 2, 0, 0, 0)),
    message(7, struct.pack('<IIII', 16, 0, 2, 0)),
    message(8, struct.pack('<IIIII', 20, 0x24, 2, 0, 3), EVENTS),
    message(8, struct.pack('<IIIII', 20, 0x22, 2, 0, 2) + b'\1\0'),
    message(9, struct.pack('<QII', 0x1498, 0, 4)),
    message(9, struct.pack('<QII', 0, 7, 256)),
    message(10, struct.pack('<QII', 0x2000, 0, 4) + b'abcd'),
    message(10, struct.pack('<QII', 0x58, 7, 2) + b'\0\x80'),
    message(10, struct.pack('<QII', 0xe10, 7, 8) + b'fault e\0'),
    message(10, struct.pack('<QII', 0xe08, 7, 4) + bytes(4)),
    message(13, b''),
    message(15, struct.pack('<QQII8s', 1, 0x1000, 0, 8, b'12345678')),
    # The engine of the doorbell profile: from guest memory to the device.
    message(10, struct.pack('<QIIQQIIQI', 0x8000, 0, 36, 0x10000, 0x100, 64, 0,
                            0x11000, 1)),
    message(10, struct.pack('<QIII', 0x8014, 0, 4, 5)),
]
LINES = [b'mark 1', b'rule once 0 0 64', b'ready all 5', b'after-reset link never',
         b'reset', b'fault late 1 2', b'rate 4', b'peek 0 8 4', b'poke 0 8 4 255',
         b'irq 1', b'tally 0 0', b'get 0']

folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
seeds = [chunk(m) for m in MESSAGES] + [chunk(l, 0x8000) for l in LINES]
seeds.append(b''.join(seeds))
for profile in range(9):
    for number, seed in enumerate(seeds if profile == 8 else seeds[-1:]):
        with open(os.path.join(folder, f'{profile}-{number}'), 'wb') as f:
            f.write(bytes([profile]) + seed)

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The failure that this project is about, with QEMU as packaged.

    failure.py BDF BAR

Runs QEMU without a guest (qtest) with the VFIO device BDF and a legacy
virtio-blk disk, puts the device's BAR into the guest's address space, and asks
the disk to read into it: 4096 bytes, 8192 bytes, and twice 4096 at once.
Says in KTAP what happened.
"""

import os
import subprocess
import sys
import tempfile
import time

ERROR = 'bogus descriptor or out of resources'
BAR_ADDRESS = 1 << 40
IO = 0xc000
RING, HEADERS, STATUS, RAM = 0x100000, 0x200000, 0x210000, 0x300000
VFIO_SLOT, DISK_SLOT = 4, 5
QUEUE = 256


class Qemu:
    """QEMU, driven through its test protocol."""

    def __init__(self, bdf, disk):
        self.log = tempfile.NamedTemporaryFile(mode='r', prefix='qemu-log-')
        with open(self.log.name, 'w', encoding='utf-8') as err:
            self.process = subprocess.Popen(
                ['qemu-system-x86_64', '-M', 'pc', '-m', '64', '-nodefaults',
                 '-display', 'none', '-accel', 'qtest', '-qtest', 'stdio',
                 '-qtest-log', 'none',
                 '-device', f'vfio-pci,host={bdf},addr={VFIO_SLOT}',
                 '-drive', f'file={disk},if=none,id=disk,format=raw',
                 '-device', f'virtio-blk-pci,drive=disk,disable-modern=on,addr={DISK_SLOT}'],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, text=True)

    def ask(self, *words):
        self.process.stdin.write(' '.join(
            w if isinstance(w, str) else f'{w:#x}' for w in words) + '\n')
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith('OK'):
                return line.split()[-1]
            if line.startswith(('FAIL', 'ERR')):
                raise RuntimeError(f'{words}: {line}')
        raise RuntimeError(f'QEMU is gone: {self.messages()}')

    def config(self, slot, where, value=None):
        self.ask('outl', 0xcf8, 1 << 31 | slot << 11 | where)
        if value is None:
            return int(self.ask('inl', 0xcfc), 16)
        return self.ask('outl', 0xcfc, value)

    def write(self, address, data):
        self.ask('write', address, len(data), '0x' + data.hex())

    def read(self, address, length):
        return bytes.fromhex(self.ask('read', address, length)[2:])

    def messages(self):
        self.log.seek(0)
        return self.log.read()


class Disk:
    """A legacy virtio-blk device with one queue."""

    def __init__(self, qemu):
        self.qemu = qemu
        qemu.config(DISK_SLOT, 0x10, IO)
        qemu.config(DISK_SLOT, 0x04, 0x5)               # I/O, bus master
        self.start()

    def out(self, size, register, value):
        self.qemu.ask('out' + size, IO + register, value)

    def start(self):
        self.out('b', 0x12, 0)                          # reset
        self.out('b', 0x12, 3)                          # acknowledge, driver
        self.out('l', 0x04, 0)                          # no features
        self.out('w', 0x0e, 0)
        self.qemu.write(RING, bytes(3 * 4096))
        self.out('l', 0x08, RING >> 12)
        self.out('b', 0x12, 7)                          # driver ok
        self.made = 0

    def read_into(self, *requests, patience=100):
        """Queue reads of (sector, address, length), kick once; who completed?"""
        errors = self.qemu.messages().count(ERROR)
        for n, (sector, address, length) in enumerate(requests):
            head = 3 * n
            header, status = HEADERS + 16 * n, STATUS + n
            self.qemu.write(header, (0).to_bytes(8, 'little') + sector.to_bytes(8, 'little'))
            self.qemu.write(status, b'\xff')
            descriptors = ((header, 16, 1, head + 1), (address, length, 3, head + 2),
                           (status, 1, 2, 0))
            for i, (where, size, flags, following) in enumerate(descriptors):
                self.qemu.write(RING + 16 * (head + i),
                                where.to_bytes(8, 'little') + size.to_bytes(4, 'little') +
                                flags.to_bytes(2, 'little') + following.to_bytes(2, 'little'))
            slot = (self.made + n) % QUEUE
            self.qemu.write(RING + 4096 + 4 + 2 * slot, head.to_bytes(2, 'little'))
        self.made += len(requests)
        self.qemu.write(RING + 4096 + 2, self.made.to_bytes(2, 'little'))
        self.out('w', 0x10, 0)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and self.qemu.messages().count(ERROR) == errors:
            used = int.from_bytes(self.qemu.read(RING + 8192 + 2, 2), 'little')
            if used == self.made:
                break
            time.sleep(0.05)
        return [self.qemu.read(STATUS + n, 1) == b'\0' for n in range(len(requests))]


def main():
    bdf, bar = sys.argv[1], int(sys.argv[2])
    count = failed = 0

    def result(good, name):
        nonlocal count, failed
        count += 1
        failed += not good
        print('ok' if good else 'not ok', count, name, flush=True)

    disk_file = tempfile.NamedTemporaryFile(prefix='disk-')
    content = os.urandom(1 << 20)
    disk_file.write(content)
    disk_file.flush()

    print('KTAP version 1')
    qemu = Qemu(bdf, disk_file.name)
    version = subprocess.run(['qemu-system-x86_64', '--version'], capture_output=True,
                             text=True, check=True).stdout.splitlines()[0]
    print(f'# {version}')
    try:
        qemu.config(VFIO_SLOT, 0x10 + 4 * bar, BAR_ADDRESS & 0xffffffff)
        qemu.config(VFIO_SLOT, 0x14 + 4 * bar, BAR_ADDRESS >> 32)
        qemu.config(VFIO_SLOT, 0x04, 0x6)               # memory, bus master
        disk = Disk(qemu)

        done = disk.read_into((0, BAR_ADDRESS, 4096))
        found = qemu.read(BAR_ADDRESS, 4096)
        result(done == [True] and found == content[:4096],
               'one request of 4096 bytes into device memory completes')
        done = disk.read_into((8, RAM, 65536))
        result(done == [True] and qemu.read(RAM, 65536) == content[4096:4096 + 65536],
               'so does one of 65536 bytes into ordinary memory')

        def fails(name, *requests):
            before = qemu.messages().count(ERROR)
            done = disk.read_into(*requests)
            said = [m for m in qemu.messages().splitlines() if ERROR in m][before:]
            later = disk.read_into((0, RAM, 512), patience=3)
            for message in said:
                print(f'# {message}')
            print(f'# completed: {done}; an ordinary request after that: {later}')
            result(not all(done) and said and later == [False], name)
            disk.start()

        fails('one of 8192 bytes breaks the device', (8, BAR_ADDRESS + 8192, 8192))
        fails('two of 4096 bytes at once break it as well',
              (16, BAR_ADDRESS + 16384, 4096), (24, BAR_ADDRESS + 20480, 4096))
    finally:
        qemu.process.kill()
        qemu.process.wait()
    print(f'1..{count}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())

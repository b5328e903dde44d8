#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What can be counted rather than timed: a busy machine does not change it.

    counts.py DIR [--quick]

Instructions of a call (callgrind), accesses to NONCACHED memory and barriers
on arm64 (the selftests' tracer), into DIR/parts/counts.tsv.
"""
import os
import re
import subprocess
import sys

VFIOMEM = 'tools/testing/selftests/vfio_cachemode/vfiomem'
PROOFS = 'build/selftests/vfiomem'
SIZES = (8, 100, 1000, 4096)
QUICK_SIZES = (100, 4096)
NAMES = ('memcpy', 'relaxed', 'publish', 'ascending', 'strict_misaligned', 'store32')


def output(*command):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout


def instructions(directory, size):
    """{name: instructions of one call} for a copy of this size."""
    out = f'{directory}/callgrind.out'
    output('valgrind', '--tool=callgrind', '--zero-before=counted',
           f'--callgrind-out-file={out}', f'{directory}/insns', str(size))
    text = output('callgrind_annotate', '--inclusive=yes', '--threshold=100', out)
    os.remove(out)
    found = {}
    for number, name in re.findall(r'^\s*([\d,]+) .*?:count_(\w+)', text, re.M):
        found[name] = int(number.replace(',', ''))
    return found


def trace_count(arch, emulator, what):
    target = f'{os.getcwd()}/{PROOFS}/{arch}/trace_count.tab'
    subprocess.run(['flock', f'{PROOFS}/.lock', 'make', '-s', '-C', VFIOMEM, f'ARCH={arch}',
                    target], check=True, stdout=sys.stderr, stderr=subprocess.DEVNULL)
    return output(*emulator, f'{PROOFS}/{arch}/trace_count', target, what)


def main():
    directory = sys.argv[1]
    os.makedirs(PROOFS, exist_ok=True)
    lines = []
    made, least = trace_count('x86', [], 'accesses').split()
    lines.append('target\taccesses to NONCACHED memory\t<=\t1\t'
                 f'{int(made) / int(least):.4g}\tx the minimum\t{int(made == least)}')
    sizes = QUICK_SIZES if '--quick' in sys.argv else SIZES
    counted = {size: instructions(directory, size) for size in sizes}
    lines.append('note\tinstructions of a call (callgrind, AVX2 code), by bytes:')
    for name in NAMES:
        row = '  '.join(f'{size}: {counted[size].get(name, "?")}' for size in sizes)
        lines.append(f'note\t  {name.replace("_", " "):18} {row}')
    lines.append('note\tbarriers of a call of 64 bytes on arm64:')
    for line in trace_count('arm64', ['qemu-aarch64', '-cpu', 'neoverse-v1'],
                            'barriers').splitlines():
        lines.append(f'note\t  {line}')
    with open(f'{directory}/parts/counts.tsv', 'w', encoding='utf-8') as f:
        f.write('\n'.join(lines) + '\n')


main()

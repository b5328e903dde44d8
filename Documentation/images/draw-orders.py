#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Draw images/orders.svg: the accesses of one copy in each order.

The copy: 23 bytes to an address that is 5 above a multiple of 8, on memory
that takes aligned accesses of at most 8 bytes.  Promise 4 gives the accesses,
promise 5 their order; the numbers are what the device sees first, second, ...
"""

CELL, LEFT, TOP, ROW = 24, 200, 64, 74
START, LENGTH, WIDTH = 5, 23, 8


def natural(start, end, width=WIDTH):
    """Naturally aligned accesses of [start, end), ascending."""
    while start < end:
        size = width
        while start % size or start + size > end:
            size //= 2
        yield start, size
        start += size


def granule_at(address, length):
    size = WIDTH
    while address % size or size > length:
        size //= 2
    return size


end = START + LENGTH
last = granule_at(end, LENGTH)
first = granule_at(START, LENGTH)
body = list(natural(START, end - last))
rows = [
    ('RELAXED', 'any order', [(a, s, '', 0) for a, s in natural(START, end)]),
    ('PUBLISH', 'last granule after all else',
     [(a, s, '', 0) for a, s in body] + [(end - last, last, 'last', 1)]),
    ('ACQUIRE', 'first granule before all else',
     [(START, first, 'first', 1)] + [(a, s, '', 0) for a, s in natural(START + first, end)]),
    ('ASCENDING', 'each before the next',
     [(a, s, f'#{i + 1}', 0) for i, (a, s) in enumerate(natural(START, end))]),
]

width = LEFT + 32 * CELL + 30
height = TOP + len(rows) * ROW + 20
out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
       f'width="{width}" height="{height}" font-family="sans-serif" font-size="13">',
       '<!-- SPDX-License-Identifier: GPL-2.0-only -->',
       '<!-- Drawn by images/draw-orders.py -->',
       f'<rect width="{width}" height="{height}" fill="#fff"/>']
for byte in range(0, 33, 8):
    x = LEFT + byte * CELL
    out.append(f'<text x="{x}" y="28" text-anchor="middle" fill="#555">+{byte}</text>')
    out.append(f'<line x1="{x}" y1="36" x2="{x}" y2="{height - 16}" stroke="#ccc" '
               'stroke-dasharray="3 3"/>')
for row, (name, rule, accesses) in enumerate(rows):
    y = TOP + row * ROW
    out.append(f'<text x="12" y="{y + 20}" font-weight="bold">{name}</text>')
    out.append(f'<text x="12" y="{y + 48}" fill="#555">{rule}</text>')
    for start, size, label, special in accesses:
        x = LEFT + start * CELL
        fill = '#f4b183' if special else '#9dc3e6'
        out.append(f'<rect x="{x + 1}" y="{y}" width="{size * CELL - 2}" height="30" rx="4" '
                   f'fill="{fill}" stroke="#333"/>')
        text = label or str(size)
        small = ' font-size="9"' if len(text) * 7 > size * CELL else ''
        out.append(f'<text x="{x + size * CELL / 2}" y="{y + 20}" '
                   f'text-anchor="middle"{small}>{text}</text>')
out.append('</svg>')
print('\n'.join(out))

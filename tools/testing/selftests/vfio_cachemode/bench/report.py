#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Merge what the benchmark programs wrote into a table, JSON and plots.

    report.py DIR

Reads DIR/parts/*.tsv; writes DIR/results.json, DIR/table.txt, DIR/*.svg, and
prints the table.
"""
import glob
import html
import json
import math
import os
import platform
import sys

COLOURS = ['#1f6fb4', '#d9541e', '#2b9348', '#8e44ad', '#7f7f7f', '#b8860b']


def machine():
    model = platform.machine()
    try:
        with open('/proc/cpuinfo', encoding='ascii', errors='replace') as f:
            for line in f:
                if line.startswith('model name'):
                    model = line.split(':', 1)[1].strip()
                    break
    except OSError:
        pass
    return f'{model}, {os.cpu_count()} CPUs, Linux {platform.release()}'


def svg(title, series):
    """One log-log plot of ratio over size."""
    width, height, left, top, right, bottom = 860, 440, 70, 50, 230, 50
    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points]
    x0, x1 = min(xs), max(max(xs), min(xs) * 2)
    y0, y1 = min(ys + [0.5]) / 1.1, max(ys + [2]) * 1.1

    def px(x):
        return left + (width - left - right) * math.log(x / x0) / math.log(x1 / x0)

    def py(y):
        return height - bottom - (height - top - bottom) * \
            math.log(y / y0) / math.log(y1 / y0)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
           f'height="{height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{width}" height="{height}" fill="white"/>',
           f'<text x="{left}" y="28" font-size="16">{html.escape(title)}</text>']
    for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500):
        if y0 <= step <= y1:
            bold = ' stroke-width="2"' if step == 1 else ''
            out.append(f'<line x1="{left}" x2="{width - right}" y1="{py(step):.1f}" '
                       f'y2="{py(step):.1f}" stroke="#ccc"{bold}/>')
            out.append(f'<text x="{left - 8}" y="{py(step) + 4:.1f}" '
                       f'text-anchor="end">{step:g}</text>')
    size = 1
    while size <= x1:
        if size >= x0:
            name = (f'{size >> 20} MiB' if size >= 1 << 20 else
                    f'{size >> 10} KiB' if size >= 1024 else str(size))
            out.append(f'<line y1="{top}" y2="{height - bottom}" x1="{px(size):.1f}" '
                       f'x2="{px(size):.1f}" stroke="#eee"/>')
            out.append(f'<text x="{px(size):.1f}" y="{height - bottom + 18}" '
                       f'text-anchor="middle">{name}</text>')
        size *= 4
    out.append(f'<text x="{(left + width - right) / 2:.0f}" y="{height - 10}" '
               'text-anchor="middle">bytes</text>')
    for i, (name, points) in enumerate(series.items()):
        colour = COLOURS[i % len(COLOURS)]
        path = ' '.join(f'{px(x):.1f},{py(y):.1f}' for x, y in sorted(points))
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" '
                   'stroke-width="2"/>')
        for x, y in points:
            out.append(f'<circle cx="{px(x):.1f}" cy="{py(y):.1f}" r="2.5" '
                       f'fill="{colour}"/>')
        out.append(f'<text x="{width - right + 14}" y="{top + 18 * i + 10}" '
                   f'fill="{colour}">{html.escape(name)}</text>')
    out.append('</svg>\n')
    return '\n'.join(out)


def main():
    directory = sys.argv[1]
    results, rows, notes, plots = [], [], [], {}
    for part in sorted(glob.glob(f'{directory}/parts/*.tsv')):
        with open(part, encoding='utf-8') as f:
            for line in f:
                kind, *fields = line.rstrip('\n').split('\t')
                if kind == 'target':
                    name, sense, target, value, unit, met = fields
                    met = met == '1'
                    results.append({'name': name, 'target': float(target),
                                    'value': float(value), 'unit': unit,
                                    'met': met})
                    rows.append((name, f'{sense} {target}', value, unit,
                                 'met' if met else 'NOT MET'))
                elif kind == 'skip':
                    rows.append((fields[0], '', '', fields[1], 'skipped'))
                elif kind == 'point':
                    plot, series, x, y = fields
                    plots.setdefault(plot, {}).setdefault(series, []).append(
                        (float(x), float(y)))
                elif kind == 'note':
                    notes.append(fields[0])
    if not results:
        sys.exit(f'report: no results in {directory}/parts')
    wide = [max(len(row[i]) for row in rows) for i in range(5)]
    table = [machine(), '']
    table += ['  '.join(cell.ljust(w) for cell, w in zip(row, wide)).rstrip()
              for row in rows]
    if notes:
        table += [''] + notes
    missed = sum(not r['met'] for r in results)
    table += ['', f'{len(results) - missed} of {len(results)} targets met']
    with open(f'{directory}/table.txt', 'w', encoding='utf-8') as f:
        f.write('\n'.join(table) + '\n')
    with open(f'{directory}/results.json', 'w', encoding='utf-8') as f:
        json.dump({'machine': machine(), 'results': results}, f, indent=1)
        f.write('\n')
    for plot, series in plots.items():
        name = plot.split(':')[0].strip().replace(' ', '-')
        with open(f'{directory}/{name}.svg', 'w', encoding='utf-8') as f:
            f.write(svg(plot, series))
    print('\n'.join(table))


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Make the tracer's table of a program's memory accesses and barriers.

    decode.py ARCH OBJDUMP PROGRAM TABLE [FUNCTION...]

Every instruction of PROGRAM that accesses memory is written to TABLE (struct
trace_insn of trace.h).  Barriers are taken from the FUNCTIONs alone, since
the tracer replaces them by breakpoints.  An instruction that is not understood
gets width 0: the tracer stops a test that meets one.
"""
import re
import struct
import subprocess
import sys

LOAD, STORE, BARRIER = 1, 2, 4
STRING, NONTEMPORAL, PAIR, SIMD, MASKED, ACQ_REL, ZERO_LINE, RMW = (
    1 << i for i in range(8))
STORES, LOADS, OUTER, COMPLETES, DRAINS_WC = (1 << i for i in range(5))
ALL = STORES | LOADS | OUTER | COMPLETES | DRAINS_WC


class Insn:
    """One row of the table; see struct trace_insn."""

    def __init__(self, kind=0, width=0, flags=0, barrier=0):
        self.kind, self.width, self.flags = kind, width, flags
        self.barrier = barrier
        self.base = self.index = self.mask = self.data = -1
        self.disp = self.shift = self.extend = self.element = 0

    def pack(self, pc, length):
        return struct.pack('<QqHHBBBBbbbbBBxx', pc, self.disp, self.flags,
                           self.width, self.kind, self.barrier, length,
                           self.shift, self.base, self.index, self.mask,
                           self.data, self.extend, self.element)


# ---------------------------------------------------------------- x86-64

X86_REGS = {}
for number, names in enumerate((
        'rax eax ax al', 'rcx ecx cx cl', 'rdx edx dx dl', 'rbx ebx bx bl',
        'rsp esp sp spl', 'rbp ebp bp bpl', 'rsi esi si sil',
        'rdi edi di dil')):
    X86_REGS.update(dict.fromkeys(names.split(), number))
for number in range(8, 16):
    for suffix in ('', 'd', 'w', 'b'):
        X86_REGS[f'r{number}{suffix}'] = number

X86_SIZES = {'BYTE': 1, 'WORD': 2, 'DWORD': 4, 'QWORD': 8, 'XMMWORD': 16,
             'YMMWORD': 32, 'ZMMWORD': 64}
X86_MEM = re.compile(r'(?:(\w+) PTR )?(?:[cdefgs]s:)?\[([^]]*)\]'
                     r'(?:\{(k\d)\})?')
X86_BARRIERS = {
    'mfence': ALL & ~COMPLETES,
    'sfence': STORES | OUTER | DRAINS_WC,
    'lfence': LOADS | OUTER,
}
X86_MOVES = re.compile(r'v?(mov|pextr|extract|pmaskmov|maskmov)|'
                       r'set|st|fst|fist|vcompress|vpcompress|vcvt')
X86_READS = re.compile(r'(cmp|test|push|jmp|call|bt|mul|imul|div|idiv|fld|'
                       r'fild|v?ucomis|v?comis|v?ptest|ldmxcsr|xrstor|fxrstor)')
X86_NONE = re.compile(r'(lea|nop|prefetch|clflush|clwb|xsave|fxsave|fnst|clzero)')


def x86_address(insn, text):
    """[base+index*scale+disp] into the row; without a base, it stays -1."""
    for sign, term in re.findall(r'([+-]?)([^+-]+)', text):
        reg, _, scale = term.partition('*')
        if reg in X86_REGS:
            if scale or insn.base >= 0:
                insn.index = X86_REGS[reg]
                insn.shift = int(scale or '1').bit_length() - 1
            else:
                insn.base = X86_REGS[reg]
        elif re.fullmatch(r'0x[0-9a-f]+', term):
            value = int(term, 16)
            value = -value if sign == '-' else value
            insn.disp = (value + (1 << 63)) % (1 << 64) - (1 << 63)


def x86(mnemonic, operands):
    words = mnemonic.split()
    if words[-1] in X86_BARRIERS:
        return Insn(BARRIER, barrier=X86_BARRIERS[words[-1]])
    memory = X86_MEM.search(operands)
    if not memory or X86_NONE.match(words[-1]):
        return None
    insn = Insn()
    name = words[-1]
    if words[0].startswith('rep'):
        insn.kind, insn.width = LOAD | STORE, 1
        insn.flags = STRING
        insn.element = X86_SIZES[memory[1]]
        insn.base, insn.mask = X86_REGS['rdi'], X86_REGS['rcx']
        if 'movs' in name:
            insn.index = X86_REGS['rsi']
        elif 'stos' not in name:
            insn.width = 0
        return insn
    first = memory.start() == 0
    x86_address(insn, memory[2])
    insn.width = X86_SIZES.get(memory[1], 0)
    rest = operands[memory.end():] if first else operands[:memory.start()]
    if re.search(r'[xyz]mm\d', rest):
        insn.flags |= SIMD
    if 'lock' in words and insn.base == X86_REGS['rsp']:
        return Insn(BARRIER, barrier=ALL & ~COMPLETES)
    if 'lock' in words or name.startswith(('xchg', 'xadd', 'cmpxchg')):
        insn.kind, insn.flags = LOAD | STORE, insn.flags | RMW
    elif not first or X86_READS.match(name):
        insn.kind = LOAD
        data = rest.split(',')[0]
        insn.data = X86_REGS.get(data, -1)
    elif X86_MOVES.match(name):
        insn.kind = STORE
        insn.data = X86_REGS.get(rest.lstrip(','), -1)
    else:
        insn.kind, insn.flags = LOAD | STORE, insn.flags | RMW
    if 'movnt' in name:
        insn.flags |= NONTEMPORAL
    mask = memory[3] or (re.search(r'\{(k\d)\}', rest) or ['', None])[1]
    if mask:
        insn.mask = int(mask[1])
        element = re.match(r'vmovdqu(8|16|32|64)|vmovdqa(32|64)', name)
        if element:
            insn.element = int(element[1] or element[2]) // 8
        else:
            insn.width = 0
    elif 'maskmov' in name or 'compress' in name or 'gather' in name:
        insn.width = 0
    return insn


# ----------------------------------------------------------------- arm64

ARM_MEM = re.compile(r'\[([^]]*)\]')
ARM_WIDTH = {'b': 1, 'h': 2, 's': 4, 'w': 4, 'd': 8, 'x': 8, 'q': 16}


def arm_register(name):
    if name in ('sp', 'wsp'):
        return 31
    found = re.fullmatch(r'[xw](\d+)', name)
    return int(found[1]) if found else -1


def arm64(mnemonic, operands):
    if mnemonic in ('dmb', 'dsb'):
        barrier = 0
        if operands.endswith('ld'):
            barrier |= LOADS
        elif operands.endswith('st'):
            barrier |= STORES
        else:
            barrier |= LOADS | STORES
        # "st", "ld" and "sy" are the full system's.
        if operands.startswith(('osh', 'sy', 'st', 'ld')):
            barrier |= OUTER
        if mnemonic == 'dsb':
            barrier |= COMPLETES | DRAINS_WC
        return Insn(BARRIER, barrier=barrier)
    if mnemonic == 'dc':
        insn = Insn(STORE, 64, ZERO_LINE)
        insn.base = arm_register(operands.split()[-1])
        return insn if 'zva' in operands else None
    memory = ARM_MEM.search(operands)
    if not memory or mnemonic.startswith('prfm'):
        return None
    insn = Insn()
    known = re.fullmatch(
        r'(ld|st)(a|l|ap|lu|)(u|t|)(r|p|np|pr|ur|xr|xp|axr|lxr|1|2|3|4)'
        r'(b|h|sb|sh|sw|)', mnemonic)
    load = mnemonic.startswith('ld')
    insn.kind = LOAD if load else STORE
    parts = [p.strip() for p in memory[1].split(',')]
    insn.base = arm_register(parts[0])
    if len(parts) > 1:
        if parts[1].startswith('#'):
            insn.disp = int(parts[1][1:], 0)
        else:
            insn.index = arm_register(parts[1])
            insn.extend = int(parts[1].startswith('w'))
            if len(parts) > 2:
                how = parts[2].split()
                insn.extend = {'uxtw': 1, 'sxtw': 2}.get(how[0], 0)
                insn.shift = int(how[1][1:]) if len(how) > 1 else 0
    registers = [r.strip(' ,{}') for r in
                 operands[:memory.start()].split(',') if r.strip(' ,{}')]
    if not known or not registers or 'xr' in mnemonic or 'xp' in mnemonic:
        return insn             # exclusives and the like: not understood
    if mnemonic.startswith(('ld1', 'st1')):
        found = re.match(r'v(\d+)\.(8b|4h|2s|1d|16b|8h|4s|2d)(-v(\d+))?',
                         registers[0])
        if found:
            size = 8 if found[2] in ('8b', '4h', '2s', '1d') else 16
            many = int(found[4]) - int(found[1]) + 1 if found[3] else len(registers)
            insn.width = size * (many % 32)
            insn.flags |= SIMD
        return insn
    if re.match(r'[bhsdq]\d', registers[0]):
        insn.flags |= SIMD
    suffix = mnemonic[-1]
    if re.search(r'(r|ur|tr|ar|lr|pr)(b|h|sb|sh)$', mnemonic):
        width = ARM_WIDTH[suffix]
    elif mnemonic.endswith('sw'):
        width = 4
    else:
        width = ARM_WIDTH.get(registers[0][0], 0)
    if re.search(r'n?p(sw)?$', mnemonic) and len(registers) == 2:
        width *= 2
        insn.flags |= PAIR
    if re.match(r'(lda|stl)', mnemonic):
        insn.flags |= ACQ_REL
    insn.width = width
    insn.data = arm_register(registers[0])
    return insn


# --------------------------------------------------------------- riscv64

RISCV_REGS = {name: n for n, name in enumerate(
    ('zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 '
     's7 s8 s9 s10 s11 t3 t4 t5 t6').split())}
RISCV_REGS['fp'] = 8
RISCV_WIDTH = {'b': 1, 'h': 2, 'w': 4, 'd': 8}


def riscv64(mnemonic, operands):
    if mnemonic == 'fence' or mnemonic == 'fence.tso':
        before, _, after = operands.partition(',')
        before, after = before or 'iorw', after or 'iorw'
        barrier = 0
        if 'w' in before and 'w' in after:
            barrier |= STORES
        if 'r' in before and 'r' in after:
            barrier |= LOADS
        if ('o' in before and 'o' in after) or \
           ('i' in before and 'i' in after):
            barrier |= OUTER
        return Insn(BARRIER, barrier=barrier)
    memory = re.search(r'(-?\d+)\((\w+)\)$', operands)
    known = re.fullmatch(r'(l|s|fl|fs)([bhwd])(u?)', mnemonic)
    if not memory and not mnemonic.startswith(('amo', 'lr.', 'sc.')):
        return None
    insn = Insn()
    if known and memory:
        insn.kind = LOAD if 'l' in known[1] else STORE
        insn.width = RISCV_WIDTH[known[2]]
        insn.base = RISCV_REGS[memory[2]]
        insn.disp = int(memory[1])
        insn.data = RISCV_REGS.get(operands.split(',')[0], -1)
    elif mnemonic in ('jalr', 'jr', 'ret'):
        return None
    return insn


# --------------------------------------------------------------- ppc64le

PPC_WIDTH = {'b': 1, 'h': 2, 'w': 4, 'd': 8}


def ppc64le(mnemonic, operands):
    if mnemonic in ('sync', 'hwsync', 'msync'):
        return Insn(BARRIER, barrier=ALL)
    if mnemonic == 'lwsync':
        return Insn(BARRIER, barrier=STORES | LOADS)
    if mnemonic == 'eieio':
        return Insn(BARRIER, barrier=STORES)
    insn = Insn()
    known = re.fullmatch(r'(l|st)([bhwd])(z|a|br|)(u?)(x?)', mnemonic)
    memory = re.search(r'(-?\d+)\(r(\d+)\)$', operands)
    registers = re.findall(r'\b[rf](\d+)', operands)
    if known and (memory or known[5]):
        insn.kind = LOAD if known[1] == 'l' else STORE
        insn.width = PPC_WIDTH[known[2]]
        insn.data = int(registers[0])
        if memory:
            insn.base, insn.disp = int(memory[2]), int(memory[1])
        elif len(registers) == 3:
            insn.base, insn.index = int(registers[1]), int(registers[2])
        else:                   # stdx rS,0,rB: rB is all there is
            insn.base = int(registers[1])
    elif not memory and not re.match(r'(lv|stv|lx|stx|dcbz|lq|stq|lw?[bhwd]?arx)',
                                     mnemonic):
        return None
    return insn


DECODERS = {'x86': x86, 'arm64': arm64, 'riscv64': riscv64, 'ppc64le': ppc64le}


def split(arch, fields):
    """The mnemonic and operands of a line of objdump's."""
    body = re.sub(r'\s*(//|#\s|<).*', '', ' '.join(fields[2:])).strip()
    words = body.split(' ')
    count = 1
    while arch == 'x86' and count < len(words) and words[count - 1] in (
            'lock', 'rep', 'repz', 'repnz', 'bnd', 'notrack', 'data16', 'cs',
            'ds'):
        count += 1
    return ' '.join(words[:count]), ' '.join(words[count:]).strip()


def disassemble(arch, objdump, program):
    """Yield (function, pc, length, mnemonic, operands)."""
    command = [objdump, '-d', '-w']
    if arch == 'x86':
        command += ['-M', 'intel']
    text = subprocess.run(command + [program], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    function = ''
    for line in text.splitlines():
        label = re.match(r'[0-9a-f]+ <(.*)>:$', line)
        if label:
            function = label[1]
            continue
        fields = line.split('\t')
        if len(fields) < 3:
            continue
        pc = int(fields[0].strip().rstrip(':'), 16)
        yield (function, pc, len(fields[1].replace(' ', '')) // 2,
               *split(arch, fields))


def main():
    arch, objdump, program, table, *functions = sys.argv[1:]
    wanted, rows, barriers = set(functions), [], 0
    for function, pc, length, mnemonic, operands in disassemble(
            arch, objdump, program):
        insn = DECODERS[arch](mnemonic, operands)
        if insn is None:
            continue
        if insn.kind == BARRIER:
            if function not in wanted:
                continue
            barriers += 1
        rows.append((pc, insn.pack(pc, length)))
    rows.sort()
    with open(table, 'wb') as out:
        out.writelines(row for _, row in rows)
    print(f'{program}: {len(rows)} accesses, {barriers} barriers',
          file=sys.stderr)


if __name__ == '__main__':
    main()

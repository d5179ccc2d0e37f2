/**
 * Asks connection tracking what each end of a TCP connection expects next, by a
 * kernel program run on request (`cutter/window-program.ts`): no packet is sent, nothing is attached.
 *
 * Numbers are those of the tracked packets: under a helper that changes the length of
 * the stream (IPS_SEQ_ADJUST), and in zones other than 0, they are not used.
 */
import { readFileSync } from 'node:fs';
import type { Connection } from '../../cutter/connection.js';
import { WINDOW_PACKET_BYTES, readWindow, windowProgram, windowRequest } from '../../cutter/window-program.js';
import { assemble } from '../../ebpf/assemble.js';
import { type Btf, type ByteSearch, readBtf } from '../../ebpf/btf.js';
import { BPF_PROG_TYPE_SCHED_CLS } from '../../ebpf/helpers.js';
import { IPS_SEQ_ADJUST } from '../../netlink/conntrack.js';
import { Bpf } from '../bpf.js';
import type { Libc } from '../libc.js';
import { SystemError } from '../system-error.js';

const VMLINUX_BTF = '/sys/kernel/btf/vmlinux';
const CONNTRACK_BTF = '/sys/kernel/btf/nf_conntrack';

function unsupported(detail: string): SystemError {
  return new SystemError({
    code: 'ERR_NOT_SUPPORTED',
    syscall: 'BPF_PROG_TEST_RUN',
    errno: 0,
    doing: 'read TCP windows out of connection tracking',
    detail,
    hint: 'use --method challenge; Linux 6.0 with BTF has what is missing',
  });
}

const searchBytes: ByteSearch = (bytes, text, from) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(text, from, 'latin1');

function readTypes(bpf: Bpf): { types: Btf; isModule: boolean } {
  const read = (name: string, path: string, base?: Btf): Btf => {
    const types = readBtf(bpf.readTypes(name) ?? readFileSync(path), base, searchBytes);
    if (typeof types === 'string') throw unsupported(types);
    return types;
  };
  try {
    const base = read('vmlinux', VMLINUX_BTF);
    // Where connection tracking is a module, its types are in a file of their own.
    if (windowProgram(base, 4).ok) return { types: base, isModule: false };
    return { types: read('nf_conntrack', CONNTRACK_BTF, base), isModule: true };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw unsupported('this kernel publishes no BTF');
    throw error;
  }
}

export class WindowReader {
  private readonly bpf: Bpf;
  private readonly types: Btf;
  /** Descriptor of the types of nf_conntrack where that is a module. */
  private readonly moduleTypes: number | null;
  private readonly programs = new Map<4 | 6, number>();

  /** Reads the kernel's types and loads the program for one family, to know that it works. Throws SystemError. */
  constructor(libc?: Libc) {
    this.bpf = new Bpf(libc);
    const { types, isModule } = readTypes(this.bpf);
    this.types = types;
    this.moduleTypes = isModule ? this.bpf.openModuleTypes('nf_conntrack') : null;
    if (isModule && this.moduleTypes === null) throw unsupported('the types of nf_conntrack cannot be opened');
    this.program(4);
  }

  /** What the originator and the responder expect next, or null when the kernel does not know. */
  read({ ipVersion, original, entry }: Connection): readonly [number, number] | null {
    if (entry?.originalZone !== 0 || (entry.status & IPS_SEQ_ADJUST) !== 0) return null;
    const { source, destination, sourcePort, destinationPort } = original;
    const request = windowRequest(source, sourcePort, destination, destinationPort);
    const window = readWindow(this.bpf.testRun(this.program(ipVersion), request, { roomBytes: WINDOW_PACKET_BYTES }).packet);
    return typeof window === 'number' ? null : [window.replyEnd, window.originalEnd];
  }

  close(): void {
    for (const program of this.programs.values()) this.bpf.close(program);
    if (this.moduleTypes !== null) this.bpf.close(this.moduleTypes);
  }

  private program(family: 4 | 6): number {
    const loaded = this.programs.get(family);
    if (loaded !== undefined) return loaded;
    const made = windowProgram(this.types, family);
    if (!made.ok) throw unsupported(made.reason);
    const assembled = assemble(made.items);
    if (!assembled.ok) throw unsupported('the program does not assemble');
    const program = this.bpf.loadProgram({
      type: BPF_PROG_TYPE_SCHED_CLS,
      name: 'p2pwall_window',
      bytes: assembled.program.bytes,
      license: 'Dual MIT/GPL',
      // Index 0 of the array stands for vmlinux; calls into the module have index 1.
      ...(this.moduleTypes === null ? {} : { descriptors: [0, this.moduleTypes] }),
    });
    this.programs.set(family, program);
    return program;
  }
}

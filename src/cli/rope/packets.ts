/**
 * Packets for rope: raw files that hold one IP packet, captures, standard input.
 *
 * What a file is, its first bytes tell: magic numbers of captures and gzip win, then
 * anything whose first nibble is an IP version is one raw packet.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { locateIp } from '../../wire/link.js';
import { readCapture } from '../captures/capture-input.js';

export interface PacketSighting {
  /** Borrowed during the callback: `[start, end)` begins with the IP header. */
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** From 1 within the file. */
  readonly index: number;
  /** Seconds since 1970, null when the packet carries no time. */
  readonly timeSeconds: number | null;
}

/** Called for each packet; false stops the reading. */
export type OnPacket = (sighting: PacketSighting) => boolean;

/** A packet cannot be longer; a raw file that is, is something else. */
const MAX_RAW_BYTES = 65535;
/** The fixed headers: shorter files that begin with the nibble 4 or 6 are text, most likely. */
const MIN_IPV4_BYTES = 20;
const MIN_IPV6_BYTES = 40;
/** pcap in both byte orders and both resolutions, Kuznetzov's pcap, pcapng, gzip. */
const CAPTURE_MAGIC = /^(a1b2c3d4|d4c3b2a1|a1b23c4d|4d3cb2a1|a1b2cd34|34cdb2a1|0a0d0d0a|1f8b)/;

export interface PacketsResult {
  /** Frames that carry no IP: not shown to the script. */
  readonly skipped: number;
  /** Why reading stopped early, or null. */
  readonly error: string | null;
}

export async function forEachPacket(path: string, onPacket: OnPacket): Promise<PacketsResult> {
  const head = path === '-' ? await peekStandardInput() : headOf(path);
  if (typeof head === 'string') return { skipped: 0, error: head };
  if (!CAPTURE_MAGIC.test(head.toString('hex')) && isIp(head)) return readRaw(path, onPacket);
  let index = 0;
  let skipped = 0;
  const stop = new AbortController();
  const error = await readCapture(
    path,
    (reader) => {
      while (!stop.signal.aborted && reader.next() === 'packet') {
        const { bytes, start, end, timeMs } = reader;
        index++;
        const at = locateIp(reader.linkType, bytes, start, end);
        if (at < 0) skipped++;
        else if (!onPacket({ bytes, start: at, end, index, timeSeconds: Math.floor(timeMs / 1000) | 0 })) stop.abort();
      }
    },
    { signal: stop.signal },
  );
  if (error === null) return { skipped, error: null };
  const hint = error.hint === undefined ? '' : `; ${error.hint.replace('p2pwall identify', 'rope SCRIPT')}`;
  return { skipped, error: `${error.message}${hint}` };
}

function isIp(head: Uint8Array): boolean {
  const version = (head[0] ?? 0) >> 4;
  return version === 4 || version === 6;
}

function headOf(path: string): Buffer | string {
  const head = Buffer.alloc(4);
  try {
    const descriptor = openSync(path, 'r');
    try {
      return head.subarray(0, readSync(descriptor, head, 0, 4, null));
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    return (error as Error).message.replace(/, \w+( '.*')?$/, '');
  }
}

/** The first bytes of standard input, which are put back. */
async function peekStandardInput(): Promise<Buffer> {
  const { stdin } = process;
  for (;;) {
    const chunk = stdin.read() as Buffer | null;
    if (chunk !== null) {
      stdin.unshift(chunk);
      return Buffer.from(chunk.subarray(0, 4));
    }
    if (stdin.readableEnded) return Buffer.alloc(0);
    const isOpen = await new Promise<boolean>((resolve) => {
      stdin.once('readable', () => resolve(true));
      stdin.once('end', () => resolve(false));
    });
    if (!isOpen) return Buffer.alloc(0);
  }
}

async function readRaw(path: string, onPacket: OnPacket): Promise<PacketsResult> {
  let bytes: Uint8Array;
  try {
    bytes = path === '-' ? await readStandardInput() : readFileSync(path);
  } catch (error) {
    return { skipped: 0, error: (error as Error).message };
  }
  const least = (bytes[0] ?? 0) >> 4 === 4 ? MIN_IPV4_BYTES : MIN_IPV6_BYTES;
  if (bytes.length > MAX_RAW_BYTES || bytes.length < least) {
    return { skipped: 0, error: `neither a capture nor one IP packet: ${bytes.length} bytes` };
  }
  onPacket({ bytes, start: 0, end: bytes.length, index: 1, timeSeconds: null });
  return { skipped: 0, error: null };
}

async function readStandardInput(): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let lengthBytes = 0;
  for await (const chunk of process.stdin) {
    chunks.push(chunk as Buffer);
    lengthBytes += (chunk as Buffer).length;
    if (lengthBytes > MAX_RAW_BYTES) break;
  }
  return Buffer.concat(chunks);
}

/**
 * The store file of ftwall (option -f): one peer a line, appended at once when learnt, read again at start-up.
 *
 *   198.51.100.7:3128                                  confirmed peer: the only form of the original
 *   198.51.100.7:3128 client=10.1.0.2 seen=1700000000  revealed by one client; seconds since 1970
 *   [2001:db8::7]:3128 seen=1700000000
 *
 * Later lines win over earlier ones. Lines that are damaged are reported with their number and skipped; nothing here ever rewrites
 * a file. Pure: text in, entries out.
 */
import { addressText, parseAddress } from '../base/address.js';
import type { LineProblem } from './name-patterns.js';

export interface StoredPeer {
  /** Canonical text. */
  readonly address: string;
  readonly port: number;
  /** '' for everybody. */
  readonly client: string;
  /** Seconds since 1970, or null when the line does not say (files of the original). */
  readonly seenAtS: number | null;
}

const LINE = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{1,5})((?:\s+\S+)*)$/;
const MAX_LINE_LENGTH = 200;

function canonical(text: string): string | null {
  const bytes = parseAddress(text);
  return bytes && addressText(bytes, 0, bytes.length);
}

/** The entry of one line, or what is wrong with it. */
export function parseStoreLine(line: string): StoredPeer | string {
  if (line.length > MAX_LINE_LENGTH) return 'line too long';
  const parts = LINE.exec(line.trim());
  if (!parts) return 'not address:port';
  const address = canonical(parts[1] ?? parts[2] ?? '');
  const port = Number(parts[3]);
  if (address === null) return 'no IP address';
  if (port === 0 || port > 0xffff) return 'no port number';
  let client = '';
  let seenAtS: number | null = null;
  for (const detail of (parts[4] ?? '').split(/\s+/)) {
    if (detail.startsWith('client=')) {
      const text = canonical(detail.slice(7));
      if (text === null) return 'no client address';
      client = text;
    } else if (/^seen=[0-9]{1,12}$/.test(detail)) seenAtS = Number(detail.slice(5));
    else if (detail !== '') return `unknown detail ${detail.slice(0, 20)}`;
  }
  return { address, port, client, seenAtS };
}

/**
 * Goes through a file line by line: `peer` gets the good ones, `problem` the others. An unfinished last line (a crash while
 * writing) is bad as any other. Nothing is collected, so that large files cost little.
 */
export function readStoreFile(text: string, peer: (peer: StoredPeer) => void, problem: (problem: LineProblem) => void): void {
  let line = 0;
  for (let at = 0; at < text.length; ) {
    const lineFeed = text.indexOf('\n', at);
    const end = lineFeed < 0 ? text.length : lineFeed;
    const content = text.slice(at, end).trim();
    at = end + 1;
    line++;
    if (content === '' || content.startsWith('#')) continue;
    const parsed = parseStoreLine(content);
    if (typeof parsed === 'string') problem({ line, text: content.slice(0, 80), problem: parsed });
    else peer(parsed);
  }
}

/** The line to append, with its line feed. */
export function storeLine(peer: StoredPeer): string {
  const host = peer.address.includes(':') ? `[${peer.address}]` : peer.address;
  const client = peer.client === '' ? '' : ` client=${peer.client}`;
  const seen = peer.seenAtS === null ? '' : ` seen=${Math.floor(peer.seenAtS)}`;
  return `${host}:${peer.port}${client}${seen}\n`;
}

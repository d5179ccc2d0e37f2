/**
 * Members of the sets of the nftables table: timed blocks and contained peers. Changes gather while `nft` works on
 * the ones before (9 ms for a start), so packets and the daemon never wait for it.
 */
import { spawn } from 'node:child_process';
import { addressText } from '../base/address.js';
import type { SetMember } from '../netlink/ipset.js';
import { IPPROTO_TCP } from '../wire/constants.js';
import { NFT_TABLE } from './nftables.js';

/** Changes that wait; a flood beyond it is refused, and the gate itself still drops. */
const MAX_WAITING = 65_536;

function elementText({ address, port, protocol, second }: SetMember): string {
  const text = (bytes: Uint8Array): string => addressText(bytes, 0, bytes.length);
  if (port === undefined || second === undefined) return text(address);
  return `${text(address)} . ${protocol === IPPROTO_TCP ? 'tcp' : 'udp'} . ${port} . ${text(second)}`;
}

/** Lines that add a member for a time, or renew it: adding what is there would leave its time as it is. */
export function addText(member: SetMember, timeoutMs: number): string {
  const element = elementText(member);
  return `${changeText('add', member, element)}${changeText('delete', member, element)}${changeText('add', member, `${element} timeout ${Math.max(1, Math.ceil(timeoutMs / 1000))}s`)}`;
}

/** Lines that remove a member, also when it is not there. */
export function deleteText(member: SetMember): string {
  const element = elementText(member);
  return `${changeText('add', member, element)}${changeText('delete', member, element)}`;
}

function changeText(change: 'add' | 'delete', { set }: SetMember, element: string): string {
  return `${change} element ${NFT_TABLE} ${set.replace('p2pwall-', '')} { ${element} }\n`;
}

export class NftMembers {
  readonly #onRefused: (words: string) => void;
  #waiting: string[] = [];
  #isWorking = false;

  constructor(onRefused: (words: string) => void) {
    this.#onRefused = onRefused;
  }

  add(member: SetMember, timeoutMs: number): void {
    this.#push(addText(member, timeoutMs));
  }

  delete(member: SetMember): void {
    this.#push(deleteText(member));
  }

  #push(text: string): void {
    if (this.#waiting.length >= MAX_WAITING) this.#onRefused('too many changes at once');
    else this.#waiting.push(text);
    setImmediate(() => this.flush());
  }

  /** Begins to write what waits. */
  flush(): void {
    if (this.#isWorking || this.#waiting.length === 0) return;
    this.#isWorking = true;
    const text = this.#waiting.splice(0).join('');
    const nft = spawn('nft', ['-f', '-'], { stdio: ['pipe', 'ignore', 'pipe'] });
    let words = '';
    nft.stderr.on('data', (data: Buffer) => {
      words += data.toString();
    });
    nft.stdin.on('error', () => undefined);
    const ended = (trouble: string): void => {
      if (!this.#isWorking) return;
      this.#isWorking = false;
      if (trouble !== '') this.#onRefused(trouble);
      this.flush();
    };
    nft.once('error', (error) => ended(error.message));
    nft.once('close', (code) => ended(code === 0 ? '' : (words.split('\n')[0] ?? 'nft failed')));
    nft.stdin.end(text);
  }

  /** Forgets what waits: the table goes, and its sets with it. */
  close(): void {
    this.#waiting = [];
  }
}

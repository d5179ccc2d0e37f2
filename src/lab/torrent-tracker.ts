/**
 * A BitTorrent tracker over HTTP for addresses of IPv6, which Debian's opentracker does not serve: one
 * swarm for each info hash, peers as the compact list `peers6`. Runs as the module of a Worker inside a lab host.
 *
 * Specification: BEP 3 (announce), BEP 7 (peers6).
 */
import { createServer } from 'node:http';
import { parseAddress } from '../base/address.js';
import { encodeBencode } from './bencode.js';
import type { WorkerMain } from './namespace-worker.js';

export interface TrackerData {
  readonly host: string;
  readonly port: number;
}

const main: WorkerMain = (data, messages) => {
  const { host, port } = data as TrackerData;
  const swarms = new Map<string, Set<string>>();
  createServer((request, response) => {
    const query = /\?(.*)$/.exec(request.url ?? '')?.[1] ?? '';
    // The info hash is percent-encoded bytes, no UTF-8: it is only compared, without regard to how it was written.
    const field = (name: string): string => new RegExp(`(?:^|&)${name}=([^&]*)`).exec(query)?.[1] ?? '';
    const infoHash = field('info_hash').replace(/%[0-9a-f]{2}/gi, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)));
    const address = parseAddress(request.socket.remoteAddress ?? '');
    const own = Number(field('port'));
    const swarm = swarms.get(infoHash) ?? new Set<string>();
    swarms.set(infoHash, swarm);
    const self = address ? String.fromCharCode(...address, own >> 8, own & 255) : '';
    const others = [...swarm].filter((peer) => peer !== self).join('');
    if (address?.length === 16 && field('event') !== 'stopped') swarm.add(self);
    const answer = encodeBencode({ complete: 1, incomplete: 1, interval: 60, 'min interval': 20, peers: '', peers6: others });
    response.writeHead(200, { 'Content-Type': 'text/plain' }).end(Buffer.from(answer, 'latin1'));
  }).listen(port, host, () => messages.postMessage('ready'));
};
export default main;

/**
 * Runs inside a lab host: opens one TCP connection in each address family, asks the window program about it before and
 * after 1234 bytes one way and 99 the other, and reports the differences.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { parseAddress } from '../../../src/base/address.js';
import { readWindow, windowProgram, windowRequest, WINDOW_PACKET_BYTES } from '../../../src/cutter/window-program.js';
import { assemble } from '../../../src/ebpf/assemble.js';
import { readBtf } from '../../../src/ebpf/btf.js';
import { BPF_PROG_TYPE_SCHED_CLS } from '../../../src/ebpf/helpers.js';
import { Bpf } from '../../../src/kernel/bpf.js';
import type { WorkerMain } from '../../../src/lab/namespace-worker.js';

async function receive(socket: Socket, lengthBytes: number): Promise<void> {
  for (let left = lengthBytes; left > 0; ) left -= ((await once(socket, 'data')) as [Buffer])[0].length;
}

const main: WorkerMain = async (_data, port) => {
  const types = readBtf(new Uint8Array(readFileSync('/sys/kernel/btf/vmlinux')));
  if (typeof types === 'string') throw new Error(types);
  const bpf = new Bpf();
  const answers: unknown[] = [];
  for (const [family, text] of [[4, '127.0.0.1'], [6, '::1']] as const) {
    const made = windowProgram(types, family);
    if (!made.ok) throw new Error(made.reason);
    const result = assemble(made.items);
    if (!result.ok) throw new Error(JSON.stringify(result.problems));
    const program = bpf.loadProgram({
      type: BPF_PROG_TYPE_SCHED_CLS, name: 'window', bytes: result.program.bytes, license: 'Dual MIT/GPL',
    });
    const server = createServer().listen(0, text);
    await once(server, 'listening');
    const serverPort = (server.address() as AddressInfo).port;
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const client = connect(serverPort, text);
    await once(client, 'connect');
    const [peer] = await accepted;
    const address = parseAddress(text) ?? new Uint8Array();
    const ask = (from: number, to: number) =>
      readWindow(
        bpf.testRun(program, windowRequest(address, from, address, to), { roomBytes: WINDOW_PACKET_BYTES }).packet,
      );
    const clientPort = (client.address() as AddressInfo).port;
    const before = ask(clientPort, serverPort);
    client.write(Buffer.alloc(1234));
    peer.write(Buffer.alloc(99));
    await Promise.all([receive(peer, 1234), receive(client, 99)]);
    const after = ask(clientPort, serverPort);
    if (typeof before === 'number' || typeof after === 'number') throw new Error(`errno ${before} ${after}`);
    answers.push({
      family,
      state: after.state,
      sentByClient: (after.originalEnd - before.originalEnd) >>> 0,
      sentByServer: (after.replyEnd - before.replyEnd) >>> 0,
      sameFromReply: JSON.stringify(ask(serverPort, clientPort)) === JSON.stringify(after),
      absent: ask(1, 2),
    });
    client.destroy();
    peer.destroy();
    server.close();
    bpf.close(program);
  }
  port.postMessage(answers);
};
export default main;

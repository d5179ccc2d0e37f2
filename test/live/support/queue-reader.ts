/**
 * Reads queues inside a lab host. The first letter of each UDP payload says what to do:
 * `d` drop, `m` mark with 0x80000000, anything else accept. Reports each payload, and errors.
 */
import { latin1 } from '../../../src/base/bytes.js';
import { NF_DROP } from '../../../src/netlink/nfqueue.js';
import { PacketQueue } from '../../../src/kernel/nfqueue.js';
import { readQueueStatistics } from '../../../src/kernel/queue-statistics.js';
import { SystemError } from '../../../src/kernel/system-error.js';
import type { WorkerMain } from '../../../src/lab/namespace-worker.js';

const main: WorkerMain = (data, port) => {
  const { queues, isQuiet } = data as { queues: number[]; isQuiet?: boolean };
  try {
    const queue = new PacketQueue({ queues });
    queue.start((packets, count) => {
      for (const packet of packets.slice(0, count)) {
        // IPv4 header without options 20 bytes, IPv6 40, UDP 8.
        const at = packet.payloadAt + (packet.hwProtocol === 0x86dd ? 48 : 28);
        const text = latin1(packet.bytes, at, packet.payloadEnd);
        if (text.startsWith('d')) packet.verdict = NF_DROP;
        if (text.startsWith('m')) packet.verdictMark = 0x80000000;
        if (!isQuiet) port.postMessage(`${packet.queue} ${packet.hook} ${packet.lengthBytes} ${text}`);
      }
    });
    port.on('message', (request) => {
      if (request === 'statistics') port.postMessage(readQueueStatistics());
      if (request === 'counters') port.postMessage(queue.counters);
      if (request === 'close') {
        queue.close();
        port.close();
      }
    });
    port.postMessage('ready');
  } catch (error) {
    port.postMessage(error instanceof SystemError ? error.code : String(error));
  }
};
export default main;

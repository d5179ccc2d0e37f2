/** The SSH session in which this program was started, so that it is never cut. Linux only: reads /proc of this process and its ancestors. */
import { readFileSync } from 'node:fs';
import { parseAddress } from '../../base/address.js';
import { endsKey, unmapped } from '../../cutter/connection.js';
import { IPPROTO_TCP } from '../../wire/constants.js';

/** SSH_CONNECTION of this process or the nearest ancestor that has it (sudo removes it from its child). */
function sshConnection(): string | null {
  let pid = process.pid;
  for (let depth = 0; pid > 1 && depth < 16; depth++) {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, 'latin1');
      const found = /(?:^|\0)SSH_CONNECTION=([^\0]*)/.exec(environment)?.[1];
      if (found !== undefined) return found;
      // Fourth field of stat; the second one is in brackets and may hold anything.
      pid = Number(readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) \S+ /s, '').split(' ')[0]);
    } catch (error) {
      if (!['ENOENT', 'EACCES', 'EPERM', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      return null;
    }
  }
  return null;
}

/** `socketKey` of the session's socket on this machine; null outside SSH. */
export function ownSessionKey(): string | null {
  const connection = sshConnection();
  return connection === null ? null : sessionKey(connection);
}

/** The same for four words as in SSH_CONNECTION (ssh(1)): address and port of the client, address and port of the server. */
export function sessionKey(connection: string): string | null {
  const [client = '', clientPort, server = '', serverPort] = connection.split(' ');
  // Link-local addresses come with the interface (RFC 4007 section 11), which is not part of the socket's address.
  const clientAddress = parseAddress(client.replace(/%.*/, ''));
  const serverAddress = parseAddress(server.replace(/%.*/, ''));
  if (!clientAddress || !serverAddress) return null;
  const local = { address: unmapped(serverAddress), port: Number(serverPort) };
  return endsKey(IPPROTO_TCP, local, { address: unmapped(clientAddress), port: Number(clientPort) });
}

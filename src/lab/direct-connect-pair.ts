/**
 * Direct Connect across the gateway: uhub and eiskaltdcpp-daemon with a shared file outside, eiskaltdcpp-daemon
 * inside, which fetches the other's file list and then the file. ADC; client to client in clear or by TLS.
 *
 * The hub has an address of its own, so that a rule can let it pass and nothing else.
 */
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { type Exchange, FolderExchange } from './exchange.js';
import { CLIENT, type Gateway, PYTHON, SERVER, eventually, pause } from './gateway-lab.js';
import type { LabHost } from './namespaces.js';

export const HUB = '10.77.2.4';
const HUB_PORT = 1511;
const HUB_URL = `adc://${HUB}:${HUB_PORT}`;
const RPC_PORT = 3121;
/** A program that is held up asks again so often. */
const RETRY_MS = 10_000;

/** One call of JSON-RPC inside a host; its result. */
const CALL = `
import json,sys,urllib.request
body=json.dumps({"jsonrpc":"2.0","id":1,"method":sys.argv[2],"params":json.loads(sys.argv[3])}).encode()
print(urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:"+sys.argv[1]+"/",body),timeout=5).read().decode())`;
function call(host: LabHost, method: string, params: object = {}, port = RPC_PORT): string {
  return host.run(PYTHON, ['-c', CALL, String(port), method, JSON.stringify(params)]).stdout.trim();
}

/** 24 random bytes in base 32 (RFC 4648), as the program names itself: two with one name are not let in. */
function privateId(): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  return Array.from(randomBytes(39), (byte, i) => letters[i < 38 ? byte & 31 : byte & 28]).join('');
}

function startClient(gate: Gateway, host: LabHost, nick: 'seed' | 'leech' | 'finder', address: string, isTls: boolean, rpcPort = RPC_PORT): ChildProcess {
  const config = gate.path(`${nick}-config`);
  mkdirSync(config, { recursive: true });
  const settings: readonly (readonly [string, 'string' | 'int', string | number])[] = [
    ['Nick', 'string', nick],
    ['CID', 'string', privateId()],
    ['PrivateID', 'string', privateId()],
    ['DownloadDirectory', 'string', `${gate.path('leech')}/`],
    ['ExternalIp', 'string', address],
    ['BindAddress', 'string', address],
    ['InPort', 'int', rpcPort + 1],
    ['UDPPort', 'int', rpcPort + 1],
    ['TLSPort', 'int', rpcPort + 2],
    // 0: direct connection.
    ['IncomingConnections', 'int', 0],
    ['UseTLS', 'int', isTls ? 1 : 0],
    ['RequireTLS', 'int', isTls ? 1 : 0],
    ['UseDHT', 'int', 0],
    ['Slots', 'int', 5],
    ['HashingStartDelay', 'int', 0],
    ['AllowUntrustedClients', 'int', 1],
    ['AllowUntrustedHubs', 'int', 1],
  ];
  const lines = settings.map(([name, type, value]) => `<${name} type="${type}">${value}</${name}>`);
  writeFileSync(`${config}/DCPlusPlus.xml`, `<?xml version="1.0" encoding="utf-8" standalone="yes"?>\n<DCPlusPlus><Settings>${lines.join('\n')}</Settings></DCPlusPlus>\n`);
  return host.spawn('eiskaltdcpp-daemon', ['-v', '-c', config, '-l', config, '-P', String(rpcPort), '-S', `${config}/log`, '-u', `${config}/rpclog`], { stdio: 'ignore', env: { ...process.env, HOME: config } });
}

/** Asks the hub for the shared file from beside the seeder: its root hash, which the program inside is given as users are by a link. */
async function findHash(gate: Gateway, server: LabHost, isTls: boolean): Promise<string> {
  const port = RPC_PORT + 10;
  const finder = startClient(gate, server, 'finder', SERVER[4], isTls, port);
  await eventually('a second eiskaltdcpp-daemon answers', 60, () => (call(server, 'show.version', {}, port).includes('result') ? true : null));
  call(server, 'hub.add', { huburl: HUB_URL, enc: '' }, port);
  try {
    return await eventually('the shared file is found', 90, async () => {
      call(server, 'search.send', { searchstring: 'data', searchtype: 0, sizemode: 0, sizetype: 0, size: 0, huburls: '' }, port);
      await pause(3000);
      return /"TTH"\s*:\s*"([A-Z2-7]{39})"/.exec(call(server, 'search.getresults', { huburl: '' }, port))?.[1] ?? null;
    });
  } finally {
    finder.kill('SIGKILL');
  }
}

export async function startDirectConnect(gate: Gateway, lengthBytes: number, isTls: boolean): Promise<Exchange> {
  const files = new FolderExchange(gate, lengthBytes);
  const { server, client } = gate.net;
  server.ip(`addr add ${HUB}/24 dev eth0`);
  // uhub wants both files to exist.
  for (const name of ['plugins.conf', 'users.conf']) writeFileSync(gate.path(name), '');
  writeFileSync(gate.path('uhub.conf'), `server_bind_addr=${HUB}\nserver_port=${HUB_PORT}\nfile_acl=${gate.path('users.conf')}\nfile_plugins=${gate.path('plugins.conf')}\n`);
  server.spawn('uhub', ['-c', gate.path('uhub.conf')], { stdio: 'ignore' });
  startClient(gate, server, 'seed', SERVER[4], isTls);
  startClient(gate, client, 'leech', CLIENT[4], isTls);
  await eventually('eiskaltdcpp-daemon answers', 60, () => (call(server, 'show.version').includes('result') && call(client, 'show.version').includes('result') ? true : null));
  call(server, 'share.add', { directory: `${gate.path('seed')}/`, virtname: 'share' });
  call(server, 'hub.add', { huburl: HUB_URL, enc: '' });
  const hash = await findHash(gate, server, isTls);
  call(client, 'hub.add', { huburl: HUB_URL, enc: '' });
  call(client, 'magnet.add', { magnet: `magnet:?xt=urn:tree:tiger:${hash}&xl=${lengthBytes}&dn=data`, directory: `${gate.path('leech')}/` });
  const again = setInterval(() => {
    if (!existsSync(gate.folder)) return clearInterval(again);
    call(client, 'list.download', { huburl: HUB_URL, nick: 'seed' });
    call(client, 'queue.matchlists');
  }, RETRY_MS);
  again.unref();
  return files;
}

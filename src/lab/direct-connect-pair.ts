/**
 * Direct Connect across the gateway: uhub and eiskaltdcpp-daemon with a shared file outside, eiskaltdcpp-daemon
 * inside, which fetches the other's file list and then the file. ADC; client to client in clear or by TLS.
 *
 * The hub has an address of its own, so that a rule can let it pass and nothing else.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { type Exchange, FolderExchange } from './exchange.js';
import { CLIENT, type Gateway, PYTHON, SERVER, eventually } from './gateway-lab.js';
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
/** Root hash and size of the shared file out of the program's own file list. */
const ROOT_HASH = `
import bz2,re,sys
found=re.search(r'<File Name="data" Size="(\\d+)" TTH="([A-Z2-7]+)"',bz2.open(sys.argv[1],"rt").read())
print(found[2] if found else "")`;

function call(host: LabHost, method: string, params: object = {}): string {
  return host.run(PYTHON, ['-c', CALL, String(RPC_PORT), method, JSON.stringify(params)]).stdout.trim();
}

function startClient(gate: Gateway, host: LabHost, nick: 'seed' | 'leech', address: string, isTls: boolean): void {
  const config = gate.path(`${nick}-config`);
  mkdirSync(config, { recursive: true });
  const settings: readonly (readonly [string, 'string' | 'int', string | number])[] = [
    ['Nick', 'string', nick],
    ['DownloadDirectory', 'string', `${gate.path('leech')}/`],
    ['ExternalIp', 'string', address],
    ['BindAddress', 'string', address],
    ['InPort', 'int', 3412],
    ['UDPPort', 'int', 3412],
    ['TLSPort', 'int', 3413],
    // 0: direct connection.
    ['IncomingConnections', 'int', 0],
    ['UseTLS', 'int', isTls ? 1 : 0],
    ['RequireTLS', 'int', isTls ? 1 : 0],
    ['UseDHT', 'int', 0],
    ['Slots', 'int', 5],
    ['AutoUpdateList', 'int', 0],
    ['AllowUntrustedClients', 'int', 1],
    ['AllowUntrustedHubs', 'int', 1],
  ];
  const lines = settings.map(([name, type, value]) => `<${name} type="${type}">${value}</${name}>`);
  writeFileSync(`${config}/DCPlusPlus.xml`, `<?xml version="1.0" encoding="utf-8" standalone="yes"?>\n<DCPlusPlus><Settings>${lines.join('\n')}</Settings></DCPlusPlus>\n`);
  host.spawn('eiskaltdcpp-daemon', ['-v', '-c', config, '-l', config, '-P', String(RPC_PORT), '-S', `${config}/log`, '-u', `${config}/rpclog`], { stdio: 'ignore', env: { ...process.env, HOME: config } });
}

export async function startDirectConnect(gate: Gateway, lengthBytes: number, isTls: boolean): Promise<Exchange> {
  const files = new FolderExchange(gate, lengthBytes);
  const { server, client } = gate.net;
  server.ip(`addr add ${HUB}/24 dev eth0`);
  // uhub wants both files to exist.
  for (const name of ['plugins.conf', 'users.conf']) writeFileSync(gate.path(name), '');
  writeFileSync(gate.path('uhub.conf'), `server_bind_addr=${HUB}\nserver_port=${HUB_PORT}\nfile_acl=${gate.path('users.conf')}\nfile_plugins=${gate.path('plugins.conf')}\nflood_ctl_interval=0\n`);
  server.spawn('uhub', ['-c', gate.path('uhub.conf')], { stdio: 'ignore' });
  startClient(gate, server, 'seed', SERVER[4], isTls);
  startClient(gate, client, 'leech', CLIENT[4], isTls);
  await eventually('eiskaltdcpp-daemon answers', 30, () => (call(server, 'show.version').includes('result') && call(client, 'show.version').includes('result') ? true : null));
  call(server, 'share.add', { directory: `${gate.path('seed')}/`, virtname: 'share' });
  const list = gate.path('seed-config/files.xml.bz2');
  const hash = await eventually('the shared file is hashed', 60, () => {
    call(server, 'share.refresh');
    const found = existsSync(list) ? server.run(PYTHON, ['-c', ROOT_HASH, list]).stdout.trim() : '';
    return found === '' ? null : found;
  });
  call(server, 'hub.add', { huburl: HUB_URL, enc: '' });
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

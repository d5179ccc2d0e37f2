/**
 * Syncthing across the gateway: two devices that know each other's addresses share a folder; the one outside
 * has the file. By TCP (TLS) or by QUIC. Global discovery, relays and NAT traversal are off: there is no Internet.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { type Exchange, FolderExchange } from './exchange.js';
import { CLIENT, type Gateway, SERVER } from './gateway-lab.js';
import type { LabHost } from './namespaces.js';

const PORT = 22_000;

export async function startSyncthing(gate: Gateway, lengthBytes: number, transport: 'tcp' | 'quic'): Promise<Exchange> {
  const files = new FolderExchange(gate, lengthBytes);
  const ends = [
    { name: 'seed', host: gate.net.server, address: SERVER[4] },
    { name: 'leech', host: gate.net.client, address: CLIENT[4] },
  ].map((end) => ({ ...end, home: gate.path(`${end.name}-config`), id: deviceId(end.host, gate.path(`${end.name}-config`)) }));
  const devices = ends.map(({ name, id, address }) => `<device id="${id}" name="${name}"><address>${transport}://${address}:${PORT}</address></device>`);
  for (const { name, host, home, address } of ends) {
    const folder = `<folder id="data" label="data" path="${gate.path(name)}" type="${name === 'seed' ? 'sendonly' : 'receiveonly'}" rescanIntervalS="60" fsWatcherEnabled="false">${ends.map(({ id }) => `<device id="${id}"/>`).join('')}</folder>`;
    const off = ['globalAnnounceEnabled', 'localAnnounceEnabled', 'relaysEnabled', 'natEnabled', 'startBrowser', 'crashReportingEnabled'].map((option) => `<${option}>false</${option}>`);
    const options = [`<listenAddress>${transport}://${address}:${PORT}</listenAddress>`, ...off, '<reconnectionIntervalS>10</reconnectionIntervalS>', '<urAccepted>-1</urAccepted>', '<autoUpgradeIntervalH>0</autoUpgradeIntervalH>', '<stunKeepaliveStartS>0</stunKeepaliveStartS>'];
    writeFileSync(`${home}/config.xml`, `<configuration version="36">${folder}${devices.join('')}<gui enabled="false"/><options>${options.join('')}</options></configuration>\n`);
    mkdirSync(`${gate.path(name)}/.stfolder`);
    host.spawn('syncthing', ['serve', `--home=${home}`, '--no-browser', '--no-restart', '--skip-port-probing'], { stdio: 'ignore', env: { ...process.env, HOME: home, STNOUPGRADE: '1' } });
  }
  return files;
}

/** Makes the keys of a device and tells its name. */
function deviceId(host: LabHost, home: string): string {
  host.must('syncthing', ['generate', `--home=${home}`, '--no-default-folder', '--skip-port-probing']);
  return host.must('syncthing', [`--home=${home}`, '--device-id']).trim();
}

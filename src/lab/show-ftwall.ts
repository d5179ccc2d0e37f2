/**
 * A scene of the demo: a Kazaa client without and with ftwall, in network namespaces. Needs root; ends by itself after
 * about twenty seconds.
 */
import { CLIENT, FtwallLab, NODE_PORT, sleep, SUPERNODES, WEB } from './ftwall-lab.js';
import { labUnavailable } from './namespaces.js';

const LOCK_SECONDS = 4;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function without(lab: FtwallLab): Promise<void> {
  const startedMs = performance.now();
  const kazaa = await lab.startKazaa();
  await kazaa.until('downloaded');
  const joined = kazaa.reports.find((report) => report.kind === 'joined');
  const file = kazaa.reports.find((report) => report.kind === 'downloaded');
  say(
    `Without ftwall: the client pings ${SUPERNODES.length} nodes, joins by ${joined?.kind === 'joined' ? joined.to : 'nobody'} ` +
      `and downloads ${file?.kind === 'downloaded' ? file.bytes : 0} bytes, all within ${((performance.now() - startedMs) / 1000).toFixed(1)} s.`,
  );
  await kazaa.stop();
  lab.seen.length = 0;
}

async function within(lab: FtwallLab): Promise<void> {
  const web = await lab.startVisitor(lab.net);
  await web({ serve: WEB });
  const client = await lab.startVisitor(lab.client);
  const neighbour = await lab.startVisitor(lab.neighbour);
  const surfs = async (visits: typeof client): Promise<string> => ((await visits({ visit: WEB })) === true ? 'works' : 'is held back');
  const wall = await lab.startWall('-t', String(LOCK_SECONDS), '-L', 'pc');
  const kazaa = await lab.startKazaa();
  await sleep(3500);
  const pongs = kazaa.count('pong');
  const reached = lab.seen.filter((report) => report.kind !== 'ready').length;
  say(`With ftwall: ${pongs} pings answered in the peers' names, ${kazaa.count('connected')} connections, ${reached} packets of it reached a node.`);
  for (const line of wall.text.split('\n').filter((text) => /identified/.test(text)).slice(0, 3)) say(`  ${line}`);
  say(`Meanwhile the web ${await surfs(client)} for ${CLIENT} (time-lock) and ${await surfs(neighbour)} for its neighbour.`);
  await kazaa.stop();
  const stoppedMs = performance.now();
  while ((await surfs(client)) !== 'works' && performance.now() - stoppedMs < 20_000) await sleep(200);
  say(`The client stops; its web works again after ${((performance.now() - stoppedMs) / 1000).toFixed(1)} s (time-lock of ${LOCK_SECONDS} s, here).`);
  const closed = (await client({ visit: { host: SUPERNODES[0] ?? '', port: NODE_PORT } })) === true ? 'open' : 'closed';
  say(`The peers it revealed stay ${closed} to it.`);
  await wall.end();
}

const reason = labUnavailable();
if (reason) say(`ftwall: skipped, ${reason}`);
else {
  const lab = new FtwallLab();
  try {
    await lab.startSupernodes();
    await without(lab);
    await within(lab);
  } finally {
    lab.close();
  }
  process.exit(0);
}

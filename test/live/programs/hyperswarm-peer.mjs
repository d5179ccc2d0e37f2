/**
 * A Hyperswarm peer, or the nodes of a DHT for it. Argument: one JSON object.
 *
 *   { role: 'nodes', addresses, port }           the first one is the node to begin with, the others join it
 *   { role: 'seed' | 'leech', bootstrap, file }  sends the file to whoever joins its topic; or receives it
 *
 * Prints `ready` when it stands.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import DHT from 'hyperdht';
import Hyperswarm from 'hyperswarm';

const o = JSON.parse(process.argv[2]);
const topic = Buffer.alloc(32, 'p2pwall live test');

if (o.role === 'nodes') {
  const [first, ...others] = o.addresses;
  const start = DHT.bootstrapper(o.port, first);
  await start.ready();
  const bootstrap = [{ host: first, port: o.port }];
  await Promise.all(others.map((host) => new DHT({ bootstrap, host, port: o.port, ephemeral: false, firewalled: false, quickFirewall: false }).ready()));
} else {
  const swarm = new Hyperswarm({ dht: new DHT({ bootstrap: o.bootstrap }) });
  swarm.on('connection', (connection) => {
    // Connections that a wall ends are what the tests are about.
    connection.on('error', (error) => console.error(error.message));
    if (o.role === 'seed') createReadStream(o.file).pipe(connection);
    else connection.once('data', (first) => {
      const file = createWriteStream(o.file);
      file.write(first);
      connection.pipe(file);
    });
  });
  swarm.join(topic, { server: o.role === 'seed', client: o.role === 'leech' });
  if (o.role === 'seed') await swarm.flush();
  // Who is held up asks again, as programs of the swarm do when users press "retry".
  if (o.role === 'leech') setInterval(() => void swarm.flush().then(() => swarm.join(topic, { server: false, client: true }).refresh()), 10_000);
}
console.log('ready');
setTimeout(() => process.exit(0), o.seconds * 1000);

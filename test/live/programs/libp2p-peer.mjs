/**
 * A libp2p node with TCP, Noise and Yamux. Argument: one JSON object.
 *
 *   { role: 'seed', listen, file }   serves the file to whoever opens the protocol; prints its address
 *   { role: 'leech', dial, file }    dials that address until the file has come
 */
import { appendFileSync, readFileSync } from 'node:fs';

// Node 20 has no Promise.withResolvers, which this version of libp2p needs.
Promise.withResolvers ??= () => {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};
const { createLibp2p } = await import('libp2p');
const { tcp } = await import('@libp2p/tcp');
const { noise } = await import('@chainsafe/libp2p-noise');
const { yamux } = await import('@chainsafe/libp2p-yamux');
const { multiaddr } = await import('@multiformats/multiaddr');

const o = JSON.parse(process.argv[2]);
const PROTOCOL = '/p2pwall-live-test/1.0.0';
const node = await createLibp2p({
  addresses: { listen: o.role === 'seed' ? [o.listen] : [] },
  transports: [tcp()],
  // Its pings wait behind the file when a rule limits the rate, and it would give the connection up.
  connectionMonitor: { enabled: false },
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
});
if (o.role === 'seed') {
  const CHUNK = 16_384;
  await node.handle(PROTOCOL, async (stream) => {
    const bytes = readFileSync(o.file);
    for (let at = 0; at < bytes.length; at += CHUNK) if (!stream.send(bytes.subarray(at, at + CHUNK))) await stream.onDrain();
    await stream.close();
  });
  console.log(node.getMultiaddrs()[0].toString());
} else {
  console.log('ready');
  for (let isDone = false; !isDone; ) {
    try {
      const stream = await node.dialProtocol(multiaddr(o.dial), PROTOCOL, { signal: AbortSignal.timeout(8000) });
      await new Promise((resolve, reject) => {
        stream.addEventListener('message', ({ data }) => appendFileSync(o.file, data.subarray()));
        stream.addEventListener('close', ({ error }) => (error ? reject(error) : resolve()));
        stream.addEventListener('remoteCloseWrite', () => resolve());
      });
      isDone = true;
    } catch (error) {
      console.error(error.message);
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
}
setTimeout(() => process.exit(0), o.seconds * 1000);

/**
 * `[[rope]]` in the wall's configuration: a script names traffic of its own, with the confidence that the configuration
 * gives it and arguments from there; a reload takes over changed, added and removed scripts. Needs root. Safe: all traffic
 * and rules are in namespaces that the test made.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { Gateway, SERVER, eventually, gatewayUnavailable } from '../../src/lab/gateway-lab.js';
import type { Message } from './support/dialogue-peer.js';

const dialogue = new URL('./support/dialogue-peer.js', import.meta.url);
const text = new TextEncoder();

interface Found {
  readonly dest_port: number;
  readonly p2p: { readonly protocol: string; readonly confidence: string; readonly feature: string; readonly why: string };
  readonly verdict: { readonly action: string; readonly rule: string | null };
}

const message = (protocol: 'tcp' | 'udp', port: number, payload: string): Message => ({ protocol, host: SERVER[4], port, payload: text.encode(payload), fromServer: false });

const RULE = '[[rule]]\nname = "no chatter"\nprotocol = ["chatter"]\nconfidence = "certain"\naction = "drop"\n';

test('scripts of the configuration are detectors: confidence, arguments, verdicts, and a reload that changes them', { skip: gatewayUnavailable() ?? false }, async (t) => {
  const gate = new Gateway('p2pw-rope', {});
  t.after(() => gate.close());
  const script = (name: string, source: string): void => writeFileSync(gate.path(name), source);
  script('chatter.rope', '$word put $port put $tcp_dest $port eq $udp_dest $port eq or assert $word expect_str yes\n');
  script('whisper.rope', '"psst" expect_str yes\n');
  const entry = (name: string, protocol: string, confidence: string, push = ''): string => `[[rope]]\nscript = "${name}.rope"\nprotocol = "${protocol}"\nconfidence = "${confidence}"\n${push}`;
  const chatter = entry('chatter', 'chatter', 'certain', 'push = [4000, "CHAT "]\n');

  let round = 0;
  /** Says it over real sockets; what the wall found, by port. */
  const say = async (...messages: Message[]): Promise<Map<number, Found>> => {
    const before = gate.events('p2p').length;
    // What every wall knows comes last: when that is found, all has been seen.
    const last = message('tcp', 5000 + round++, 'GNUTELLA CONNECT/0.6\r\n');
    await once(gate.net.server.startWorker(dialogue, { serve: [...messages, last] }), 'message');
    await once(gate.net.client.startWorker(dialogue, { say: [...messages, last] }), 'message');
    const events = await eventually('the last message is found', 10, () => {
      const found = gate.events('p2p').slice(before) as unknown as Found[];
      return found.some(({ dest_port }) => dest_port === last.port) ? found : null;
    });
    return new Map(events.filter(({ dest_port }) => dest_port !== last.port).map((event) => [event.dest_port, event]));
  };

  await gate.up(`${RULE}${chatter}${entry('whisper', 'whisper', 'likely')}`);
  const first = await say(message('tcp', 4000, 'CHAT hello'), message('udp', 4000, 'CHAT hello'), message('tcp', 4001, 'CHAT hello'), message('tcp', 4002, 'psst, you'));
  assert.deepEqual([...first.keys()].sort(), [4000, 4002]);
  const { p2p, verdict } = first.get(4000) ?? assert.fail();
  assert.deepEqual([p2p.protocol, p2p.confidence, p2p.why, verdict.action, verdict.rule], ['chatter', 'certain', 'rope script chatter', 'drop', 'no chatter']);
  assert.deepEqual([first.get(4002)?.p2p.protocol, first.get(4002)?.p2p.confidence], ['whisper', 'likely']);

  // Another argument, one script gone, one changed, one new.
  script('news.rope', '"NEWS" expect_str yes\n');
  gate.configure(`${RULE}${chatter.replace('4000', '4013')}${entry('news', 'news', 'suspected')}`);
  assert.equal(gate.command('reload', '--config', gate.path('p2pwall.toml')).status, 0);
  const second = await say(message('tcp', 4010, 'CHAT hello'), message('tcp', 4013, 'CHAT hello'), message('tcp', 4011, 'psst, you'), message('tcp', 4012, 'NEWS at ten'));
  assert.deepEqual([...second].map(([port, found]) => `${port} ${found.p2p.protocol} ${found.p2p.confidence} ${found.verdict.action}`).sort(), ['4012 news suspected log', '4013 chatter certain drop']);

  // The file of a script changes, the configuration does not.
  script('news.rope', '"OLDS" expect_str yes\n');
  gate.command('reload', '--config', gate.path('p2pwall.toml'));
  const third = await say(message('tcp', 4020, 'NEWS at ten'), message('tcp', 4021, 'OLDS at ten'));
  assert.deepEqual([...third.keys()], [4021]);

  // A script with a mistake: the scripts in force stay.
  script('news.rope', '20 add\n');
  const refused = gate.command('reload', '--config', gate.path('p2pwall.toml'));
  assert.notEqual(refused.status, 0);
  assert.match(refused.stderr, /news\.rope:1:4: 'add' needs 2 values/);
  assert.deepEqual([...(await say(message('tcp', 4030, 'OLDS at ten'))).keys()], [4030]);
  assert.equal(await gate.end(), 0);
});

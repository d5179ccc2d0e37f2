import { test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ControlClient, ControlError } from './client.js';
import { MAX_REQUEST_BYTES } from './protocol.js';
import { ControlServer, parseRequest } from './server.js';

test('requests: known commands with sane values, everything else is told what is wrong', () => {
  assert.deepEqual(parseRequest('{"command":"status"}'), { command: 'status' });
  for (const [line, problem] of [
    ['', 'no JSON'],
    ['[]', 'unknown command'],
    ['null', 'no JSON'],
    ['{"command":"explode"}', 'unknown command'],
    ['{"command":"flows","limit":-1}', 'limit'],
    ['{"command":"flows","limit":"9"}', 'limit'],
    ['{"command":"block","address":7}', 'address'],
    ['{"command":"block","address":"10.0.0.1","seconds":1e99}', 'seconds'],
  ] as const) {
    const answer = parseRequest(line);
    assert.ok(typeof answer === 'string' && answer.includes(problem), `${line}: ${JSON.stringify(answer)}`);
  }
});

test('over a socket: private, answered in order, failures as answers, endless requests cut off', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'p2pwall-control-'));
  const path = join(folder, 'run', 'control.sock');
  const server = new ControlServer(path, (request) => {
    if (request.command === 'reload') throw new Error('boom');
    return { ok: true, data: request.limit ?? request.command };
  });
  try {
    await assert.rejects(ControlClient.open(path), (error) => error instanceof ControlError && error.code === 'ENOENT');
    await server.open(null);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const client = await ControlClient.open(path);
    const answers = await Promise.all([1, 2, 3].map((limit) => client.ask({ command: 'flows', limit })));
    assert.deepEqual(answers, [1, 2, 3].map((data) => ({ ok: true, data })));
    assert.deepEqual(await client.ask({ command: 'reload' }), { ok: false, error: 'boom', hint: '' });
    const endless = connect(path);
    endless.on('error', () => undefined);
    const cutOff = new Promise((resolve) => endless.once('close', resolve));
    endless.write('x'.repeat(MAX_REQUEST_BYTES + 1));
    await cutOff;
    assert.deepEqual(await client.ask({ command: 'status' }), { ok: true, data: 'status' }, 'others are still served');
    server.close();
    await assert.rejects(client.ask({ command: 'status' }), ControlError);
    client.close();
    assert.throws(() => statSync(join(folder, 'run')), 'socket and folder are gone');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** The JavaScript back end allocates nothing for a packet: no closure, no string, no boxed number. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Subject } from './allocation-child.js';

const root = join(import.meta.dirname, '../../..');
const ARGS: Readonly<Record<string, readonly (string | number)[]>> = { contlen: [1_000_000], subnet: ['\xc0\x00\x02\x00', '\xff\xff\xff\x00'] };

/** A closure or an object for each packet would be 12 bytes at the least; compiled code and counters are noise far below. */
const MAX_BYTES = 2;

function measured(subjects: readonly Subject[]): { readonly name: string; readonly bytes: number }[] {
  const flags = ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=128'];
  const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, join(import.meta.dirname, 'allocation-child.js'), JSON.stringify(subjects)], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as { name: string; bytes: number }[];
}

const subject = (source: string): Subject => ({ name: source, source, args: [] });

test('the measurement sees one small object for each packet', () => {
  const [control] = measured([{ ...subject('$tcp_dest 80 eq assert yes'), isControl: true }]);
  assert.ok(control !== undefined && control.bytes > 10, JSON.stringify(control));
});

test('the supplied scripts allocate nothing for a packet', (t) => {
  const scripts = readdirSync(join(root, 'rope')).filter((file) => file.endsWith('.rope'));
  const found = measured(scripts.map((file) => ({ name: file, source: readFileSync(join(root, 'rope', file), 'utf8'), args: ARGS[file.slice(0, -5)] ?? [] })));
  t.diagnostic(found.map(({ name, bytes }) => `${name} ${bytes.toFixed(2)}`).join(', '));
  assert.deepEqual(found.filter(({ bytes }) => bytes > MAX_BYTES), []);
});

test('words of every group allocate nothing for a packet', () => {
  const found = measured(
    [
      '$data_len 3 mult 7 add 2 div 5 mod 1 lshift 3 rshift neg abs 100 lt assert',
      '$tcp_seq $ip_id xor 255 and greg(3) put greg(3) inc',
      '$ip_saddr 192.0.2.1 eq $data "hello" lt or $data "HELLO" eqi or assert',
      '$data 2 5 substr strlen $data 3 left "hel" eq add $data 3 right isalpha add assert',
      '{ "hello " expect_str 3 expect atoi 123 eq assert } eval YES ne assert',
      '"Host: " expecti_to { isuri } expect_while strlen 3 gt assert',
      'expect_one( { "GET " expect_str } { "HTTP/1." expect_str } ) { "\\r" ne } lift_while drop yes',
      '2 lift be16_to_uint 100 gt assert 1 expect ord 32 ge assert',
      '$ip_saddr 255.255.0.0 and 192.0.0.0 eq assert $data tolower 5 left "hello" eq assert',
      '$ip_daddr ipv4_ntoa "192.0.2.2" eq assert 65 chr "A" eq assert',
      '$data "x" strcat strlen $n put { $n 0 gt } { $n dec } while yes',
      '$kernel_time gmtime tm_hour 24 lt assert',
      '{ 1 0 div } eval FAIL eq assert no',
    ].map(subject),
  );
  assert.deepEqual(found.filter(({ bytes }) => bytes > MAX_BYTES), []);
});

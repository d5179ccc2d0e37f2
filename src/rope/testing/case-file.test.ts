import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../base/bytes.js';
import { INTERPRETER } from '../backends/back-end.js';
import { parseCaseFile } from './case-file.js';
import { PacketTextError, parsePacketText } from './packet-text.js';
import { runCase } from './run-case.js';

const FENCE = '```';

function file(...blocks: readonly (readonly [info: string, text: string])[]): string {
  return `# Title\n\n## The case\n\n${blocks.map(([info, text]) => `${FENCE}${info}\n${text}\n${FENCE}\n`).join('\nprose\n')}`;
}

test('a case has a name, a program, packets and expectations', () => {
  const { cases, faults } = parseCaseFile(
    file(['packet web', 'tcp 192.0.2.1:1 > 192.0.2.2:80'], ['rope', 'yes'], ['packet', 'udp 192.0.2.1:1 > 192.0.2.2:53'], ['expect', 'packets: web\nverdict: yes no\nargs: 20 "x" 1.2.3.4\nglobal 3: -5\nlimits: original loops=7\nstatic: no\nkernel: no'], ['rope', 'no']),
  );
  assert.deepEqual(faults, []);
  assert.deepEqual(cases.map(({ name }) => name), ['The case', 'The case (2)']);
  const [first] = cases;
  assert.ok(first);
  assert.equal(first.source, 'yes');
  assert.equal(first.packets.length, 2);
  assert.deepEqual(first.expect.verdicts, ['yes', 'no']);
  assert.equal(first.expect.args.length, 3);
  assert.equal(first.expect.globals.get(3), -5);
  assert.equal(first.expect.limits.stackItems, 20);
  assert.equal(first.expect.limits.maxWhileLoops, 7);
  assert.equal(first.expect.isStatic, false);
  assert.equal(first.expect.kernel, false);
});

test('what cannot be read is a fault with its line', () => {
  const table: [string, RegExp, number][] = [
    [file(['rope', 'yes'], ['expect', 'verdict: maybe']), /unknown verdict/, 11],
    [file(['rope', 'yes'], ['expect', 'verdicts: yes']), /cannot read/, 11],
    [file(['rope', 'yes'], ['expect', 'packets: nowhere']), /no packet is named/, 11],
    [file(['rope', 'yes'], ['expect', 'limits: stack=many']), /unknown limit/, 11],
    [file(['rope', 'yes'], ['packet', 'tcp 192.0.2.1:1 > 192.0.2.2:80\n4 5']), /cannot read 4/, 12],
    [file(['packet', 'raw\n00']), /before the first program/, 5],
    [file(['expect', 'verdict: yes']), /without a program/, 5],
    [file(['rope', 'yes'], ['expect', 'verdict: yes no']), /1 packets but 2 verdicts/, 5],
  ];
  for (const [text, message, line] of table) {
    const { faults } = parseCaseFile(text);
    assert.equal(faults.length, 1, JSON.stringify(faults));
    assert.match(faults[0]?.message ?? '', message);
    assert.equal(faults[0]?.line, line, String(message));
  }
});

test('differences are told in sentences', () => {
  const failuresOf = (source: string, expect: string): readonly string[] => {
    const [testCase] = parseCaseFile(file(['rope', source], ['expect', expect])).cases;
    assert.ok(testCase);
    return runCase(testCase, testCase.source, INTERPRETER, true).failures;
  };
  assert.deepEqual(failuresOf('yes', 'verdict: yes'), []);
  assert.match(failuresOf('yes', 'verdict: no').join(), /verdict yes, expected no/);
  assert.match(failuresOf('$tcp_seq 1 swap div', 'verdict: fail\nerror: EBadLength').join(), /error EDivideByZero, expected EBadLength/);
  assert.match(failuresOf('"a" print', 'verdict: okay\noutput: "b"').join(), /output "a", expected "b"/);
  assert.match(failuresOf('5 greg inc', 'verdict: okay\nglobal 5: 2').join(), /global 5 is 1, expected 2/);
  assert.match(failuresOf('20 add', 'verdict: okay').join(), /refused/);
  assert.match(failuresOf('20 add', 'diagnostic: error underflow 1:1').join(), /1:4.*expected.*1:1/);
  assert.match(failuresOf('$tcp_dest { 1 } { } ifelse', 'verdict: okay').join(), /does not compile/);
  assert.match(failuresOf('hotdrop( "x" )', 'verdict: hotdrop\nmessage: "y"').join(), /message "x", expected "y"/);
});

test('packets are written as text', () => {
  assert.equal(toHex(parsePacketText('raw\n00 11 "ab" zeros 2 repeat 2 ff repeat 2 "z" # comment "x"').bytes), '001161620000ffff7a7a');
  assert.equal(toHex(parsePacketText('# first\n\nudp 192.0.2.1:1 > 192.0.2.2:2 ttl=9 pad=1\n"#\\""').bytes).slice(56), '232200');
  assert.equal(parsePacketText('tcp [2001:db8::1]:1 > [2001:db8::2]:2 cut=50').bytes.length, 50);
  for (const text of ['', 'sctp 1 > 2', 'tcp 192.0.2.1:1 192.0.2.2:2', 'tcp 192.0.2.1 > [::1]:2', 'tcp x > y', 'raw\nzeros many', 'raw\nabc', 'raw\n"open', 'tcp 192.0.2.1:1 > 192.0.2.2:2 colour=red', 'tcp 192.0.2.1:1 > 192.0.2.2:2 ttl=high', 'raw\nzeros 99999999']) {
    assert.throws(() => parsePacketText(text), PacketTextError, text);
  }
});

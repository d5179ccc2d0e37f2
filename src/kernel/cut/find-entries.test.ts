import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { addressText } from '../../base/address.js';
import { parsePositional } from '../../cutter/arguments.js';
import { NO_TIMEOUTS, connectionOfEntry } from '../../cutter/connection.js';
import { RECORDED_NAMES, recordedEntry } from '../../cutter/recorded-entries.js';
import { ALL_CONNECTIONS, type Selection, isSelected } from '../../cutter/selection.js';
import type { ConntrackEntry, Tuple } from '../../netlink/conntrack.js';
import type { DumpFilter, EntryKey } from '../../netlink/conntrack-request.js';
import type { Conntrack } from '../conntrack.js';
import { findEntries } from './find-entries.js';

const RECORDED = RECORDED_NAMES.map(recordedEntry);
const ZONED: ConntrackEntry = { ...recordedEntry('masqueraded'), originalZone: 7, replyZone: 7, id: 77 };
const ENTRIES = [...RECORDED, ZONED];
const FEW = ENTRIES.length;
const MORE = 10_000;
const MANY = 100_000;

const words = ({ source, destination, sourcePort, destinationPort }: Tuple): string =>
  `src=${addressText(source, 0, source.length)} dst=${addressText(destination, 0, destination.length)} sport=${sourcePort} dport=${destinationPort}`;

/** As /proc/net/nf_conntrack shows it. */
const line = ({ ipVersion, protocol, original, reply, originalZone, mark }: ConntrackEntry): string =>
  `ipv${ipVersion}     2 x      ${protocol} 99 ${words(original)} ${words(reply)} [ASSURED] mark=${mark} zone=${originalZone} use=2\n`;

const nameOf = ({ original, originalZone }: EntryKey): string => `${words(original)} ${originalZone}`;

/** A kernel that has `entries`, filters as Linux 5.8 does, and counts what it is asked. */
function kernel(entries: readonly ConntrackEntry[]): Conntrack & { readonly asked: { dumps: number; lookups: number } } {
  const asked = { dumps: 0, lookups: 0 };
  const passes = (entry: ConntrackEntry, ipVersion: 0 | 4 | 6, { mark, address }: DumpFilter): boolean => {
    if (ipVersion !== 0 && entry.ipVersion !== ipVersion) return false;
    if (mark && (entry.mark & mark.mask) >>> 0 !== mark.value) return false;
    return !address || address.value.join() === entry[address.tuple][address.side].join();
  };
  const unused = (): never => assert.fail('not to be called');
  return {
    asked,
    dump: (ipVersion, filter, visit) => {
      asked.dumps++;
      for (const entry of entries) if (passes(entry, ipVersion, filter)) visit(entry);
    },
    findAll: (keys, visit) => {
      asked.lookups += keys.length;
      const wanted = new Set(keys.map(nameOf));
      for (const entry of entries) if (wanted.has(nameOf(entry))) visit(entry);
    },
    find: unused,
    delete: unused,
    setMark: unused,
    close: unused,
  };
}

function selectionOf(text: string, more: Partial<Selection> = {}): Selection {
  const parsed = parsePositional(text.split(' '), { host: () => [], service: () => undefined });
  if (parsed.problem) assert.fail(`${text}: ${parsed.problem.message}`);
  return { ...ALL_CONNECTIONS, ends: parsed.value, ...more };
}

function matches(selection: Selection, tracked: number, text: string | null): string[] {
  const found = findEntries(kernel(ENTRIES), selection, tracked, () => text);
  return [...found].filter((entry) => isSelected(selection, connectionOfEntry(entry, 0, NO_TIMEOUTS))).map(nameOf).sort();
}

const TEXT = ENTRIES.map(line).join('');

test('the ways differ in cost', () => {
  for (const [name, tracked, text, expected] of [
    ['few entries: only those that fit are asked for', FEW, TEXT, { dumps: 0, lookups: 3 }],
    ['few, but this kernel has no text', FEW, null, { dumps: 1, lookups: 0 }],
    ['more: one dump', MORE, TEXT, { dumps: 1, lookups: 0 }],
    ['many: the kernel searches for the address', MANY, TEXT, { dumps: 4, lookups: 0 }],
  ] as const) {
    const table = kernel(ENTRIES);
    findEntries(table, selectionOf('10.77.2.1'), tracked, () => text);
    assert.deepEqual(table.asked, expected, name);
  }
});

test('an entry that went away between its line and the question is not there', () => {
  const found = findEntries(kernel(RECORDED.slice(1)), ALL_CONNECTIONS, FEW, () => TEXT);
  assert.equal([...found].includes(RECORDED[0] as ConntrackEntry), false);
});

test('every way finds the same connections, whatever is selected', () => {
  const address = fc.constantFrom('0', '10.77.1.2', '10.77.2.2', '10.77.2.1', '10.77.2.9', '10.77.1.1', '10.77.2.0/24', 'fd77:1::2', 'fd77::/16', '192.0.2.1');
  const port = fc.constantFrom('0', '22', '443', '80', '40000-41000', '7000,8080');
  const mark = fc.constantFrom(null, { value: 0, mask: 0xffffffff }, { value: 0x10, mask: 0x10 });
  const protocols = fc.constantFrom([6], [17], [6, 17]);
  const orAny = (word: fc.Arbitrary<string>): fc.Arbitrary<string> => fc.oneof({ weight: 3, arbitrary: fc.constant('0') }, word);
  let some = 0;
  fc.assert(
    fc.property(address, orAny(port), orAny(address), orAny(port), mark, protocols, (one, onePort, other, otherPort, marked, proto) => {
      const selection = selectionOf(`${one} ${onePort} ${other} ${otherPort}`, { mark: marked, protocols: proto });
      const expected = ENTRIES.filter((entry) => isSelected(selection, connectionOfEntry(entry, 0, NO_TIMEOUTS))).map(nameOf).sort();
      if (expected.length > 0) some++;
      for (const [tracked, text] of [[FEW, TEXT], [FEW, null], [MORE, TEXT], [MANY, TEXT]] as const) assert.deepEqual(matches(selection, tracked, text), expected);
    }),
    { numRuns: 300 },
  );
  assert.ok(some > 20, `${some} selections found something`);
});


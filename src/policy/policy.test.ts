import { test } from 'node:test';
import assert from 'node:assert/strict';
import { parseAddress, parseNetwork } from '../base/address.js';
import { type Policy, type Rule, type Subject, decide } from './policy.js';
import { parseRate } from './rate.js';
import { isScheduled, isTimeZone, parseSchedule } from './schedule.js';

function network(text: string) {
  const parsed = parseNetwork(text);
  assert.ok(parsed, text);
  return parsed;
}

function rule(name: string, part: Partial<Rule>): Rule {
  return {
    name,
    protocols: null,
    confidence: 'likely',
    clients: [],
    exceptClients: [],
    macs: [],
    outside: [],
    exceptOutside: [],
    schedule: null,
    action: { kind: 'drop' },
    ...part,
  };
}

function subject(part: Partial<Omit<Subject, 'client' | 'outside'>> & { client?: string; outside?: string } = {}): Subject {
  return {
    protocol: 'sharing-thing',
    category: 'file-sharing',
    confidence: 'certain',
    mac: null,
    timeMs: 0,
    ...part,
    client: parseAddress(part.client ?? '10.1.2.3') ?? new Uint8Array(4),
    outside: parseAddress(part.outside ?? '198.51.100.7') ?? new Uint8Array(4),
  };
}

function policy(...rules: Rule[]): Policy {
  return { rules, defaultAction: { kind: 'log' }, trouble: 'accept' };
}

test('the first rule that is about the flow decides, else the default', () => {
  const school = policy(
    rule('teachers', { clients: [network('10.1.9.0/24')], action: { kind: 'allow' } }),
    rule('mirror', { outside: [network('198.51.100.128/25')], action: { kind: 'allow' } }),
    rule('one laptop', { macs: ['02:00:00:00:00:07'], action: { kind: 'reject' } }),
    rule('sharing', { protocols: new Set(['file-sharing']), exceptClients: [network('10.1.7.0/24')] }),
    rule('sync, when sure', { protocols: new Set(['sync-thing']), confidence: 'certain' }),
  );
  const table: [string, Subject, string | null][] = [
    ['a pupil shares files', subject(), 'sharing'],
    ['a teacher shares files', subject({ client: '10.1.9.4' }), 'teachers'],
    ['an excepted client', subject({ client: '10.1.7.4' }), null],
    ['to the mirror', subject({ outside: '198.51.100.200' }), 'mirror'],
    ['the laptop', subject({ mac: '02:00:00:00:00:07' }), 'one laptop'],
    ['another laptop', subject({ mac: '02:00:00:00:00:08' }), 'sharing'],
    ['suspected only', subject({ confidence: 'suspected' }), null],
    ['likely is enough by default', subject({ confidence: 'likely' }), 'sharing'],
    ['another category', subject({ protocol: 'coin', category: 'cryptocurrency' }), null],
    ['likely is not sure', subject({ protocol: 'sync-thing', category: 'sync', confidence: 'likely' }), null],
    ['sure', subject({ protocol: 'sync-thing', category: 'sync' }), 'sync, when sure'],
    ['IPv6 does not match IPv4 networks', subject({ client: '2001:db8::5', protocol: 'x', category: 'sync' }), null],
  ];
  for (const [name, flow, expected] of table) assert.equal(decide(school, flow).rule, expected, name);
});

const at = (text: string): number => Date.parse(text);

test('schedules cover days, hours, hours past midnight and zones', () => {
  const table: [string, string, string, boolean][] = [
    ['mon-fri 08:00-16:00', 'UTC', '2026-11-23T08:00:00Z', true],
    ['mon-fri 08:00-16:00', 'UTC', '2026-11-23T07:59:59Z', false],
    ['mon-fri 08:00-16:00', 'UTC', '2026-11-23T16:00:00Z', false],
    ['mon-fri 08:00-16:00', 'UTC', '2026-11-22T12:00:00Z', false],
    ['mon-fri 08:00-16:00', 'Europe/Berlin', '2026-11-23T07:30:00Z', true],
    ['sat,sun', 'UTC', '2026-11-22T23:59:00Z', true],
    ['fri-mon', 'UTC', '2026-11-22T12:00:00Z', true],
    ['fri 22:00-06:00', 'UTC', '2026-11-28T05:59:00Z', true],
    ['fri 22:00-06:00', 'UTC', '2026-11-28T22:30:00Z', false],
    ['22:00-06:00', 'UTC', '2026-11-25T23:00:00Z', true],
    ['mon 08:00-09:00, tue,wed 10:00-24:00', 'UTC', '2026-11-25T23:59:00Z', true],
    ['mon 08:00-09:00, tue,wed 10:00-24:00', 'UTC', '2026-11-24T09:00:00Z', false],
  ];
  for (const [text, zone, moment, expected] of table) {
    const result = parseSchedule(text, zone);
    assert.ok('schedule' in result, JSON.stringify(result));
    assert.equal(isScheduled(result.schedule, at(moment)), expected, `${text} ${zone} ${moment}`);
  }
  for (const text of ['', 'monday', 'mon 8-16', 'mon 08:00-25:00', 'mon 08:61-09:00', 'mon-tue-wed', 'mon,']) {
    assert.ok('problem' in parseSchedule(text, null), text);
  }
  assert.ok(isTimeZone('Europe/Berlin') && !isTimeZone('Mars/Olympus'));
});

test('a rule outside its hours does not decide', () => {
  const schedule = parseSchedule('mon-fri 08:00-16:00', 'UTC');
  assert.ok('schedule' in schedule);
  const school = policy(rule('lessons', { schedule: schedule.schedule }));
  assert.equal(decide(school, subject({ timeMs: at('2026-11-23T10:00:00Z') })).rule, 'lessons');
  assert.equal(decide(school, subject({ timeMs: at('2026-11-23T18:00:00Z') })).rule, null);
});

test('rates are written as tc writes them', () => {
  for (const [text, expected] of [
    ['2mbit', 2_000_000],
    ['500kbit', 500_000],
    ['1.5Mbit', 1_500_000],
    ['250kbps', 2_000_000],
    ['1gbit', 1_000_000_000],
  ] as const) {
    assert.deepEqual(parseRate(text), { bitsPerSecond: expected });
  }
  for (const text of ['', '2', 'fast', '2 mb', '-1mbit', '100bit']) assert.ok('problem' in parseRate(text), text);
});

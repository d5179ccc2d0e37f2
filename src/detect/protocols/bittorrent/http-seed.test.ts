import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii } from '../../../base/bytes.js';
import { only, type Sample, sampleProblems } from '../../sample-table.js';
import { httpSeed } from './http-seed.js';

const ID = '0123456789abcdef0123456789ABCDEF01234567';
const request = (target: string, ...fields: string[]): Uint8Array => ascii(`GET ${target} HTTP/1.1\r\nHost: example.org\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`);

const samples: readonly Sample[] = [
  { name: 'BitComet', turns: only(request(`/data?fid=${ID}&size=12345`)), expected: 'certain' },
  { name: 'web seed of Transmission', turns: only(request('/linux.iso', 'User-Agent: Transmission/2.94', 'Range: bytes=0-16383')), expected: 'likely' },
  { name: 'web seed of Azureus', turns: only(request('/linux.iso', 'Range: bytes=0-16383', 'User-Agent: Azureus 4.0.0.4;Linux')), expected: 'likely' },
  { name: 'update of a program', turns: only(request('/version', 'User-Agent: Transmission/2.94')), expected: 'no' },
  { name: 'part of a file for a browser', turns: only(request('/bittorrent/a.iso', 'User-Agent: Mozilla/5.0 (uTorrent/3.5)', 'Range: bytes=0-1')), expected: 'no' },
  { name: 'another fid', turns: only(request(`/data?fid=${ID.slice(1)}&size=12345`)), expected: 'no' },
  { name: 'fid without digits', turns: only(request(`/data?fid=${ID.slice(1)}z&size=12345`)), expected: 'no' },
];

for (const sample of samples) test(`HTTP seed: ${sample.name}`, () => assert.deepEqual(sampleProblems(httpSeed, sample), []));

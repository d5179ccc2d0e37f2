/** How warm a function must be before V8 optimises it: never less than V8's own measure, and bounded. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { budgetAfter } from './optimizer-patience.js';

test('the budget begins with what V8 has, grows with the packets, and stops growing', () => {
  const table: readonly (readonly [packets: number, times: number])[] = [
    [0, 1],
    [32_767, 1],
    [32_768, 2],
    [250_000, 8],
    [500_000, 16],
    [1e12, 16],
  ];
  for (const [packets, times] of table) assert.equal(budgetAfter(packets), times * 67_584, `after ${packets} packets`);
});

/**
 * Removes every trace of a wall from the kernel without its daemon or configuration:
 * the guard, rules of both iptables variants and of nftables, sets, qdiscs, and our field in the marks of connections.
 */
import { markMaskProblem } from '../base/mark-mask.js';
import { GUARD_TABLE } from '../enforce/guard.js';
import { markField } from '../enforce/marks.js';
import { NftRules } from '../enforce/nft-rules.js';
import { NFT_TABLE } from '../enforce/nftables.js';
import { runTool } from '../enforce/tools.js';
import { WallRules } from '../enforce/wall-rules.js';
import { ConntrackTable } from '../kernel/conntrack.js';
import { removeTable } from '../kernel/owned-table.js';
import { ConnectionMarks } from './connection-marks.js';

/** The mask that a standing wall uses, as iptables-save or nft shows it; null when there is none. */
export function maskOf(saved: string): number | null {
  const found = (/^-A P2PWALL-\S+ .*--nfmask (0x[0-9a-f]+)/m.exec(saved) ?? /^\s*meta mark & (0x[0-9a-f]+) == .* ct mark set /m.exec(saved))?.[1];
  const mask = found === undefined ? 0 : Number.parseInt(found, 16);
  return markMaskProblem(mask) === null ? mask : null;
}

/** Returns what was removed. Throws ToolError, SystemError. */
export function clearWall(): string[] {
  // First: while it stands, what the chains no longer mark stops.
  const removed = removeTable(GUARD_TABLE) ? [`nftables table inet ${GUARD_TABLE}`] : [];
  let mask: number | null = null;
  for (const variant of ['iptables-nft', 'iptables-legacy'] as const) {
    mask ??= maskOf(runTool(`${variant}-save`, []).stdout);
    removed.push(...new WallRules(variant).remove());
  }
  mask ??= maskOf(runTool('nft', ['-t', 'list', 'table', ...NFT_TABLE.split(' ')]).stdout);
  removed.push(...new NftRules().remove());
  if (mask === null) return removed;
  const conntrack = new ConntrackTable();
  try {
    const count = new ConnectionMarks(conntrack, markField(mask)).forget();
    if (count > 0) removed.push(`marks of ${count} connections`);
  } finally {
    conntrack.close();
  }
  return removed;
}

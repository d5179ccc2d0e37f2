/** `p2pwall rules`: what the wall would install, as text. Needs no root and changes nothing. */
import { planOf } from '../../daemon/wall-plan.js';
import { guardText } from '../../enforce/guard.js';
import { ipsetText } from '../../enforce/ipsets.js';
import { iptablesText } from '../../enforce/iptables.js';
import { nftablesText } from '../../enforce/nftables.js';
import { shapedInterfaces, shapingText } from '../../enforce/shaping.js';
import { EXIT_OK, EXIT_USAGE } from '../exit-codes.js';
import { isConfig, readConfig } from './read-config.js';

export function rules(options: { readonly config: string; readonly nft?: boolean; readonly json?: boolean }): number {
  const config = readConfig(options.config);
  if (!isConfig(config)) {
    for (const line of config) process.stderr.write(`${line}\n`);
    return EXIT_USAGE;
  }
  const plan = planOf(config);
  const parts: { program: string; text: string }[] =
    options.nft === true || config.file.gateway.backend === 'nftables'
      ? [{ program: 'nft -f -', text: nftablesText(plan, { withQueue: true }) }]
      : [
          { program: 'ipset restore -exist', text: ipsetText(plan) },
          { program: 'iptables-restore --noflush', text: iptablesText(plan, 4) },
          ...(plan.ipv6 ? [{ program: 'ip6tables-restore --noflush', text: iptablesText(plan, 6) }] : []),
        ];
  if (plan.mode === 'closed') parts.push({ program: 'nft -f -', text: guardText(plan) });
  parts.push(...shapedInterfaces(plan).map((device) => ({ program: 'tc -batch -', text: shapingText(plan, device) })));
  if (options.json === true) process.stdout.write(`${JSON.stringify(parts)}\n`);
  else process.stdout.write(parts.map(({ program, text }) => `# ${program}\n${text}`).join('\n'));
  return EXIT_OK;
}

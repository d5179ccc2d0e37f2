/** `p2pwall protocols`: the table of what can be recognised, straight from the registry. */
import { PROTOCOLS } from '../../detect/registry.js';
import { tableText } from '../../report/table.js';
import { EXIT_OK } from '../exit-codes.js';
import { terminalWidth } from '../terminal.js';

export function protocols(options: { readonly json?: boolean }): number {
  if (options.json === true) {
    for (const protocol of PROTOCOLS) {
      const { id, title, category, specs, features } = protocol;
      const listed = features.map(({ feature, transport }) => ({ feature, proto: transport === 6 ? 'TCP' : 'UDP' }));
      process.stdout.write(`${JSON.stringify({ id, title, category, specs, features: listed })}\n`);
    }
    return EXIT_OK;
  }
  const columns = [{ title: 'ID' }, { title: 'TITLE' }, { title: 'CATEGORY' }, { title: 'FEATURES' }, { title: 'SPECIFICATION' }];
  const rows = PROTOCOLS.map((protocol) => [
    protocol.id,
    protocol.title,
    protocol.category,
    [...new Set(protocol.features.map(({ feature }) => feature))].join(' '),
    protocol.specs[0] ?? '',
  ]);
  process.stdout.write(`${tableText(columns, rows, terminalWidth(process.stdout))}\n`);
  return EXIT_OK;
}

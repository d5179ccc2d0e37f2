/**
 * The architecture as a test: who may import whom and why not, purity, sizes, and
 * that adding a protocol stays a matter of one file, one test and one line.
 * Reads import statements as text; see docs/architecture.md for the picture.
 */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const sourceRoot = join(root, 'src');

interface FolderRule {
  /** Folders of src it may import besides itself. */
  readonly may: readonly string[];
  /** Levels 0 to 4: no `node:` import, no clock, no randomness, no console. */
  readonly isPure: boolean;
  /** Said when the rule is broken. */
  readonly why: string;
}

const BELOW_FLOW = ['base', 'events', 'wire', 'pcap', 'netlink', 'ebpf', 'fasttrack'];
const BELOW_ENGINE = [...BELOW_FLOW, 'flow', 'rope', 'detect', 'policy'];
const BELOW_KERNEL = [...BELOW_ENGINE, 'engine', 'ftwall', 'cutter'];
const BELOW_DAEMON = [...BELOW_KERNEL, 'kernel', 'enforce', 'report', 'control', 'config'];

const FOLDERS: Readonly<Record<string, FolderRule>> = {
  base: { may: [], isPure: true, why: 'base is the floor: everybody stands on it' },
  events: { may: ['base'], isPure: true, why: 'events are the shared vocabulary, plain data' },
  wire: { may: ['base', 'events'], isPure: true, why: 'headers know nothing of flows or protocols above them' },
  pcap: { may: ['base', 'events', 'wire'], isPure: true, why: 'file formats know nothing of what packets mean' },
  netlink: { may: ['base', 'events', 'wire'], isPure: true, why: 'codecs make no system calls' },
  ebpf: { may: ['base', 'events'], isPure: true, why: 'an assembler knows no packets' },
  fasttrack: { may: ['base', 'events', 'wire'], isPure: true, why: 'a wire protocol, shared by detector, ftwall and lab' },
  flow: { may: BELOW_FLOW, isPure: true, why: 'flows know no protocol: detectors and policy come above' },
  rope: { may: [...BELOW_FLOW, 'flow'], isPure: true, why: 'the compiler serves everybody and uses nobody above it' },
  detect: { may: [...BELOW_FLOW, 'flow', 'rope'], isPure: true, why: 'detectors never decide policy, never see the engine' },
  policy: { may: [...BELOW_FLOW, 'flow', 'detect'], isPure: true, why: 'policy judges findings and reads no bytes' },
  engine: { may: BELOW_ENGINE, isPure: true, why: 'the engine is given bytes and time; it opens nothing' },
  ftwall: { may: [...BELOW_ENGINE, 'engine'], isPure: true, why: 'the containment machine is events in, actions out' },
  cutter: { may: [...BELOW_ENGINE, 'engine'], isPure: true, why: 'plans are pure; kernel/ carries them out' },
  kernel: { may: [...BELOW_ENGINE, 'engine', 'cutter', 'ftwall'], isPure: false, why: 'kernel/ makes system calls; meaning lives below it' },
  enforce: { may: [...BELOW_KERNEL, 'kernel'], isPure: false, why: 'rule sets know nothing of daemons or terminals' },
  config: { may: [...BELOW_FLOW, 'rope', 'detect', 'policy'], isPure: false, why: 'configuration becomes a Policy; it starts nothing' },
  report: { may: BELOW_KERNEL, isPure: false, why: 'reports are made of events and findings' },
  control: { may: [...BELOW_KERNEL, 'report'], isPure: false, why: 'the control protocol is shared by daemon and clients' },
  daemon: { may: BELOW_DAEMON, isPure: false, why: 'a composition root; nothing imports it but commands' },
  lab: { may: [...BELOW_DAEMON, 'daemon'], isPure: false, why: 'the lab joins everything, for tests and the demo' },
  cli: { may: [...BELOW_DAEMON, 'daemon', 'lab'], isPure: false, why: 'commands stand on top' },
};

/** Folders of issues that are still open: they need not exist yet. */
const PLANNED: readonly string[] = [];

/** Edges that the table allows for a folder but only one file may use. */
const ONLY_FROM: readonly { from: string; to: string; files: RegExp; why: string }[] = [
  {
    from: 'rope',
    to: 'ebpf',
    files: /^rope\/(backends\/)?ebpf|^rope\/.*(verifier|kernel)/,
    why: 'other back ends must not learn of eBPF',
  },
];

/** Longest file, in lines; tests may be longer. */
const MAX_LINES = 400;
const MAX_TEST_LINES = 600;
/** Exceptions, each with its reason. */
const LONG_FILES: Readonly<Record<string, string>> = {
  'flow/flow-table.ts': 'one structure of arrays: its accessors are meaningless elsewhere',
  'engine/identifier.ts': 'the pipeline of one packet, read from top to bottom',
};

interface Source {
  /** Relative to src. */
  readonly path: string;
  readonly folder: string;
  readonly text: string;
  /** Targets relative to src, and bare module names. */
  readonly imports: readonly string[];
}

function sources(): Source[] {
  return readdirSync(sourceRoot, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => {
      const text = readFileSync(join(sourceRoot, path), 'utf8');
      const specifiers = [...text.matchAll(/(?:^|\n)(?:import|export)\b[^;'"`]*?from\s+'([^']+)'|import\(\s*'([^']+)'\s*\)|\nimport\s+'([^']+)'/g)];
      const imports = specifiers.map((found) => {
        const specifier = found[1] ?? found[2] ?? found[3] ?? '';
        return specifier.startsWith('.') ? normalize(join(dirname(path), specifier.replace(/\.js$/, '.ts'))) : specifier;
      });
      return { path, folder: path.split('/')[0] ?? '', text, imports };
    });
}

const all = sources();
const isTest = (path: string): boolean => path.endsWith('.test.ts');
const production = all.filter(({ path }) => !isTest(path));

test('the table of folders names exactly the folders that exist', () => {
  const present = readdirSync(sourceRoot, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && production.some(({ folder }) => folder === entry.name))
    .map((entry) => entry.name)
    .sort();
  const unknown = present.filter((folder) => !(folder in FOLDERS));
  assert.deepEqual(unknown, [], 'a new folder needs a place in the table of this test');
  const named = Object.keys(FOLDERS).filter((folder) => present.includes(folder) || !PLANNED.includes(folder));
  assert.deepEqual(named.sort(), present, 'the table names a folder that no longer exists');
});

test('imports point down', () => {
  const broken: string[] = [];
  for (const { path, folder, imports } of production) {
    const rule = FOLDERS[folder];
    for (const target of imports) {
      const to = target.split('/')[0] ?? '';
      if (!(to in FOLDERS) || to === folder || !rule) continue;
      if (!rule.may.includes(to)) broken.push(`${path} imports ${target}: ${rule.why}`);
      for (const only of ONLY_FROM) {
        if (only.from === folder && only.to === to && !only.files.test(path)) broken.push(`${path} imports ${target}: ${only.why}`);
      }
    }
  }
  assert.deepEqual(broken, []);
});

test('every import of a file resolves', () => {
  const missing = all.flatMap(({ path, imports }) =>
    imports.filter((target) => target.endsWith('.ts') && !existsSync(join(sourceRoot, target))).map((target) => `${path}: ${target}`),
  );
  assert.deepEqual(missing, []);
});

test('there are no import cycles', () => {
  const edges = new Map(production.map(({ path, imports }) => [path, imports.filter((target) => target.endsWith('.ts'))]));
  const done = new Set<string>();
  const stack: string[] = [];
  const cycles: string[] = [];
  const visit = (path: string): void => {
    if (stack.includes(path)) {
      cycles.push([...stack.slice(stack.indexOf(path)), path].join(' -> '));
      return;
    }
    if (done.has(path)) return;
    stack.push(path);
    for (const target of edges.get(path) ?? []) visit(target);
    stack.pop();
    done.add(path);
  };
  for (const path of edges.keys()) visit(path);
  assert.deepEqual(cycles, []);
});

test('pure folders read no clock, no randomness, no system and write no log', () => {
  const forbidden: readonly [RegExp, string][] = [
    [/from '(node:|koffi|pino|prom-client|commander)/, 'imports the system or a library of the shell'],
    [/\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(/, 'reads a clock: time is an argument'],
    [/\bMath\.random\(|\bcrypto\.getRandomValues\(/, 'draws random numbers: they are an argument'],
    [/\bconsole\.|\bprocess\./, 'talks to the process'],
  ];
  const broken: string[] = [];
  for (const { path, folder, text } of production) {
    if (FOLDERS[folder]?.isPure !== true) continue;
    const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');
    for (const [pattern, why] of forbidden) if (pattern.test(code)) broken.push(`${path} ${why}`);
  }
  assert.deepEqual(broken, []);
});

test('every file begins by saying what it is', () => {
  const silent = production.filter(({ text }) => !/^(#!.*\n)?\/\*\*/.test(text)).map(({ path }) => path);
  assert.deepEqual(silent, []);
});

test('a command tree loads neither configuration nor detectors: starting up is part of every run', () => {
  const texts = new Map(production.map(({ path, text }) => [path, text]));
  const loaded = new Set<string>();
  const load = (path: string): void => {
    if (loaded.has(path)) return;
    loaded.add(path);
    for (const [, specifier] of (texts.get(path) ?? '').matchAll(/(?:^|\n)(?:import|export)\s+(?!type\b)[^;'"`]*?from\s+'([^']+)'/g)) {
      const target = specifier ?? '';
      load(target.startsWith('.') ? normalize(join(dirname(path), target.replace(/\.js$/, '.ts'))) : target);
    }
  };
  for (const program of ['p2pwall', 'cutter']) load(`cli/${program}.ts`);
  const heavy = [...loaded].filter((path) => /^(config|detect|engine|daemon|kernel|ebpf)\//.test(path) || /^(?!node:|commander$)[^/]+$/.test(path));
  assert.deepEqual(heavy, [], 'import it where the command runs: await import(...)');
  assert.ok(loaded.has('commander'), 'the closure is followed');
});

test('files stay small', () => {
  const tooLong: string[] = [];
  for (const { path, text } of all) {
    const lines = text.split('\n').length - 1;
    if (lines > (isTest(path) ? MAX_TEST_LINES : MAX_LINES) && !(path in LONG_FILES)) tooLong.push(`${path}: ${lines} lines`);
  }
  assert.deepEqual(tooLong, []);
  const stale = Object.keys(LONG_FILES).filter((path) => !existsSync(join(sourceRoot, path)));
  assert.deepEqual(stale, [], 'an exception names a file that no longer exists');
});

test('no folder of leftovers', () => {
  // The kernel's own word for the functions a BPF program may call (bpf-helpers(7)).
  const ownWords = ['ebpf/helpers.ts'];
  const paths = all.map(({ path }) => path).filter((path) => !ownWords.includes(path));
  const leftovers = paths.filter((path) => /(^|\/)(utils?|helpers?|common|misc|types)(\/|\.ts$)/.test(path));
  assert.deepEqual(leftovers, []);
});

const PROTOCOLS = 'detect/protocols';
const protocolFiles = production.filter(({ path }) => dirname(path) === PROTOCOLS);

test('a protocol is one file, one test, one line in the registry', () => {
  const registry = readFileSync(join(sourceRoot, 'detect/registry.ts'), 'utf8');
  const lines = [...registry.matchAll(/from '\.\/protocols\/([a-z0-9-]+)\.js'/g)].map((found) => found[1] ?? '');
  assert.deepEqual([...lines].sort(), lines, 'the registry is alphabetical');
  const ids = protocolFiles.map(({ path }) => path.slice(PROTOCOLS.length + 1, -3)).sort();
  assert.deepEqual(ids, lines, 'every protocol file is in the registry');
  for (const id of ids) {
    const own = `${PROTOCOLS}/${id}.test.ts`;
    const inFolder = all.some(({ path }) => path.startsWith(`${PROTOCOLS}/${id}/`) && isTest(path));
    assert.ok(existsSync(join(sourceRoot, own)) || inFolder, `${id} has no test`);
    const text = readFileSync(join(sourceRoot, PROTOCOLS, `${id}.ts`), 'utf8');
    assert.match(text, new RegExp(`id: '${id}'`), `${id}.ts defines another id than its name`);
  }
});

test('protocols know the detector contract, facets, bytes and header constants, nothing else', () => {
  const allowed = [/^detect\/detector\.ts$/, /^detect\/facets\//, /^base\//, /^wire\/constants\.ts$/, /^events\//];
  const broken: string[] = [];
  for (const { path, imports } of production.filter((it) => it.path.startsWith(`${PROTOCOLS}/`))) {
    const id = relative(PROTOCOLS, path).split(/[/.]/)[0] ?? '';
    for (const target of imports) {
      const isOwn = target.startsWith(`${PROTOCOLS}/${id}/`);
      const isFastTrack = id === 'fasttrack' && target.startsWith('fasttrack/');
      if (!isOwn && !isFastTrack && !allowed.some((pattern) => pattern.test(target))) broken.push(`${path} imports ${target}`);
    }
  }
  assert.deepEqual(broken, []);
});

test("a protocol's id occurs in no source file but its own", () => {
  const broken: string[] = [];
  for (const { path } of protocolFiles) {
    const id = path.slice(PROTOCOLS.length + 1, -3);
    const pattern = new RegExp(`'${id}'`);
    for (const other of production) {
      // Programs and demonstrations may name what they speak; the engine's folders may not.
      const isEngine = ['flow', 'detect', 'policy', 'engine', 'report', 'events', 'control', 'enforce'].includes(other.folder);
      const isOwn = other.path.startsWith(`${PROTOCOLS}/${id}`);
      if (isEngine && !isOwn && pattern.test(other.text)) broken.push(`${other.path} names ${id}`);
    }
  }
  assert.deepEqual(broken, []);
});

test('nothing names a path of a machine or the host of a registry', () => {
  const suspicious = all.filter(({ text }) => /\/(home|work|root)\/[a-z]+\/|registry\.npmjs|deb\.debian\.org/.test(text)).map(({ path }) => path);
  assert.deepEqual(suspicious, []);
});

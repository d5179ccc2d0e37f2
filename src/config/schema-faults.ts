/**
 * What the schema finds wrong, in an administrator's words: zod speaks of types, a configuration of lists, text and
 * numbers. Says nothing of meaning, which `load.ts` judges.
 */
import type { z } from 'zod';
import { didYouMean } from '../base/did-you-mean.js';
import { configSchema, controlSchema, defaultSchema, eventsSchema, gatewaySchema, metricsSchema, ropeSchema, ruleSchema } from './schema.js';

export type Path = readonly (string | number)[];

/** Where it is, what it is, what to do. */
export interface SchemaFault {
  readonly path: Path;
  readonly message: string;
  readonly remedy: string;
}

const SECTIONS: Readonly<Record<string, { readonly shape: object }>> = {
  gateway: gatewaySchema,
  events: eventsSchema,
  metrics: metricsSchema,
  control: controlSchema,
  default: defaultSchema,
  rule: ruleSchema,
  rope: ropeSchema,
};

const KINDS: Readonly<Record<string, string>> = {
  array: 'a list',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a section',
};

const MANUAL = 'see p2pwall.toml(5)';

/** The faults of one issue; `document` is what was checked. */
export function schemaFaults(issue: z.core.$ZodIssue, document: unknown): SchemaFault[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(path, key));
  const value = valueAt(document, path);
  if (value === undefined) return [{ path, message: 'is missing', remedy: path.length === 1 ? `add a section [${path[0]}]` : missingRemedy(path, issue) }];
  return [{ path, ...wording(issue, path, value) }];
}

function unknownKey(path: Path, key: string): SchemaFault {
  const [section] = path;
  const known = Object.keys(section === undefined ? configSchema.shape : (SECTIONS[section]?.shape ?? {}));
  const guess = didYouMean(key, known);
  const where = section === undefined ? 'sections are' : 'this section has';
  return { path: [...path, key], message: 'is not known', remedy: guess === null ? `${where} ${known.join(', ')}` : `did you mean ${guess}?` };
}

function missingRemedy(path: Path, issue: z.core.$ZodIssue): string {
  return issue.code === 'invalid_value' ? `add ${path.at(-1)} = one of ${issue.values.map((value) => `"${String(value)}"`).join(', ')}` : 'add the key';
}

function wording(issue: z.core.$ZodIssue, path: Path, value: unknown): Omit<SchemaFault, 'path'> {
  const key = path.filter((part) => typeof part === 'string').at(-1) ?? '';
  switch (issue.code) {
    case 'invalid_type':
      return { message: `must be ${KINDS[issue.expected] ?? issue.expected}, and is ${kindOf(value)}`, remedy: typeRemedy(issue.expected, path, key, value) };
    case 'invalid_value': {
      const values = issue.values.map(String);
      const guess = didYouMean(String(value), values);
      return { message: `${JSON.stringify(value)} is none of ${values.join(', ')}`, remedy: guess === null ? MANUAL : `did you mean "${guess}"?` };
    }
    case 'too_small':
      if (issue.origin === 'string' || issue.origin === 'array') return { message: ownWords(issue) ?? 'is empty', remedy: MANUAL };
      return { message: `${String(value)} is too small`, remedy: `write at least ${issue.minimum}` };
    case 'too_big':
      if (issue.origin === 'string') return { message: 'is too long', remedy: `write at most ${issue.maximum} characters` };
      return { message: `${String(value)} is too large`, remedy: `write at most ${issue.maximum}` };
    default:
      return { message: ownWords(issue) ?? 'cannot be read', remedy: MANUAL };
  }
}

/** The schema's own words where it has some: they begin with a small letter, zod's with a capital. */
function ownWords({ message }: z.core.$ZodIssue): string | null {
  return /^[a-z]/.test(message) ? message : null;
}

function typeRemedy(expected: string, path: Path, key: string, value: unknown): string {
  const isScalar = typeof value === 'string' || typeof value === 'number';
  switch (expected) {
    case 'array':
      if (path.length === 1) return `write [[${key}]] instead of [${key}]`;
      return isScalar ? `write ${key} = ["${value}"]` : MANUAL;
    case 'object':
      return path.length === 1 ? `write a section [${key}]` : MANUAL;
    case 'string':
      return isScalar ? `write "${value}", in quotes` : MANUAL;
    case 'number':
      return typeof value === 'string' && /^(0x[0-9a-f]+|[0-9]+)$/i.test(value) ? `write ${value}, without quotes` : 'write digits, without quotes';
    case 'boolean':
      return 'write true or false, without quotes';
    default:
      return MANUAL;
  }
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  switch (typeof value) {
    case 'string':
      return 'text';
    case 'boolean':
      return 'true or false';
    case 'number':
    case 'bigint':
      return `the number ${value}`;
    default:
      return value instanceof Date ? 'a date' : 'a section';
  }
}

function valueAt(document: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, part) => (typeof value === 'object' && value !== null ? (value as Record<string | number, unknown>)[part] : undefined), document);
}

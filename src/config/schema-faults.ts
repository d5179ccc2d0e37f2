/**
 * What a schema finds wrong with a TOML file, in an administrator's words: zod speaks of types, a configuration of
 * lists, text and numbers. Says nothing of meaning.
 */
import type { z } from 'zod';
import { didYouMean } from '../base/did-you-mean.js';

export type Path = readonly (string | number)[];

/** Where it is, what it is, what to do. */
export interface SchemaFault {
  readonly path: Path;
  readonly message: string;
  readonly remedy: string;
}

const KINDS: Readonly<Record<string, string>> = {
  array: 'a list',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a section',
};

/** The file, as its faults are told. */
export interface CheckedFile {
  /** What was checked. */
  readonly document: unknown;
  /** Keys that may stand in the table at a path; the empty path is the file itself. */
  readonly keysAt: (path: Path) => readonly string[];
  /** Where all is explained, as `p2pwall.toml(5)`. */
  readonly manual: string;
}

/** The faults of one issue. */
export function schemaFaults(issue: z.core.$ZodIssue, { document, keysAt, manual }: CheckedFile): SchemaFault[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(path, key, keysAt(path)));
  const value = valueAt(document, path);
  if (value === undefined) return [{ path, message: 'is missing', remedy: path.length === 1 ? `add a section [${path[0]}]` : missingRemedy(path, issue) }];
  const { message, remedy } = wording(issue, path, value);
  return [{ path, message, remedy: remedy ?? `see ${manual}` }];
}

function unknownKey(path: Path, key: string, known: readonly string[]): SchemaFault {
  const guess = didYouMean(key, known);
  return { path: [...path, key], message: 'is not known', remedy: guess === null ? `known here are ${known.join(', ')}` : `did you mean ${guess}?` };
}

function missingRemedy(path: Path, issue: z.core.$ZodIssue): string {
  return issue.code === 'invalid_value' ? `add ${path.at(-1)} = one of ${issue.values.map((value) => `"${String(value)}"`).join(', ')}` : 'add the key';
}

/** Remedy null: the manual says more. */
function wording(issue: z.core.$ZodIssue, path: Path, value: unknown): { readonly message: string; readonly remedy: string | null } {
  const key = path.filter((part) => typeof part === 'string').at(-1) ?? '';
  switch (issue.code) {
    case 'invalid_type':
      return { message: `must be ${KINDS[issue.expected] ?? issue.expected}, and is ${kindOf(value)}`, remedy: typeRemedy(issue.expected, path, key, value) };
    case 'invalid_value': {
      const values = issue.values.map(String);
      const guess = didYouMean(String(value), values);
      return { message: `${JSON.stringify(value)} is none of ${values.join(', ')}`, remedy: guess === null ? null : `did you mean "${guess}"?` };
    }
    case 'too_small':
      if (issue.origin === 'string' || issue.origin === 'array') return { message: ownWords(issue) ?? 'is empty', remedy: null };
      return { message: `${String(value)} is too small`, remedy: `write at least ${issue.minimum}` };
    case 'too_big':
      if (issue.origin === 'string') return { message: 'is too long', remedy: `write at most ${issue.maximum} characters` };
      return { message: `${String(value)} is too large`, remedy: `write at most ${issue.maximum}` };
    default:
      return { message: ownWords(issue) ?? 'cannot be read', remedy: null };
  }
}

/** The schema's own words where it has some: they begin with a small letter, zod's with a capital. */
function ownWords({ message }: z.core.$ZodIssue): string | null {
  return /^[a-z]/.test(message) ? message : null;
}

function typeRemedy(expected: string, path: Path, key: string, value: unknown): string | null {
  const isScalar = typeof value === 'string' || typeof value === 'number';
  switch (expected) {
    case 'array':
      if (isScalar) return `write ${key} = ["${value}"]`;
      return path.length === 1 ? `write [[${key}]] instead of [${key}]` : null;
    case 'object':
      return path.length === 1 ? `write a section [${key}]` : null;
    case 'string':
      return isScalar ? `write "${value}", in quotes` : null;
    case 'number':
      return typeof value === 'string' && /^(0x[0-9a-f]+|[0-9]+)$/i.test(value) ? `write ${value}, without quotes` : 'write digits, without quotes';
    case 'boolean':
      return 'write true or false, without quotes';
    default:
      return null;
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

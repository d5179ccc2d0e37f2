/**
 * Reporter for Node's test runner: failures in full, skips with their reason, and one closing line of counts.
 */
interface TestEvent {
  readonly type: string;
  readonly data: {
    readonly name: string;
    readonly file?: string;
    readonly line?: number;
    readonly skip?: string | boolean;
    readonly todo?: string | boolean;
    readonly details?: { readonly type?: string; readonly error?: { readonly cause?: unknown; readonly message: string } };
    readonly message?: string;
  };
}

function describeCause(cause: unknown): string {
  if (cause instanceof Error) return cause.stack ?? cause.message;
  return String(cause);
}

export default async function* reporter(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for await (const { type, data } of source) {
    const isSuite = data.details?.type === 'suite';
    if (type === 'test:pass' && !isSuite) {
      if (data.skip !== undefined && data.skip !== false) {
        skipped++;
        yield `skipped: ${data.name}: ${data.skip === true ? 'no reason given' : data.skip}\n`;
      } else passed++;
    } else if (type === 'test:diagnostic' && !/^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /.test(data.message ?? '')) {
      yield `${(data.message ?? '').split('\\n').join('\n')}\n`;
    } else if (type === 'test:fail') {
      if (!isSuite) failed++;
      const cause = data.details?.error?.cause ?? data.details?.error?.message;
      if (!isSuite) yield `\nFAILED: ${data.name} (${data.file ?? '?'}:${data.line ?? 0})\n${describeCause(cause)}\n`;
    }
  }
  yield `\n${passed} passed, ${failed} failed, ${skipped} skipped\n`;
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compile } from './compile.js';
import { type Diagnostic, DiagnosticList, MAX_DIAGNOSTICS, PLAIN, hasErrors, renderDiagnostic, tidy } from './diagnostics.js';

function rendered(source: string): string {
  return compile(source).diagnostics.map((d) => renderDiagnostic(d, source, 'x.rope')).join('');
}

test('the text form names place, severity and code, underlines, and offers a remedy', () => {
  assert.equal(
    rendered('yes\n\n  20 add print'),
    [
      'x.rope:3:3: warning[unreachable]: this is never reached: all paths have ended before',
      ' 3 |   20 add print',
      '   |   ^^',
      '   = help: remove it, or make the verdict before it conditional: `{ yes } if`',
      '',
    ].join('\n'),
  );
  assert.equal(
    rendered('20 add'),
    [
      "x.rope:1:4: error[underflow]: 'add' needs 2 values, but the stack holds only 1",
      ' 1 | 20 add',
      '   |    ^^^',
      '   = help: push the operands first; arguments of the rule must be stored first: `$a put`',
      '',
    ].join('\n'),
  );
});

test('long lines are shown as a window, control characters as blanks', () => {
  const source = `${'1 drop '.repeat(100)}\u001b[31m foo ${'1 drop '.repeat(100)}`;
  const text = rendered(source);
  for (const line of text.split('\n')) assert.ok(line.length < 160, line);
  assert.ok(!text.includes('\u001b'));
  const [, shown = '', underline = ''] = rendered(`${'1 drop '.repeat(100)}foo`).split('\n');
  assert.equal(shown.slice(underline.indexOf('^'), underline.lastIndexOf('^') + 1), 'foo');
});

test('colours are the caller\'s', () => {
  const source = 'foo';
  const [diagnostic] = compile(source).diagnostics;
  assert.ok(diagnostic);
  const painted = renderDiagnostic(diagnostic, source, 'x.rope', { ...PLAIN, severity: (severity, text) => `<${severity}>${text}</>` });
  assert.match(painted, /<error>error\[unknown-word\]<\/>/);
  assert.match(painted, /<error>\^\^\^<\/>/);
});

test('a flood of warnings hides no error', () => {
  const at = (start: number, severity: Diagnostic['severity']): Diagnostic => ({
    severity, code: 'unreachable', message: `m${start}`, hint: '', span: { start, end: start + 1, line: 1, column: start + 1 },
  });
  const list = new DiagnosticList();
  for (let i = 0; i < 5000; i++) list.add(at(i, 'warning'));
  list.add(at(6000, 'error'));
  const kept = tidy(list.all);
  assert.equal(kept.length, MAX_DIAGNOSTICS);
  assert.ok(hasErrors(kept));
  // In a whole script: hundreds of lints, then one fault.
  assert.equal(compile(`${'{ 1 2 eq yes } drop '.repeat(300)} 5 strlen`).isValid, false);
});

test('all faults of a script come at once, in order', () => {
  const codes = compile('foo 1 "a" eq drop $Bar } "x').diagnostics.map(({ code }) => code);
  assert.deepEqual(codes, ['unknown-word', 'mixed-types', 'unknown-register', 'unbalanced', 'unterminated-string']);
});

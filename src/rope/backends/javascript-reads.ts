/** Operations that read at `$offset` and move it, as JavaScript. Their meaning: `ir.ts`, ReadOp. Names: see `javascript-terms.ts`. */
import type { ErrorTag, Ir, Op, ReadOp, Test } from '../ir.js';
import { intTerm, packetEquals, strTerm, triple } from './javascript-terms.js';

/** The function under construction, as its parts write to it. */
export interface Body {
  readonly ir: Ir;
  line(text: string): void;
  /** `opening`, what `body` writes, and a closing brace. */
  block(opening: string, body: () => void): void;
  /** A new name. */
  temporary(): string;
  ops(ops: readonly Op[]): void;
  test(test: Test): string;
  /** Statements that end the innermost scope or the program. */
  end(verdict: number, tag: ErrorTag | null): string;
  /** The slot becomes bytes of the packet. */
  assignPacket(dst: number | null, at: string, length: string): void;
}

type Reading<K extends ReadOp['op']> = Extract<Op, { readonly op: K }>;

export function writeRead(body: Body, op: Extract<Op, ReadOp>): void {
  switch (op.op) {
    case 'take':
      take(body, op);
      break;
    case 'takeWhile':
      takeWhile(body, op);
      break;
    case 'scan':
      scan(body, op);
      break;
    case 'search':
      search(body, op);
      break;
    case 'expectStr':
      expectStr(body, op);
  }
}

function takeWhile(body: Body, op: Reading<'takeWhile'>): void {
  const [start, end] = [body.temporary(), body.temporary()];
  body.line(`const ${start} = i0;`);
  body.line(`let ${end} = i0;`);
  body.line(`if (i0 >= 0) while (${end} < N && s${op.set}[p[B + ${end}]] === 1) ${end}++;`);
  if (op.missing === 'no') body.line(`if (${end} === ${start}) { ${body.end(3, null)} }`);
  body.assignPacket(op.dst, `B + ${start}`, `${end} - ${start}`);
  body.line(`i0 = ${end};`);
}

function take(body: Body, op: Reading<'take'>): void {
  const count = op.count.kind === 'const' ? Math.max(op.count.value, 0) : null;
  if (count === 0) {
    body.assignPacket(op.dst, 'B', '0');
    return;
  }
  const wanted = body.temporary();
  if (op.missing === 'no' && count !== null) {
    body.line(`if (i0 < 0 || N - i0 < ${count}) { ${body.end(3, null)} }`);
    body.line(`const ${wanted} = ${count};`);
  } else {
    const left = body.temporary();
    const asked = count === null ? `(${intTerm(op.count)} > 0 ? ${intTerm(op.count)} : 0)` : String(count);
    body.line(`const ${left} = i0 >= 0 && i0 <= N ? N - i0 : 0;`);
    if (op.missing === 'no') body.line(`const ${wanted} = ${asked}; if (${left} < ${wanted}) { ${body.end(3, null)} }`);
    else body.line(`const ${wanted} = ${left} < ${asked} ? ${left} : ${asked};`);
  }
  body.assignPacket(op.dst, `B + i0`, wanted);
  body.line(`i0 += ${wanted};`);
}

function scan(body: Body, op: Reading<'scan'>): void {
  const [start, at, end] = [body.temporary(), body.temporary(), body.temporary()];
  body.line(`const ${start} = i0, ${end} = i0 >= 0 && i0 <= N ? N : i0;`);
  body.line(`let ${at} = i0;`);
  body.block(`for (; ${at} < ${end}; ${at}++) {`, () => {
    body.line(`i0 = ${at};`);
    body.assignPacket(op.byte, `B + ${at}`, '1');
    body.ops(op.body);
    body.line(`if (!(${body.test(op.test)})) break;`);
  });
  body.line(`i0 = ${at};`);
  if (op.missing === 'no') body.line(`if (${at} === ${start}) { ${body.end(3, null)} }`);
  body.assignPacket(op.dst, `B + ${start}`, `${at} - ${start}`);
}

function search(body: Body, op: Reading<'search'>): void {
  const needle = strTerm(body.ir, op.needle);
  const [end, found] = [body.temporary(), body.temporary()];
  body.line(`const ${end} = i0 >= 0 && i0 <= N ? B + N : B + i0;`);
  body.line(`const ${found} = O.searchBytes(p, B + i0, ${end}, ${triple(needle)}, ${op.ignoreCase});`);
  // An empty needle is found wherever the offset is, be it before the packet.
  const isMissing = needle.literal === null ? `${found} < 0 && ${needle.length} > 0` : needle.literal.length > 0 ? `${found} < 0` : 'false';
  if (op.missing === 'no') body.line(`if (${isMissing}) { ${body.end(3, null)} }`);
  const stop = op.missing === 'no' ? found : `(${isMissing} ? ${end} : ${found})`;
  const size = body.temporary();
  const behind = op.missing === 'no' ? `${found} - B + ${needle.length}` : `${isMissing} ? ${end} - B : ${found} - B + ${needle.length}`;
  // The needle's own slot may be the target: take its length first.
  body.line(`const ${size} = ${behind};`);
  const from = body.temporary();
  body.line(`const ${from} = B + i0;`);
  body.assignPacket(op.dst, from, `${stop} - ${from}`);
  body.line(`i0 = ${size};`);
}

function expectStr(body: Body, op: Reading<'expectStr'>): void {
  const parts = op.parts.map((part) => strTerm(body.ir, part));
  const [only, ...others] = parts;
  if (only === undefined) return;
  if (only.literal !== null && others.length === 0) {
    const { length } = only.literal;
    if (length === 0) return;
    body.line(`if (i0 < 0 || N - i0 < ${length} || !(${packetEquals('i0', only, op.ignoreCase)})) { ${body.end(3, null)} }`);
    body.line(`i0 += ${length};`);
    return;
  }
  const [at, end] = [body.temporary(), body.temporary()];
  body.line(`let ${at} = i0;`);
  body.line(`const ${end} = i0 >= 0 && i0 <= N ? N : i0;`);
  for (const part of parts) {
    body.line(`if (${part.length} > ${end} - ${at} || !(${packetEquals(at, part, op.ignoreCase)})) { ${body.end(3, null)} }`);
    body.line(`${at} += ${part.length};`);
  }
  body.line(`i0 = ${at};`);
}

/** `--profile`: how often each source line ran, and how long a packet takes. */

export class Profile {
  readonly #source: string;
  readonly #steps = new Map<number, number>();
  readonly #packetsByLine = new Map<number, number>();
  #seenLines = new Set<number>();
  #packets = 0;
  #startNs = 0n;
  #totalNs = 0n;

  constructor(source: string) {
    this.#source = source;
  }

  /** A step of this line runs. */
  count(line: number): void {
    this.#steps.set(line, (this.#steps.get(line) ?? 0) + 1);
    this.#seenLines.add(line);
  }

  begin(): void {
    this.#seenLines = new Set();
    this.#startNs = process.hrtime.bigint();
  }

  end(): void {
    this.#totalNs += process.hrtime.bigint() - this.#startNs;
    this.#packets++;
    for (const line of this.#seenLines) this.#packetsByLine.set(line, (this.#packetsByLine.get(line) ?? 0) + 1);
  }

  print(write: (text: string) => void): void {
    if (this.#packets === 0) return;
    write(`${Math.round(Number(this.#totalNs) / this.#packets)} ns for a packet (${this.#packets} packets)\n`);
    if (this.#steps.size === 0) return;
    write('   packets     steps  line\n');
    for (const [index, text] of this.#source.split('\n').entries()) {
      const line = index + 1;
      const steps = this.#steps.get(line);
      if (steps === undefined) continue;
      write(`${String(this.#packetsByLine.get(line) ?? 0).padStart(10)}${String(steps).padStart(10)}  ${line}: ${text.slice(0, 80)}\n`);
    }
  }
}

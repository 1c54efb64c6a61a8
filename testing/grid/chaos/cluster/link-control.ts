/** The driver's side of the links' process: one request at a time. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { LinkAnswer, LinkRequest } from './link-process.ts';
import type { LinkedMember, LinkRule } from './links.ts';

const FILE = fileURLToPath(new URL('./link-process.ts', import.meta.url));
const NODE_FLAGS = ['--conditions=@ashlar/source', '--disable-warning=ExperimentalWarning'];

export class LinkControl {
  readonly #child: ChildProcess;
  #last: Promise<LinkAnswer> = Promise.resolve({ ports: [] });

  constructor() {
    const { NODE_OPTIONS: _unwanted, ...env } = process.env;
    this.#child = fork(FILE, { execArgv: NODE_FLAGS, env });
  }

  /** @returns the proxies' addresses in the order of the members */
  async listen(members: readonly LinkedMember[]): Promise<readonly string[]> {
    const { ports } = await this.#ask({ kind: 'listen', members });
    return ports.map((port) => `127.0.0.1:${port}`);
  }

  /** All rules that count from now on: links without one are whole. */
  async set(rules: readonly LinkRule[]): Promise<void> {
    await this.#ask({ kind: 'set', rules });
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    if (this.#child.connected) this.#child.disconnect();
    await ended;
  }

  #ask(request: LinkRequest): Promise<LinkAnswer> {
    this.#last = this.#last.then(async () => {
      this.#child.send(request);
      const [answer] = (await once(this.#child, 'message')) as [LinkAnswer];
      return answer;
    });
    return this.#last;
  }
}

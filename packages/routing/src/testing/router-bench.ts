/** For tests of this package: a grid of fake members, routers to it, and short ways to call them. */
import { OPCODE } from '@ashlar/transport';
import { FakeGrid, type FakeMember } from '@ashlar/transport/testing';
import { NOTHING, Router, type RouterOptions } from '../index.ts';

export class RouterBench {
  #grid: FakeGrid;
  readonly #routers: Router[] = [];

  private constructor(grid: FakeGrid) {
    this.#grid = grid;
  }

  static async start(members = 1): Promise<RouterBench> {
    return new RouterBench(await new FakeGrid(members).start());
  }

  get grid(): FakeGrid {
    return this.#grid;
  }

  /** The member of a grid of one. */
  get sole(): FakeMember {
    return this.#grid.members[0]!;
  }

  /** Another grid, of so many members, in place of the one that is there. */
  async restart(members: number): Promise<void> {
    await this.#grid.stop();
    this.#grid = await new FakeGrid(members).start();
  }

  /** A router that stop() closes. */
  async connect(options: Partial<RouterOptions> = {}): Promise<Router> {
    const router = await Router.connect({ seeds: this.#grid.addresses, ...options });
    this.#routers.push(router);
    return router;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#routers.splice(0).map((router) => router.close()));
    await this.#grid.stop();
  }
}

export function put(router: Router, key: number | string, value: unknown, limits = {}): Promise<unknown> {
  return router.call(OPCODE.PUT, router.map('m', undefined), key, value, undefined, limits);
}

export function get(router: Router, key: number | string, limits = {}): Promise<unknown> {
  return router.call(OPCODE.GET, router.map('m', undefined), key, NOTHING, undefined, limits);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits for what comes to be by itself, some seconds at most. */
export async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500; turn++) {
    if (condition()) return;
    await pause(10);
  }
  throw new Error('it never came to be');
}

export function numbersUpTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/**
 * Scenarios as text: a command a line, and indented under it what came of it. Lines that begin with `#` are comments.
 *
 *   grid a b c [minInSync=2 ...]   members begin, register
 *   create 0 on a b                partition 0 begins: a is named primary
 *   put a 0 k=v   get a 0 k        a call of a client to a member
 *   cut a b   cut a>b   heal       links lose everything
 *   hold a>b  release a>b [reversed|twice]   links keep what is sent
 *   replay a>b                     all that was delivered on a link comes once more
 *   wait 200                       milliseconds pass
 *   pause a   resume a   crash a   start a   leave a   gap a   losecopy a 0   trim a 0 5
 *   linked a b                     a hears that its way to b has opened
 *   deaf a    hears a   tell a 5   news of the table; one version of it
 *   coordinator up|away|answersLost          unheard a | heard a
 *   nominate 0 b   expire a   want 0 on a c   lost 0   recover 0 on c   again (the last change once more)
 *   state 0                        what everybody knows and holds
 */
import type { Epoch, ReplicaChange, Version } from '@ashlar/core';
import { DEFAULT_TIMINGS, type Rules } from '../src/index.ts';
import { type TableSteps, ToyGrid } from './toy-grid.ts';

/** Runs a scenario. @returns it with what came of each command */
export function runScenario(text: string, steps: TableSteps, rules?: Rules): string {
  const scenario = new Scenario(steps, rules);
  return text
    .split('\n')
    .filter((line) => !line.startsWith('  '))
    .flatMap((line) =>
      line === '' || line.startsWith('#') ? [line] : [line, ...scenario.run(line).map((one) => `  ${one}`)],
    )
    .join('\n');
}

class Scenario {
  readonly #steps: TableSteps;
  readonly #rules: Rules | undefined;
  #grid: ToyGrid | undefined;
  #lastChange: ReplicaChange | undefined;

  constructor(steps: TableSteps, rules: Rules | undefined) {
    this.#steps = steps;
    this.#rules = rules;
  }

  run(line: string): string[] {
    const [command, ...words] = line.split(' ');
    if (command === 'grid') return this.#begin(words);
    const answer = this.#command(command!, words, words.join(' '));
    return [...this.grid.takeLines(), ...answer];
  }

  get grid(): ToyGrid {
    if (this.#grid === undefined) throw new Error('a scenario begins with `grid`');
    return this.#grid;
  }

  #begin(words: readonly string[]): string[] {
    const settings = new Map(
      words.filter((word) => word.includes('=')).map((word) => word.split('=') as [string, string]),
    );
    const options = {
      partitionCount: 4,
      timings: DEFAULT_TIMINGS,
      minInSync: Number(settings.get('minInSync') ?? 1),
      growWithinRecords: Number(settings.get('growWithinRecords') ?? 1000),
      windowBytes: Number(settings.get('windowBytes') ?? 1 << 20),
      appendBytes: Number(settings.get('appendBytes') ?? 1 << 20),
    };
    this.#grid = new ToyGrid(this.#steps, options, this.#rules);
    for (const name of words.filter((word) => !word.includes('='))) this.#grid.start(name);
    this.#grid.announce();
    this.#grid.takeLines();
    return [];
  }

  #command(command: string, words: readonly string[], rest: string): string[] {
    const grid = this.grid;
    const [first = '', second = ''] = words;
    switch (command) {
      case 'put': {
        const [key = '', value = ''] = words[2]!.split('=');
        const refused = grid.member(first).put(Number(second), key, value);
        return refused === '' ? [] : [`refused: ${refused}`];
      }
      case 'get':
        return [grid.member(first).get(Number(second), words[2]!)];
      case 'cut':
        grid.cut(rest);
        return [];
      case 'hold':
        grid.hold(rest);
        return [];
      case 'release':
        grid.release(words.filter((word) => !['reversed', 'twice'].includes(word)).join(' '), words.at(-1)!);
        return [];
      case 'replay':
        grid.replay(rest);
        return [];
      case 'heal':
        grid.heal();
        return [];
      case 'wait':
        grid.wait(Number(first));
        return [];
      case 'coordinator':
        grid.coordinator = first as 'up';
        return [];
      case 'state':
        return this.#state(Number(first));
      default:
        return this.#toMember(command, first, words) ?? this.#toTable(command, words);
    }
  }

  #toMember(command: string, name: string, words: readonly string[]): string[] | undefined {
    const grid = this.grid;
    switch (command) {
      case 'pause':
        grid.member(name).isPaused = true;
        return [];
      case 'resume':
        grid.resume(name);
        return [];
      case 'crash':
        grid.member(name).isDead = true;
        return [];
      case 'start':
        grid.start(name);
        return [];
      case 'deaf':
        grid.member(name).isDeaf = true;
        return [];
      case 'hears':
        grid.member(name).isDeaf = false;
        grid.announce();
        return [];
      case 'tell': {
        const table = grid.tables.get(Number(words[1]))!;
        grid.member(name).run(() => grid.member(name).core.onTable(table, grid.member(name).moment));
        return [];
      }
      case 'unheard':
        grid.unheard.add(name);
        return [];
      case 'heard':
        grid.unheard.delete(name);
        return [];
      case 'linked': {
        const other = grid.replica(words[1]!);
        grid.member(name).run(() => grid.member(name).core.onLink(other, grid.member(name).moment));
        return [];
      }
      case 'leave':
        grid.member(name).run(() => grid.member(name).core.leave(grid.member(name).moment));
        return [];
      case 'gap':
        grid.member(name).run(() => grid.member(name).core.onClockGap(grid.member(name).moment));
        return [];
      case 'losecopy': {
        const member = grid.member(name);
        member.store.copies.delete(Number(words[1]));
        member.run(() => member.core.copyLost(Number(words[1]), member.moment));
        return [];
      }
      case 'trim':
        grid.member(name).store.copies.get(Number(words[1]))!.trim(Number(words[2]));
        return [];
      default:
        return undefined;
    }
  }

  #toTable(command: string, words: readonly string[]): string[] {
    const change = command === 'again' ? this.#lastChange! : this.#changeOf(command, words);
    this.#lastChange = change;
    this.grid.change([change]);
    return this.grid.takeLines();
  }

  #changeOf(command: string, words: readonly string[]): ReplicaChange {
    const grid = this.grid;
    if (command === 'expire') return { kind: 'expire', replica: grid.replica(words[0]!) };
    const partition = Number(words[0]);
    const row = grid.table.partitions[partition]!;
    const reference = { partition, epoch: row.epoch as Epoch, revision: row.revision };
    const names = words.slice(2);
    const wanted = names.map((name) => name as never);
    const placed = { primary: grid.members.get(names[0] ?? '')?.self as never, inSync: [] as never[], wanted };
    switch (command) {
      case 'create':
        return { kind: 'create', ...reference, ...placed, inSync: names.map((name) => grid.replica(name)) };
      case 'recover':
        return {
          ...{ kind: 'recover', ...reference, ...placed, inSync: names.map((name) => grid.replica(name)) },
          versionFloor: (grid.nowMs * 1000) as Version,
        };
      case 'nominate':
        return { kind: 'nominate', ...reference, primary: grid.replica(words[1]!) };
      case 'want':
        return { kind: 'want', ...reference, wanted };
      case 'lost':
        return { kind: 'declareLost', ...reference };
      default:
        throw new Error(`no command '${command}'`);
    }
  }

  #state(partition: number): string[] {
    const grid = this.grid;
    const { phase, epoch, primary, inSync, wanted } = grid.table.partitions[partition]!;
    const lines = [
      `table: ${phase}@${epoch} ${primary ?? '-'}, in sync ${inSync.join(' ') || '-'}, wanted ${wanted.join(' ') || '-'}`,
    ];
    for (const { name, isDead, isPaused, core, store } of grid.members.values()) {
      const copy = store.copies.get(partition);
      const how = isDead
        ? 'dead'
        : isPaused
          ? 'paused'
          : `read ${core.mayRead(partition, grid.nowMs)}, write ${core.mayWrite(partition, grid.nowMs)}`;
      const what = copy === undefined ? 'no copy' : `[${copy.text}] shown up to ${copy.commit}`;
      lines.push(`${name}: ${how}; ${what}`);
    }
    return lines;
  }
}

/**
 * Fuzzes every door of a member, with a canary client beside: messages of every gRPC method, key-value streams, HTTP, SQL,
 * values, and inputs that are large in one way. Right is: no crash, no second without an answer to the canary, no INTERNAL.
 *
 *   npm run fuzz -- [--seconds N] [--seed N] [--areas grpc,kv,sql,values,large,http] [--json]
 *
 * A seed repeats the inputs of each area, not how they meet in time. Exit code 1 when something was found.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { connect, type Grid } from '../../packages/client/src/index.ts';
import { memberFlags } from '../grid/support/grid.ts';
import { MemberProcess } from '../grid/support/member-process.ts';
import { AREAS, type Target } from './areas.ts';
import { Canary, type CanaryReport } from './canary.ts';
import { Chance } from './chance.ts';
import { type Finding, Findings } from './findings.ts';

const SECRET = 'the secret of the members that are fuzzed';
const MODULE = fileURLToPath(new URL('../grid/fixtures/answer-one.ts', import.meta.url));
/** After the last input: what is under way may end. */
const REST_MS = 2000;
const ENTRIES = 200;

const USAGE = `usage: npm run fuzz -- [--seconds N] [--seed N] [--areas ${Object.keys(AREAS).join(',')}] [--json]`;
if (process.argv.slice(2).some((flag) => flag === '--help' || flag === '-h')) {
  console.log(USAGE);
  process.exit(0);
}

const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    areas: { type: 'string', default: Object.keys(AREAS).join(',') },
    json: { type: 'boolean', default: false },
  },
});
const seconds = Number(flags.seconds);
const seed = Number(flags.seed);
const areas = flags.areas.split(',');
const unknown = areas.find((area) => AREAS[area] === undefined);
if (unknown !== undefined || !(seconds > 0) || !Number.isSafeInteger(seed)) {
  console.error(USAGE);
  process.exit(2);
}

const settings = { 'cluster.partitionCount': 16 };
const env = { ASHLAR_MEMBER_SECRET: SECRET };
const findings = new Findings();
const first = await MemberProcess.start(memberFlags({ settings }, 2, undefined), env);
const second = await MemberProcess.start(memberFlags({ settings }, 2, first.address), env);
const members = [first, second];
const client = await connect({ seeds: [first.address], token: SECRET });
await fill(client);
await client.close();
const canaries = members.map(({ address, pid }) => new Canary({ address, pid, token: SECRET }));
await Promise.all(areas.map((area, index) => fuzz(area, index)));
await sleep(REST_MS);
await judgeMembers();
const reports = await Promise.all(canaries.map((canary) => canary.stop()));
judgeCanaries(reports);
await Promise.all(members.map((member) => member.end('SIGKILL')));
report(findings.all, reports);
process.exit(findings.all.length === 0 ? 0 : 1);

/** Fills the member with entries of several kinds and a module, for inputs to find. */
async function fill(grid: Grid): Promise<void> {
  const chance = new Chance(seed);
  await grid.deploy(MODULE);
  for (const map of ['fuzz', 'numbers', 'texts', 'other']) {
    const entries = Array.from({ length: ENTRIES }, (_, key): [number, unknown] => [
      key,
      map === 'numbers'
        ? { n: key, a: String(key) }
        : { n: chance.number(), a: chance.text(), b: { c: chance.value() } },
    ]);
    await grid.map<unknown>(map).putAll(entries);
  }
}

async function fuzz(area: string, index: number): Promise<void> {
  const endMs = performance.now() + seconds * 1000;
  const { address, httpAddress } = members[index % members.length]!;
  const target: Target = { address, httpAddress, token: SECRET };
  const chance = new Chance(seed * 31 + Object.keys(AREAS).indexOf(area));
  const isOver = (): boolean => performance.now() >= endMs || members.some(({ hasEnded }) => hasEnded);
  await AREAS[area]!({ target, chance, findings, isOver });
}

async function judgeMembers(): Promise<void> {
  for (const member of members) {
    if (member.hasEnded) findings.add('crash', `member ${member.name} ended`, member.log.slice(-30).join('\n'));
    else if ((await member.page('/healthz')).status !== 200) findings.add('hang', 'no health', member.name);
  }
}

function judgeCanaries(reports: readonly CanaryReport[]): void {
  for (const { hangs } of reports) {
    for (const ms of hangs) findings.add('hang', `the canary waited ${Math.round(ms)} ms`, `seed ${seed}`);
  }
}

function report(found: readonly Finding[], reports: readonly CanaryReport[]): void {
  const inputs = [...findings.inputs.values()].reduce((sum, count) => sum + count, 0);
  const longestMs = Math.round(Math.max(...reports.map((one) => one.longestMs)));
  if (flags.json) {
    console.log(JSON.stringify({ seed, seconds, inputs, longestMs, findings: found }));
    return;
  }
  for (const { kind, what, input, times } of found) console.log(`${kind} (${times}x) ${what}\n  ${input}\n`);
  const probes = reports.reduce((sum, one) => sum + one.probes, 0);
  console.log(
    `seed ${seed}: ${inputs} inputs in ${seconds} s, ${probes} probes of the canaries, the longest ${longestMs} ms, ${found.length} findings`,
  );
}

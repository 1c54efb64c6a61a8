/** What a thread for queries loads, and holds for itself. */
import { readFileSync } from 'node:fs';

const ROOMS = new URL('../../', import.meta.url);

/** Everything that a room depends on, and what that depends on. */
function reachable(room: string, found: Set<string>): Set<string> {
  const { dependencies = {} } = JSON.parse(readFileSync(new URL(`${room}/package.json`, ROOMS), 'utf8')) as {
    readonly dependencies?: Readonly<Record<string, string>>;
  };
  for (const name of Object.keys(dependencies).filter((one) => !found.has(one))) {
    found.add(name);
    if (name.startsWith('@ashlar/')) reachable(name.slice('@ashlar/'.length), found);
  }
  return found;
}

describe('a query worker', () => {
  it.each(['query-worker', 'user-worker'])(
    '(%s) holds nothing of the wire, of metrics, or of the other members',
    (file) => {
      const text = readFileSync(new URL(`./${file}.ts`, import.meta.url), 'utf8');
      const rooms = [...text.matchAll(/from '@ashlar\/([\w-]+)'/g)].map(([, room]) => room!);
      expect(rooms.length).toBeGreaterThan(2);
      const found = rooms.reduce((all, room) => reachable(room, all.add(`@ashlar/${room}`)), new Set<string>());
      for (const name of [
        '@grpc/grpc-js',
        'prom-client',
        '@ashlar/transport',
        '@ashlar/cluster',
        '@ashlar/partitions',
      ]) {
        expect(found).not.toContain(name);
      }
      expect(found).toContain('piscina');
    },
  );
});

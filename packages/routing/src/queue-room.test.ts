import { QueueRoom } from './queue-room.ts';

const MIB = 1 << 20;

describe('the room of a router (router R3)', () => {
  it('takes single calls up to its limits of bytes and operations, and refuses with what to do', () => {
    const room = new QueueRoom({ queueBytesMax: 100, queueOperationsMax: 3 });
    room.account(100, 3);
    room.admit();
    room.account(1, 0);
    const full = expect.objectContaining({
      ...{ code: 'OVERLOADED', hint: expect.any(String), retryable: true },
      details: { queuedBytes: 101, queuedOperations: 3 },
    });
    expect(() => room.admit()).toThrow(full);
    room.account(-1, 0);
    room.admit();
    room.account(0, 1);
    expect(() => room.admit()).toThrow(expect.objectContaining({ code: 'OVERLOADED' }));
  });

  it('lets calls of many entries wait, and wakes all of them when there is room', async () => {
    const room = new QueueRoom({ queueBytesMax: 64 * MIB, queueOperationsMax: 10 });
    expect(room.wait()).toBeUndefined();
    room.account(40 * MIB, 1);
    const woken: string[] = [];
    const waiting = ['a', 'b'].map((name) => room.wait()!.then(() => woken.push(name)));
    room.account(-MIB, 0);
    await Promise.resolve();
    expect(woken).toEqual([]);
    room.account(-10 * MIB, -1);
    await Promise.all(waiting);
    expect(woken).toEqual(['a', 'b']);
    expect(room.wait()).toBeUndefined();
  });

  it('counts what does not get on for nobody else, up to half of what may be queued (queue-room U1)', async () => {
    let stuck = 0;
    const room = new QueueRoom({ queueBytesMax: 100 * MIB, queueOperationsMax: 10 }, () => stuck);
    room.account(40 * MIB, 1);
    const waiting = room.wait();
    room.look();
    stuck = 20 * MIB;
    room.look();
    await waiting;
    expect(room.wait()).toBeUndefined();
    room.account(10 * MIB, 1);
    stuck = 50 * MIB;
    expect(room.wait()).toBeInstanceOf(Promise);
    room.account(-1, 0);
    expect(room.wait()).toBeUndefined();
  });

  it('lets go of who waits when the router closes', async () => {
    const room = new QueueRoom({ queueBytesMax: 64 * MIB, queueOperationsMax: 10 });
    room.account(40 * MIB, 1);
    const waiting = room.wait();
    room.wakeAll();
    await waiting;
  });
});

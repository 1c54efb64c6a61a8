import { Outgoing } from './outgoing.ts';

const MIB = 1 << 20;

function door(bytesMax = 8 * MIB) {
  const clock = { ms: 0 };
  const outgoing = new Outgoing(bytesMax, () => clock.ms);
  const cut: string[] = [];
  const open = (name: string) => {
    const link = { bytesTaken: 0, cut: () => void cut.push(name) };
    const call = outgoing.open(link);
    const callbacks: (() => void)[] = [];
    const socket = { write: (_: Buffer, flushed: () => void) => callbacks.push(flushed) > 0 };
    return {
      call,
      link,
      write: (bytes: number) => call.write(socket, Buffer.alloc(bytes)),
      flush: () => callbacks.shift()?.(),
    };
  };
  return { outgoing, clock, cut, open };
}

describe('answers that callers have not taken', () => {
  it('O1: stop their producer at a mebibyte, until something has left', async () => {
    const { outgoing, open } = door();
    const one = open('one');
    one.write(MIB / 2);
    expect(one.call.hasRoom).toBe(true);
    one.write(MIB / 2);
    expect(one.call.hasRoom).toBe(false);
    let went = false;
    const room = one.call.room().then(() => (went = true));
    await Promise.resolve();
    expect(went).toBe(false);
    one.flush();
    await room;
    expect(outgoing.bytes).toBe(MIB / 2);
    one.call.closeWhenFlushed();
    expect(outgoing.bytes).toBe(MIB / 2);
    one.flush();
    expect(outgoing.bytes).toBe(0);
    outgoing.close();
  });

  it('O2: nobody goes on while the door has no room; a call that is over makes some', async () => {
    const { outgoing, open } = door(2 * MIB);
    const [large, other] = [open('large'), open('other')];
    large.write(3 * MIB);
    expect([other.call.hasRoom, other.call.isCongested, outgoing.isFull]).toEqual([false, false, true]);
    const room = other.call.room();
    large.call.close();
    large.call.close();
    await room;
    large.flush();
    expect([outgoing.bytes, outgoing.bytesMost]).toEqual([0, 3 * MIB]);
    outgoing.close();
  });

  it('O3: cost a caller its link when nothing is taken for a minute; who takes something keeps it', () => {
    const { outgoing, clock, cut, open } = door();
    const [stalled, slow] = [open('stalled'), open('slow')];
    stalled.write(100);
    slow.write(100);
    slow.write(100);
    clock.ms = 59_000;
    slow.flush();
    outgoing.look();
    expect(cut).toEqual([]);
    clock.ms = 60_000;
    outgoing.look();
    expect(cut).toEqual(['stalled']);
    expect([outgoing.bytes, outgoing.cutCount]).toEqual([100, 1]);
    outgoing.close();
  });

  it('O3: a large message that leaves piece by piece is progress', () => {
    const { outgoing, clock, cut, open } = door(MIB);
    const large = open('large');
    large.write(50 * MIB);
    for (let look = 0; look < 20; look += 1) {
      clock.ms += 900;
      large.link.bytesTaken += 1000;
      outgoing.look();
    }
    expect(cut).toEqual([]);
    clock.ms += 1000;
    outgoing.look();
    expect(cut).toEqual(['large']);
    outgoing.close();
  });

  it('O3: cost it the link after a second where the door has no room, longest first, no more than needed', () => {
    const { outgoing, clock, cut, open } = door(4 * MIB);
    for (const name of ['a', 'b', 'c']) {
      open(name).write(2 * MIB);
      clock.ms += 400;
    }
    outgoing.look();
    expect(cut).toEqual(['a']);
    clock.ms = 2000;
    outgoing.look();
    expect(cut).toEqual(['a', 'b']);
    outgoing.look();
    expect(cut).toEqual(['a', 'b']);
    expect(outgoing.bytes).toBe(2 * MIB);
    outgoing.close();
  });
});

import { DEFAULT_MESSAGE_BYTES_MAX, MESSAGE_BYTES_CEILING, MessageBounds } from './message-bounds.ts';

describe('the bounds of messages', () => {
  it('take all that any member may send, before it has told its own bound (message-bounds M1)', () => {
    const bounds = new MessageBounds({});
    expect(bounds.receiveMax).toBe(MESSAGE_BYTES_CEILING);
    bounds.memberTells(1000);
    expect(bounds.receiveMax).toBe(MESSAGE_BYTES_CEILING);
  });

  it('send what the member takes once it has told, more or less than the default (message-bounds M2)', () => {
    const bounds = new MessageBounds({});
    expect(bounds.sendMax).toBe(DEFAULT_MESSAGE_BYTES_MAX);
    bounds.memberTells(DEFAULT_MESSAGE_BYTES_MAX * 4);
    expect(bounds.sendMax).toBe(DEFAULT_MESSAGE_BYTES_MAX * 4);
    bounds.memberTells(1000);
    expect(bounds.sendMax).toBe(1000);
  });

  it('send what the member is known to take before it has told', () => {
    expect(new MessageBounds({ memberMessageBytesMax: 64 << 20 }).sendMax).toBe(64 << 20);
  });

  it('stay as they are where a member tells nothing', () => {
    const bounds = new MessageBounds({ memberMessageBytesMax: 5000 });
    bounds.memberTells(0);
    expect(bounds.sendMax).toBe(5000);
  });

  it('are never above a bound of the caller’s own (message-bounds M3)', () => {
    const bounds = new MessageBounds({ messageBytesMax: 10_000, memberMessageBytesMax: 64 << 20 });
    expect([bounds.receiveMax, bounds.sendMax]).toEqual([10_000, 10_000]);
    bounds.memberTells(64 << 20);
    expect(bounds.sendMax).toBe(10_000);
    bounds.memberTells(500);
    expect([bounds.receiveMax, bounds.sendMax]).toEqual([10_000, 500]);
  });
});

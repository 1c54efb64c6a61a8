/** A caller that sends more than the member reads is stopped by the member's window, not by HTTP/2's default. */
import { connect } from 'node:http2';
import { FakeMember } from './testing/index.ts';

const DEFAULT_BYTES = 65_535;
let member: FakeMember;

beforeEach(() => {
  member = new FakeMember('a');
});

afterEach(() => member.stop());

/** What the member lets a caller send on a session and on a new stream. */
async function windowsAt(address: string): Promise<{ readonly session: number; readonly stream: number }> {
  const session = connect(`http://${address}`);
  try {
    const settled = new Promise((resolve) => {
      let changes = 0;
      session.on('remoteSettings', () => ++changes === 2 && resolve(undefined));
    });
    const headers = { ':method': 'POST', ':path': '/ashlar.v1.Kv/Batches', 'content-type': 'application/grpc' };
    const stream = session.request(headers);
    stream.on('error', () => undefined);
    await settled;
    // What was on its way with the settings is here when the echo is.
    await new Promise((resolve) => session.ping(resolve));
    const { remoteWindowSize } = session.state;
    stream.close();
    return { session: remoteWindowSize ?? 0, stream: session.remoteSettings.initialWindowSize ?? 0 };
  } finally {
    session.destroy();
  }
}

it('W1: sessions and streams of every caller may have far more under way than the default', async () => {
  const address = await member.start();
  for (const windows of [await windowsAt(address), await windowsAt(address)]) {
    expect(windows.session).toBeGreaterThan(16 * DEFAULT_BYTES);
    expect(windows.stream).toBeGreaterThan(16 * DEFAULT_BYTES);
  }
});

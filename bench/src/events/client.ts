/** The client process of one subject of `events`: one link writes, another one subscribes. */
import { serveLines } from '../serve-lines.ts';
import { Run, type RunRequest } from './run.ts';
import { openSubject, type SubjectName } from './subjects.ts';

const [name, address] = process.argv.slice(2) as [SubjectName, string];
const subject = await openSubject(name, address);
let inVain = 0;
let run: Run | undefined;
await subject.watch((value) => run?.onEvent(value));
await serveLines<RunRequest>(async (request) => {
  await subject.watchInVain(Math.max(0, request.inVain - inVain));
  inVain = Math.max(inVain, request.inVain);
  run = new Run(subject, request);
  return run.go();
});
await subject.close();
process.exit(0);

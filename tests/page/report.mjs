/* report: a reporter for node --test that says of each test one line, "ok NAME in Nms" or "not ok NAME in
 * Nms", and behind the latter what went wrong. */

export default async function* report(events) {
  for await (const { type, data } of events) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const error = data.details?.error;
    /* A suite fails because one of its tests does. So does a file, where it stands for its tests; one
     * that cannot even be read is a failure of its own. */
    const isAround =
      data.details?.type === 'suite' ||
      data.name === 'page' ||
      (data.name.endsWith('.mjs') && type === 'test:pass');
    if (isAround || error?.failureType === 'subtestsFailed') continue;
    const name = data.name.endsWith('.mjs') ? data.name.replace(/^.*\//, '') : data.name;
    const took = ` in ${Math.round(data.details?.duration_ms ?? 0)}ms`;
    const skipped = data.skip === undefined ? '' : ` # skip ${data.skip}`;
    yield `${type === 'test:pass' ? 'ok' : 'not ok'} ${name}${took}${skipped}\n`;
    if (type === 'test:fail')
      yield `${String(error?.cause?.stack ?? error?.cause ?? error)
        .split('\n')
        .slice(0, 30)
        .map(line => `    ${line}`)
        .join('\n')}\n`;
  }
}

/**
 * test-metrics.ts — reads what metric-family.ts writes, strictly, for tests.
 */

/** One line of the format: a name, labels, a value. */
const SAMPLE = /^([a-z_]+)(?:\{(?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)+\})? (-?\d+(?:\.\d+)?)$/;

/** Values of a text, by name and labels. @throws Error unless each family has its two lines of comment, once, before its samples, and each sample is there once */
export function parseMetrics(text: string): Map<string, number> {
  const values = new Map<string, number>();
  const families = new Set<string>();
  let family = '';
  if (!text.endsWith('\n')) throw new Error('the text does not end with a newline');
  for (const line of text.trimEnd().split('\n')) {
    const help = /^# HELP ([a-z_]+) \S/.exec(line)?.[1];
    if (help !== undefined) {
      if (families.has(help)) throw new Error(`a second family ${help}`);
      families.add(help);
      family = help;
    } else if (line.startsWith('# TYPE ')) {
      if (line !== `# TYPE ${family} ${family.endsWith('_total') ? 'counter' : 'gauge'}`) throw new Error(`the type of ${family}: ${line}`);
    } else {
      readSample(line, family, values);
    }
  }
  return values;
}

function readSample(line: string, family: string, values: Map<string, number>): void {
  if (SAMPLE.exec(line)?.[1] !== family) throw new Error(`no sample of ${family}: ${line}`);
  const at = line.lastIndexOf(' ');
  const name = line.slice(0, at);
  if (values.has(name)) throw new Error(`a second ${name}`);
  values.set(name, Number(line.slice(at + 1)));
}

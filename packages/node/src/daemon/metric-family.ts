/**
 * metric-family.ts — a family of Prometheus's text format: what it is, and its samples.
 * Read first: Prometheus, "Exposition formats", text format 0.0.4.
 *
 * Not here: what is counted (datapath-metrics.ts, protect/protect-metrics.ts).
 */
export type MetricLabels = Readonly<Record<string, string | number>>;
export type MetricSample = readonly [labels: MetricLabels, value: number];

/** The family's two lines of comment, and a line for each sample. */
export function metricFamily(name: string, help: string, type: 'counter' | 'gauge', samples: readonly MetricSample[]): string {
  const lines = samples.map(([labels, value]) => {
    const list = Object.entries(labels).map(([key, text]) => `${key}="${escapeLabel(String(text))}"`);
    return `${name}${list.length === 0 ? '' : `{${list.join(',')}}`} ${value}\n`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/**
 * certificate.ts — certificates for tests, made by openssl when they are needed: none is kept here, so none expires.
 *
 * An authority, and a certificate by it for each name asked for. Guard tests with `peer('openssl')`.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

export interface Authority {
  /** The authority's own certificate. */
  readonly ca: string;
  /** A certificate for `name`, with `alt` as openssl writes alternative names: `IP:192.0.2.2`. */
  issue(name: string, alt: string): Certificate;
  /** Removes its files. */
  close(): void;
}

export function authority(): Authority {
  const dir = mkdtempSync(join(tmpdir(), 'nltest-ca-'));
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
  const key = (name: string): string[] => ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', `${name}.key`];
  openssl('req', '-x509', ...key('ca'), '-out', 'ca.pem', '-days', '2', '-subj', '/CN=Netloom test authority');
  let serial = 1;
  return {
    ca: readFileSync(join(dir, 'ca.pem'), 'utf8'),
    issue(name, alt) {
      openssl('req', '-new', ...key(name), '-out', `${name}.csr`, '-subj', `/CN=${name}`);
      writeFileSync(join(dir, `${name}.ext`), `subjectAltName=${alt}\n`);
      openssl('x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-set_serial', String(++serial), '-days', '2', '-extfile', `${name}.ext`, '-out', `${name}.pem`);
      return { key: readFileSync(join(dir, `${name}.key`), 'utf8'), cert: readFileSync(join(dir, `${name}.pem`), 'utf8') };
    },
    close: () => rmSync(dir, { recursive: true, force: true }),
  };
}

// Cells of the matrix of clients and providers: tests that write down how they ended.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));

/** A way to define cells, and one to write them to `target/matrix/NAME.json` when they are done. */
export function cells(name, mock) {
  const results = [];
  const folder = process.env.MATRIX_FOLDER || join(ROOT, 'target', 'matrix');

  function cell({ client, provider, feature, mode }, run) {
    test(`${feature}, ${mode}: ${client.name} (${client.dialect}) to ${provider}`, async () => {
      let why = '';
      try {
        await run();
      } catch (error) {
        why = String(error?.message ?? error).split('\n')[0].slice(0, 300) || 'failed';
        throw error;
      } finally {
        const upstream = (await mock.requests())[0]?.surface ?? null;
        const ended = { upstream, ok: why === '', why };
        results.push({ client: client.name, dialect: client.dialect, provider, feature, mode, ...ended });
      }
    });
  }

  function save() {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(results, null, 1)}\n`);
  }

  return { cell, save };
}

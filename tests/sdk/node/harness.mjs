// Starts the mock providers and the gateway, and reads from their own words where they listen.
//
// Nothing here sleeps: a process says when it is ready, and whoever waits gives up after PATIENCE.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, afterEach, before, beforeEach } from 'node:test';
import { fileURLToPath } from 'node:url';

const SDK = dirname(dirname(fileURLToPath(import.meta.url)));
const ROOT = dirname(dirname(SDK));
export const PATIENCE = 30_000; // milliseconds

// Where the mock serves each built-in provider.
const BASES = {
  anthropic: '/anthropic/v1', azure: '/openai', bedrock: '/bedrock', google: '/google/v1beta/openai', openai: '/openai/v1',
  openrouter: '/openrouter/api/v1', vertex: '/v1/projects/mock-project/locations/global/publishers/google',
};

// The clients read variables; a developer's own keys and addresses must not count.
for (const name of Object.keys(process.env)) {
  if (/^(OPENAI_|ANTHROPIC_|GOOGLE_|GEMINI_|OPENROUTER_)/.test(name)) delete process.env[name];
}

const children = new Set();
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));

/** The mock providers of a test file, and a way to start gateways in front of them. */
export function providers() {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-sdk-'));
  const running = [];
  let started = 0;
  const mock = new Mock();
  before(() => mock.start(folder));
  beforeEach(() => mock.script());
  afterEach(() => Promise.all(running.splice(0).map((gateway) => gateway.stop())));
  after(async () => {
    await mock.process.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A gateway of its own for each test, so that nothing one test broke cools a key down for the next. */
  async function start(policy, secrets = {}) {
    const own = join(folder, `gateway-${started++}`);
    mkdirSync(own);
    const file = join(own, 'policy.yml');
    writeFileSync(file, pointedAt(policyText(policy), mock.url));
    const command = [binary('TOLLGATE_BIN', 'tollgate'), 'run', file];
    command.push('--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0');
    const gateway = new Process(command, { ...cleanEnvironment(own), ...secretVariables(secrets) }, own, 'gateway');
    running.push(gateway);
    gateway.url = await gateway.address('listening on ');
    return gateway;
  }

  return { mock, start };
}

/** A child whose first lines say where it listens. */
export class Process {
  constructor([program, ...words], env, folder, name) {
    this.log = join(folder, `${name}.err`);
    const stderr = openSync(this.log, 'w');
    this.child = spawn(program, words, { env, cwd: folder, stdio: ['pipe', 'pipe', stderr] });
    closeSync(stderr);
    children.add(this.child);
    this.ended = new Promise((resolve) => this.child.once('close', resolve));
    this.ended.then(() => children.delete(this.child));
    this.lines = [];
    this.waiting = new Set();
    const wake = () => this.waiting.forEach((look) => look());
    // Standard output is read to its end, or the child would block on a full pipe.
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      this.lines.push(line);
      wake();
    });
  }

  /** The address in the line that begins like this. */
  async address(prefix) {
    const found = await new Promise((resolve) => {
      const giveUp = setTimeout(() => resolve(undefined), PATIENCE);
      const look = () => {
        const line = this.lines.find((text) => text.startsWith(prefix));
        if (line) { clearTimeout(giveUp); resolve(line); }
      };
      this.waiting.add(look);
      this.ended.then(() => { clearTimeout(giveUp); resolve(undefined); });
      look();
    });
    this.waiting.clear();
    if (!found) throw new Error(`no line '${prefix}…'; standard error: ${readFileSync(this.log, 'utf8')}`);
    return found.slice(prefix.length).split(' ')[0];
  }

  async stop() {
    this.child.kill('SIGKILL');
    await this.ended;
  }
}

/** The providers that the gateway talks to. */
class Mock {
  async start(folder) {
    const script = join(folder, 'script.yml');
    writeFileSync(script, '{}\n');
    this.process = new Process([binary('MOCK_BIN', 'mock-providers'), '--script', script], process.env, folder, 'mock');
    this.url = await this.process.address('listening on ');
    this.control = await this.process.address('control on ');
  }

  /** What is answered from now on. Also forgets what was received. */
  async script(script = {}) {
    await this.call('PUT', '/__script', JSON.stringify(script));
    await this.call('DELETE', '/__requests');
  }

  /** What was asked of models, in order; not what the gateway looks up on its own (lists of models, tokens). */
  async requests() {
    const everything = await this.call('GET', '/__requests');
    return everything.filter((request) => request.method === 'POST' && request.surface !== 'token');
  }

  /** The one request that was received. */
  async only() {
    const requests = await this.requests();
    if (requests.length !== 1) throw new Error(`${requests.length} requests: ${JSON.stringify(requests)}`);
    return requests[0];
  }

  async call(method, path, body) {
    const answer = await fetch(this.control + path, { method, body, signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${await answer.text()}`);
    return answer.json();
  }
}

/** The path of a binary: from the environment, or from the usual build directory. */
export function binary(variable, name) {
  const path = process.env[variable] || join(ROOT, 'target', 'debug', name);
  if (!existsSync(path)) throw new Error(`${path} does not exist: build it, or say where it is with ${variable}`);
  return path;
}

/** A policy of these tests, or else one that people run as it is. */
function policyText(name) {
  const own = join(SDK, 'policies', name);
  return readFileSync(existsSync(own) ? own : join(ROOT, 'policies', name), 'utf8');
}

/** A copy of a policy whose providers are at this address. */
function pointedAt(policy, url) {
  return policy.split('\n').flatMap((line) => {
    const moved = line.replaceAll('http://mock.invalid', url);
    const [, indent, provider] = /^( *)- id: ([a-z]+)$/.exec(line) ?? [];
    return BASES[provider] ? [moved, `${indent}  base_url: ${url}${BASES[provider]}`] : [moved];
  }).join('\n');
}

/** Nothing of the machine's own settings and keys; only what a process needs to start. */
export function cleanEnvironment(home) {
  const kept = ['PATH', 'LANG', 'SSL_CERT_FILE', 'SSL_CERT_DIR'].filter((name) => name in process.env);
  return { HOME: home, ...Object.fromEntries(kept.map((name) => [name, process.env[name]])) };
}

/** `{openai: {'api-key': '...'}}` as the variables the gateway reads. */
function secretVariables(secrets) {
  const part = (text) => text.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_');
  return Object.fromEntries(Object.entries(secrets).flatMap(([vault, values]) =>
    Object.entries(values).map(([name, value]) => [`TOLLGATE_SECRET__${part(vault)}__${part(name)}`, value])));
}

export const EVERY_SECRET = Object.fromEntries(
  ['openai', 'anthropic', 'google', 'openrouter', 'azure', 'bedrock', 'vertex'].map((name) => [name, { 'api-key': `test-key-of-${name}` }]));
export const HELLO = [{ role: 'user', content: 'Hello' }];
export const THREE_KEYS = {
  'gateway-auth': { 'access-token': 'team-token' },
  openai: { first: 'sk-proj-test-first', second: 'sk-proj-test-second', third: 'sk-proj-test-third' },
};
export const FAILOVER_SECRETS = {
  anthropic: { 'api-key': 'sk-ant-test-stored-aaaa' },
  openrouter: { 'api-key': 'sk-or-v1-test-stored-bbbb' },
};
export const PAIR_SECRETS = {
  openai: { 'api-key': 'sk-proj-test-pair' },
  anthropic: { 'api-key': 'sk-ant-test-pair' },
  reserve: { 'api-key': 'reserve-key' },
};

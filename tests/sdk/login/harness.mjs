// A certified OpenID provider, the gateway in front of nothing, and a browser.

import { Provider } from 'oidc-provider';
import { chromium } from 'playwright-core';
import { once } from 'node:events';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before } from 'node:test';
import { PATIENCE, Process, binary, cleanEnvironment } from '../node/harness.mjs';

export const CLIENT = { id: 'playground', secret: 'a secret with +/=&%:~ in it, 42 characters' };
const ARGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

/** Where Debian, other systems, or a developer have a browser. */
function executable() {
  const usual = [process.env.CHROMIUM_BIN, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
  const found = usual.find((path) => path && existsSync(path));
  if (!found) throw new Error('there is no Chromium: install it (make setup), or say where it is with CHROMIUM_BIN');
  return found;
}

function key(kind, options, id, alg) {
  const { privateKey } = generateKeyPairSync(kind, options);
  return { ...privateKey.export({ format: 'jwk' }), kid: id, use: 'sig', alg };
}

/** What a test file needs; started once, all but the provider and the browser anew for each test. */
export function world() {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-login-'));
  const running = [];
  const it = { gone: new Set(), closed: [] };
  let started = 0;

  before(async () => {
    it.server = createServer((request, response) => it.handle(request, response));
    it.server.listen(0, '127.0.0.1');
    await once(it.server, 'listening');
    it.issuer = `http://127.0.0.1:${it.server.address().port}`;
    it.keys = [key('rsa', { modulusLength: 2048 }, 'rsa', 'RS256'), key('ec', { namedCurve: 'P-256' }, 'ec', 'ES256')];
    it.browser = await chromium.launch({ executablePath: executable(), args: ARGS });
  });
  afterEach(async () => {
    await Promise.all(it.closed.splice(0).map((context) => context.close()));
    await Promise.all(running.splice(0).map((gateway) => gateway.stop()));
  });
  after(async () => {
    await it.browser?.close();
    it.server.closeAllConnections();
    it.server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A gateway with this policy: rules as JSON, made from the issuer. Its provider knows it afterwards. */
  it.start = async (rules, options = {}) => {
    const own = join(folder, `gateway-${started++}`);
    mkdirSync(own);
    const file = join(own, 'policy.yml');
    writeFileSync(file, JSON.stringify({ on_http_request: rules(it.issuer) }));
    const command = [binary('TOLLGATE_BIN', 'tollgate'), 'run', file, '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'];
    const gateway = new Process(command, { ...cleanEnvironment(own), TOLLGATE_SECRET__LOGIN__CLIENT_SECRET: CLIENT.secret }, own, 'gateway');
    running.push(gateway);
    const address = await gateway.address('listening on ');
    // Cookies know no ports: under another name than the provider's the two do not mix.
    gateway.url = address.replace('127.0.0.1', 'localhost');
    it.handle = provider(it, gateway.url, options).callback();
    return gateway;
  };

  /** A browser that nobody has used. */
  it.context = async () => {
    const context = await it.browser.newContext();
    context.setDefaultTimeout(PATIENCE);
    it.closed.push(context);
    return context;
  };

  return it;
}

function provider(it, gateway, options) {
  const client = {
    client_id: CLIENT.id, client_secret: CLIENT.secret, redirect_uris: [`${gateway}/ngrok/oauth2/callback`],
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'], response_types: ['code'], ...options.client,
  };
  const made = new Provider(it.issuer, {
    clients: [client],
    jwks: { keys: it.keys },
    cookies: { keys: ['keys of cookies'] },
    scopes: ['openid', 'offline_access'],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    // With a token it is asked for whom the token is: nobody, for one who is gone.
    findAccount: (_, id, token) => !(token && it.gone.has(id)) && {
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@example.com`, email_verified: true, name: `${id[0].toUpperCase()}${id.slice(1)}` }),
    },
    rotateRefreshToken: true,
    ttl: { AccessToken: options.accessToken ?? 600, AuthorizationCode: 60, Grant: 3600, IdToken: 600, Interaction: 600, RefreshToken: 3600, Session: 3600 },
    features: {
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({ audience: 'api', scope: 'read', accessTokenFormat: 'jwt', accessTokenTTL: 600 }),
      },
    },
  });
  made.on('server_error', (_, error) => console.error(error));
  return made;
}

/** The provider's form. */
export async function sayWho(page, name) {
  await page.fill('input[name=login]', name);
  await page.fill('input[name=password]', 'any');
  await page.click('button[type=submit]');
}

/** The form, and the question whether the server may know, which is asked the first time. */
export async function logIn(page, name) {
  await sayWho(page, name);
  await page.click('button:has-text("Continue")');
}

// A browser logs in at a certified provider, comes back, stays, leaves, and is turned away.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLIENT, logIn, sayWho, world } from './harness.mjs';

const it = world();

/** A login, a rule about who may go on, and a page that shows who it is. */
const policy = (more = {}) => (issuer) => [
  { type: 'openid-connect', config: { issuer_url: issuer, client_id: CLIENT.id, client_secret: "${secrets.get('login', 'client-secret')}", ...more } },
  { expressions: ["actions.ngrok.oidc.identity.email == 'mallory@example.com'"], actions: [{ type: 'deny', config: { status_code: 403 } }] },
  { type: 'custom-response', config: { headers: { 'content-type': 'application/json' }, body: '${{"path": req.url.raw_path, "query": req.url.query, "oidc": actions.ngrok.oidc}}' } },
];

const shown = async (page) => JSON.parse(await page.innerText('body'));

test('a login leads back to the page with its query, and lasts', async () => {
  const gateway = await it.start(policy({ auth_id: 'staff' }));
  const context = await it.context();
  const page = await context.newPage();
  await page.goto(`${gateway.url}/deep/page?q=a%20b&c=%2F`);
  assert.ok(page.url().startsWith(`${it.issuer}/interaction/`), page.url());
  await logIn(page, 'ann');
  await page.waitForURL(`${gateway.url}/deep/page?q=a%20b&c=%2F`);
  const first = await shown(page);
  assert.equal(first.oidc.identity.email, 'ann@example.com');
  assert.equal(first.oidc.identity.name, 'Ann');
  assert.equal(first.oidc.identity.provider_user_id, 'ann');
  assert.equal(first.oidc.identity_token.split('.').length, 3);

  const cookies = (await context.cookies(gateway.url)).filter((cookie) => /^(session|nonce)\./.test(cookie.name));
  assert.deepEqual(cookies.map((cookie) => cookie.name), ['session.staff'], 'the attempt is over');
  assert.ok(cookies[0].httpOnly && cookies[0].sameSite === 'Lax');

  await page.goto(`${gateway.url}/another`);
  const second = await shown(page);
  assert.equal(second.path, '/another');
  assert.equal(second.oidc.identity.current_session_id, first.oidc.identity.current_session_id);
  const script = await page.evaluate(async () => { const answer = await fetch('/api'); return [answer.status, document.cookie]; });
  assert.deepEqual(script, [200, ''], 'scripts use the session and do not see it');
});

test('two tabs log in at the same time', async () => {
  const gateway = await it.start(policy());
  const context = await it.context();
  const [one, two] = [await context.newPage(), await context.newPage()];
  await one.goto(`${gateway.url}/one`);
  await two.goto(`${gateway.url}/two`);
  await logIn(one, 'ann');
  await one.waitForURL(`${gateway.url}/one`);
  await sayWho(two, 'ann');
  await two.waitForURL(`${gateway.url}/two`);
});

test('logging out ends the session, and a login can be asked for', async () => {
  const gateway = await it.start(policy());
  const context = await it.context();
  const page = await context.newPage();
  await page.goto(`${gateway.url}/`);
  await logIn(page, 'ann');
  await page.waitForURL(`${gateway.url}/`);
  await page.goto(`${gateway.url}/ngrok/logout`);
  assert.equal(await page.innerText('h1'), 'Logged out');
  assert.equal((await context.cookies(gateway.url)).filter((cookie) => cookie.name.startsWith('session.')).length, 0);
  assert.equal(await page.request.get(`${gateway.url}/`, { maxRedirects: 0 }).then((answer) => answer.status()), 302);
  // The provider still knows the browser, but this link makes it ask.
  await page.click('text=Log in');
  await page.waitForURL(`${it.issuer}/interaction/**`);
  await sayWho(page, 'ann');
  await page.waitForURL(`${gateway.url}/`);
});

test('who may not go on is turned away after the login', async () => {
  const gateway = await it.start(policy());
  const page = await (await it.context()).newPage();
  await page.goto(`${gateway.url}/`);
  const answer = page.waitForResponse((response) => response.url() === `${gateway.url}/`);
  await logIn(page, 'mallory');
  assert.equal((await answer).status(), 403);
});

test('who cancels gets a page, and can try again', async () => {
  const gateway = await it.start(policy());
  const page = await (await it.context()).newPage();
  await page.goto(`${gateway.url}/private`);
  await page.click('text=Cancel');
  await page.waitForURL(`${gateway.url}/ngrok/oauth2/callback**`);
  assert.equal(await page.innerText('h1'), 'Login failed');
  assert.match(await page.innerText('body'), /access_denied.*\n*.*Try again[^]*ERR_NGROK_3114/);
  await page.click('text=Try again');
  await logIn(page, 'ann');
  await page.waitForURL(`${gateway.url}/`);
});

test('a refresh token keeps a session alive, also when many requests come at once', async () => {
  // Every access token counts as expired at once; the provider takes each refresh token only once.
  const gateway = await it.start(policy({ scopes: ['offline_access'], authz_url_params: { prompt: 'consent' } }), { accessToken: 2 });
  const page = await (await it.context()).newPage();
  await page.goto(`${gateway.url}/`);
  await logIn(page, 'ann');
  await page.waitForURL(`${gateway.url}/`);
  const first = await shown(page);
  assert.ok(first.oidc.refresh_token);
  const tokens = await page.evaluate(async () => {
    const answers = await Promise.all([1, 2, 3, 4, 5].map((n) => fetch(`/${n}`)));
    return Promise.all(answers.map(async (answer) => [answer.status, (await answer.json()).oidc.access_token]));
  });
  assert.deepEqual(tokens.map(([status]) => status), [200, 200, 200, 200, 200]);
  assert.ok(tokens.every(([, token]) => token && token !== first.oidc.access_token));
  for (let n = 0; n < 3; n++) await page.goto(`${gateway.url}/again`);
  const last = await shown(page);
  assert.equal(last.oidc.identity.current_session_id, first.oidc.identity.current_session_id);
  assert.notEqual(last.oidc.refresh_token, first.oidc.refresh_token);
});

test('who is gone at the provider does not stay', async () => {
  const gateway = await it.start(policy({ userinfo_refresh_interval: '1s' }), { client: { token_endpoint_auth_method: 'client_secret_post' } });
  const page = await (await it.context()).newPage();
  await page.goto(`${gateway.url}/`);
  await logIn(page, 'bob');
  await page.waitForURL(`${gateway.url}/`);
  assert.equal((await shown(page)).oidc.identity.email, 'bob@example.com');
  // He is sent to the provider, whose page still knows him; but it tells nothing of him any more.
  it.gone.add('bob');
  while (page.url() === `${gateway.url}/`) await page.goto(`${gateway.url}/`);
  assert.equal(await page.innerText('h1'), 'Login failed');
  assert.match(await page.innerText('body'), /does not accept the login any more[^]*ERR_NGROK_3163/);
});

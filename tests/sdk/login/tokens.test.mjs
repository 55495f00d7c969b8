// Tokens of the same provider, at an API that no browser comes to: `jwt-validation` with the provider's own keys.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLIENT, logIn, world } from './harness.mjs';

const it = world();

/** Pages behind a login, an API behind tokens. */
const rules = (issuer) => [
  {
    expressions: ["req.url.path.startsWith('/api')"],
    actions: [
      {
        type: 'jwt-validation',
        config: {
          issuer: { allow_list: [{ value: issuer }] },
          audience: { allow_list: [{ value: 'api' }, { value: CLIENT.id }] },
          http: { tokens: [{ type: 'jwt', method: 'header', name: 'Authorization', prefix: 'Bearer ' }] },
          jws: { allowed_algorithms: ['RS256', 'ES256'], keys: { sources: { additional_jkus: [`${issuer}/jwks`] } } },
        },
      },
      { type: 'custom-response', config: { body: '${actions.ngrok.jwt_validation.tokens[0].payload}' } },
    ],
  },
  { type: 'openid-connect', config: { issuer_url: issuer, client_id: CLIENT.id, client_secret: CLIENT.secret } },
  { type: 'custom-response', config: { body: '${actions.ngrok.oidc.identity_token}' } },
];

const api = (gateway, token) => fetch(`${gateway.url}/api`, { method: 'POST', headers: token ? { authorization: `Bearer ${token}` } : {} });

test('an access token that a program got for itself', async () => {
  const gateway = await it.start(rules);
  const { id, secret } = CLIENT;
  const basic = Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64');
  const answer = await fetch(`${it.issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${basic}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', resource: 'https://api.example', scope: 'read' }),
  });
  const { access_token: token } = await answer.json();
  const good = await api(gateway, token);
  assert.equal(good.status, 200);
  const claims = await good.json();
  assert.deepEqual([claims.aud, claims.client_id, claims.scope], ['api', CLIENT.id, 'read']);
  assert.equal((await api(gateway)).status, 401);
  const [head, body, signature] = token.split('.');
  assert.equal((await api(gateway, `${head}.${body}.${signature.slice(0, -4)}AAAA`)).status, 401);
});

test("an identity token of a browser's login", async () => {
  const gateway = await it.start(rules);
  const page = await (await it.context()).newPage();
  await page.goto(`${gateway.url}/`);
  await logIn(page, 'ann');
  await page.waitForURL(`${gateway.url}/`);
  const good = await api(gateway, await page.innerText('body'));
  assert.equal(good.status, 200);
  assert.equal((await good.json()).sub, 'ann');
});

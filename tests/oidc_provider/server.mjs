// The certified oidc-provider and an API beside it, on two ports of 127.0.0.1, for tests.
//
// Both take DPoP proofs alone, with nonces (RFC 9449). Refresh tokens rotate, and a second use of
// one revokes all that came of the login. Clients are public, or sign (private_key_jwt).
//
// Reads one line of JSON, {"jwk": the signing clients' public key}; prints one with the URLs; ends
// with its standard input. OIDC_PROVIDER names the folder that has node_modules.

import * as crypto from 'node:crypto';
import * as http from 'node:http';
import { createRequire } from 'node:module';
import * as path from 'node:path';
import * as readline from 'node:readline';
import { pathToFileURL } from 'node:url';

const folder = createRequire(path.join(process.env.OIDC_PROVIDER, 'package.json'));
const load = (name, from = folder) => import(pathToFileURL(from.resolve(name)));

const { default: Provider } = await load('oidc-provider');
const within = createRequire(folder.resolve('oidc-provider'));
const { EmbeddedJWK, calculateJwkThumbprint, jwtVerify } = await load('jose', within);

const lines = readline.createInterface({ input: process.stdin });
const { jwk } = JSON.parse(await new Promise((resolve) => { lines.once('line', resolve); }));
lines.once('close', () => process.exit());

const listen = (server) => new Promise((resolve) => {
  server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}`));
});
const issuerServer = http.createServer();
const apiServer = http.createServer();
const [issuer, api] = [await listen(issuerServer), await listen(apiServer)];

// --- The provider --------------------------------------------------------------------------------

const redirect = 'http://127.0.0.1/callback'; // nobody is there: the code is read out of the URL
const bound = { dpop_bound_access_tokens: true };
const signs = {
  token_endpoint_auth_method: 'private_key_jwt',
  token_endpoint_auth_signing_alg: 'ES256',
  jwks: { keys: [jwk] },
};
const codeFlow = {
  application_type: 'native',
  grant_types: ['authorization_code', 'refresh_token'],
  redirect_uris: [redirect],
  response_types: ['code'],
};
const ownGrant = {
  grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
};

const provider = new Provider(issuer, {
  clients: [
    { client_id: 'public', token_endpoint_auth_method: 'none', ...codeFlow, ...bound },
    { client_id: 'signed', ...signs, ...codeFlow, ...bound },
    { client_id: 'machine', ...signs, ...ownGrant, ...bound },
  ],
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  claims: { openid: ['sub'] },
  scopes: ['openid', 'offline_access', 'read'],
  features: {
    clientCredentials: { enabled: true },
    dPoP: { enabled: true, nonceSecret: crypto.randomBytes(32), requireNonce: () => true },
    devInteractions: { enabled: true },
  },
  cookies: { keys: ['only for tests'] },
  jwks: {
    keys: [{
      ...crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
        .export({ format: 'jwk' }),
      use: 'sig',
    }],
  },
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: true,
  ttl: { AccessToken: 300, ClientCredentials: 300, RefreshToken: 3600 },
});

// --- What tests see and do -----------------------------------------------------------------------

const seen = [];
const accessTokens = new Set();
const refreshTokens = new Set();
provider.on('access_token.saved', (token) => accessTokens.add(token));
provider.on('client_credentials.saved', (token) => accessTokens.add(token));
provider.on('refresh_token.saved', (token) => refreshTokens.add(token));

const destroy = async (tokens) => {
  await Promise.all([...tokens].map((token) => token.destroy()));
  tokens.clear();
};

const control = async (request, answer) => {
  if (request.url === '/_expire') {
    await destroy(accessTokens);
  } else if (request.url === '/_revoke') {
    await destroy(refreshTokens);
  } else if (request.method === 'DELETE') {
    seen.length = 0;
  }
  answer.setHeader('Content-Type', 'application/json').end(JSON.stringify(seen));
};

const claimsIn = (jwt) => (jwt ? JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url')) : {});

const record = (request, answer) => {
  const { pathname } = new URL(request.url, issuer);
  const { jti, nonce } = claimsIn(request.headers.dpop);
  answer.once('finish', () => {
    seen.push({ path: pathname, status: answer.statusCode, jti: jti ?? null, nonce: nonce ?? null });
  });
};

const callback = provider.callback();
issuerServer.on('request', (request, answer) => {
  if (request.url.startsWith('/_')) {
    control(request, answer);
    return;
  }
  record(request, answer);
  callback(request, answer);
});

// --- The API -------------------------------------------------------------------------------------

const jtis = new Set();
let nonce = crypto.randomUUID();

class Refused extends Error {}

const findToken = async (value) => (await provider.AccessToken.find(value))
  ?? provider.ClientCredentials.find(value);

// RFC 9449 §4.3 and §7, step by step.
const check = async (request) => {
  const [scheme, access] = (request.headers.authorization ?? '').split(' ');
  if (scheme !== 'DPoP' || !access) {
    throw new Refused('invalid_token');
  }
  let proof;
  try {
    proof = await jwtVerify(request.headers.dpop, EmbeddedJWK, { typ: 'dpop+jwt' });
  } catch {
    throw new Refused('invalid_dpop_proof');
  }
  const { payload, protectedHeader } = proof;
  const isRight = payload.htm === request.method
    && payload.htu === new URL(new URL(request.url, api).pathname, api).href
    && Math.abs(payload.iat - Date.now() / 1000) < 60
    && payload.ath === crypto.createHash('sha256').update(access).digest('base64url')
    && !jtis.has(payload.jti);
  if (!isRight) {
    throw new Refused('invalid_dpop_proof');
  }
  jtis.add(payload.jti);
  if (payload.nonce !== nonce) {
    throw new Refused('use_dpop_nonce');
  }
  const token = await findToken(access);
  if (!token?.isValid || token.jkt !== await calculateJwkThumbprint(protectedHeader.jwk)) {
    throw new Refused('invalid_token');
  }
  return token;
};

apiServer.on('request', async (request, answer) => {
  if (request.url === '/_rotate') {
    nonce = crypto.randomUUID();
    answer.end();
    return;
  }
  record(request, answer);
  request.resume();
  answer.setHeader('Content-Type', 'application/json').setHeader('DPoP-Nonce', nonce);
  try {
    const token = await check(request);
    answer.end(JSON.stringify({ user: token.accountId ?? token.clientId }));
  } catch (error) {
    if (!(error instanceof Refused)) {
      throw error;
    }
    answer.setHeader('WWW-Authenticate', `DPoP error="${error.message}", algs="ES256"`);
    answer.writeHead(401).end(JSON.stringify({ error: error.message }));
  }
});

console.log(JSON.stringify({ issuer, api, redirect }));

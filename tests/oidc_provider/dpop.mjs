// The certified oidc-provider and an API beside it, on two ports of 127.0.0.1, for tests.
//
// Both take DPoP proofs alone, with nonces (RFC 9449). Refresh tokens rotate, and a second use of
// one revokes all that came of the login. Clients are public, or sign (private_key_jwt).
//
// Its option is "jwk", the signing clients' public key; common.mjs says how it starts.

import * as crypto from 'node:crypto';
import {
  Provider, findAccount, jose, listen, makeKeys, readOptions, record, serve,
} from './common.mjs';

const { EmbeddedJWK, calculateJwkThumbprint, jwtVerify } = jose;
const { jwk } = await readOptions();
const [issuerServer, issuer] = await listen();
const [apiServer, api] = await listen();

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
  jwks: makeKeys(),
  findAccount,
  issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: true,
  ttl: { AccessToken: 300, ClientCredentials: 300, RefreshToken: 3600 },
});

serve(issuerServer, provider);

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

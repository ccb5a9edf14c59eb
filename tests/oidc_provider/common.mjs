// What the providers of this folder share: how they start, and what tests see of them and tell them.
//
// Each reads one line of JSON, its options; prints one with the URLs; ends with its standard input.
// OIDC_PROVIDER names the folder that has node_modules.

import * as crypto from 'node:crypto';
import * as http from 'node:http';
import { createRequire } from 'node:module';
import * as path from 'node:path';
import * as readline from 'node:readline';
import { pathToFileURL } from 'node:url';

const folder = createRequire(path.join(process.env.OIDC_PROVIDER, 'package.json'));
const load = (name, from = folder) => import(pathToFileURL(from.resolve(name)));

export const { default: Provider } = await load('oidc-provider');
const within = createRequire(folder.resolve('oidc-provider'));
export const jose = await load('jose', within);

export const readOptions = async () => {
  const lines = readline.createInterface({ input: process.stdin });
  const line = await new Promise((resolve) => { lines.once('line', resolve); });
  lines.once('close', () => process.exit());
  return JSON.parse(line);
};

// A server on a free port of 127.0.0.1, and its URL.
export const listen = (server = http.createServer()) => new Promise((resolve) => {
  server.listen(0, '127.0.0.1', () => {
    resolve([server, `http://127.0.0.1:${server.address().port}`]);
  });
});

export const makeKeys = () => ({
  keys: [{
    ...crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
      .export({ format: 'jwk' }),
    use: 'sig',
  }],
});

export const findAccount = (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) });

const destroy = async (tokens) => {
  await Promise.all([...tokens].map((token) => token.destroy()));
  tokens.clear();
};

const claimsIn = (jwt) => (jwt ? JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url')) : {});

const seen = [];

export const record = (request, answer) => {
  const { pathname } = new URL(request.url, 'http://127.0.0.1');
  const { jti, nonce } = claimsIn(request.headers.dpop);
  answer.once('finish', () => {
    seen.push({ path: pathname, status: answer.statusCode, jti: jti ?? null, nonce: nonce ?? null });
  });
};

// Have the server answer as the provider does, and tests at /_seen, /_expire and /_revoke.
export const serve = (server, provider) => {
  const accessTokens = new Set();
  const refreshTokens = new Set();
  provider.on('access_token.saved', (token) => accessTokens.add(token));
  provider.on('client_credentials.saved', (token) => accessTokens.add(token));
  provider.on('refresh_token.saved', (token) => refreshTokens.add(token));

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

  const callback = provider.callback();
  server.on('request', (request, answer) => {
    if (request.url.startsWith('/_')) {
      control(request, answer);
      return;
    }
    record(request, answer);
    callback(request, answer);
  });
};

// The certified oidc-provider with all that a login without set-up needs, and an API beside it, on
// two ports of 127.0.0.1, for tests: discovery, dynamic registration, the authorization code flow
// with PKCE, the device flow, revocation and logout; the API's 401 leads to the provider.
//
// Bearer tokens. Refresh tokens are given for offline_access, and rotate. Two clients are there
// already: "public", and "confidential" with the secret "confidential-secret".
//
// Its options are "redirect_uris" of these clients; common.mjs says how it starts.

import {
  Provider, findAccount, listen, makeKeys, readOptions, record, serve,
} from './common.mjs';

const options = await readOptions();
const [issuerServer, issuer] = await listen();
const [apiServer, api] = await listen();

const redirect = 'http://127.0.0.1/callback';
const redirects = options.redirect_uris ?? [redirect];
const codeFlow = {
  application_type: 'native',
  grant_types: [
    'authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code',
  ],
  redirect_uris: redirects,
  post_logout_redirect_uris: redirects,
  response_types: ['code'],
};

const provider = new Provider(issuer, {
  clients: [
    { client_id: 'public', token_endpoint_auth_method: 'none', ...codeFlow },
    { client_id: 'confidential', client_secret: 'confidential-secret', ...codeFlow },
  ],
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  claims: { openid: ['sub'] },
  scopes: ['openid', 'offline_access', 'read'],
  clientBasedCORS: () => false,
  features: {
    deviceFlow: { enabled: true },
    devInteractions: { enabled: true },
    registration: { enabled: true },
    revocation: { enabled: true },
    rpInitiatedLogout: { enabled: true },
  },
  cookies: { keys: ['only for tests'] },
  jwks: makeKeys(),
  findAccount,
  pkce: { required: () => true },
  rotateRefreshToken: true,
  ttl: { AccessToken: 300, RefreshToken: 3600, IdToken: 300 },
});

serve(issuerServer, provider);

// --- The API (RFC 6750 §3, RFC 9728) -------------------------------------------------------------

const wellKnown = '/.well-known/oauth-protected-resource';

const findUser = async (request) => {
  const [scheme, access] = (request.headers.authorization ?? '').split(' ');
  if (scheme !== 'Bearer' || !access) {
    return undefined;
  }
  const token = await provider.AccessToken.find(access);
  return token?.isValid ? token.accountId : undefined;
};

apiServer.on('request', async (request, answer) => {
  const { pathname } = new URL(request.url, api);
  record(request, answer);
  request.resume();
  answer.setHeader('Content-Type', 'application/json');
  if (pathname.startsWith(wellKnown)) {
    answer.end(JSON.stringify({
      resource: api + pathname.slice(wellKnown.length),
      authorization_servers: [issuer],
      bearer_methods_supported: ['header'],
    }));
    return;
  }
  const user = await findUser(request);
  if (user !== undefined) {
    answer.end(JSON.stringify({ user }));
    return;
  }
  const error = request.headers.authorization ? 'error="invalid_token", ' : '';
  const document = api + wellKnown + (pathname === '/' ? '' : pathname);
  answer.setHeader('WWW-Authenticate', `Bearer ${error}resource_metadata="${document}"`);
  answer.writeHead(401).end(JSON.stringify({ error: 'invalid_token' }));
});

console.log(JSON.stringify({ issuer, api, redirect }));

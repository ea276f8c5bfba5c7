// Tokens made by npm `jose` for tests: signed, and encrypted in each way that `decryption-keys` documents.
//
// Argument: a PEM file with the certificate whose RSA key opens some of them. Prints one line of JSON: the secrets in
// base64 and the tokens by name; `stranger`, `unsigned` and `claims` are to be refused.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { CompactEncrypt, EncryptJWT, SignJWT, UnsecuredJWT, importX509 } from 'jose';

const pem = readFileSync(process.argv[2], 'utf8');
const [signing, short, long, other] = [32, 16, 32, 32].map((length) => randomBytes(length));
const make = (Kind) => new Kind({ sub: 'ann' }).setAudience('api://orders').setExpirationTime('10m');
const plain = await make(SignJWT).setProtectedHeader({ alg: 'HS256' }).sign(signing);
const seal = (text, alg, enc, key) => new CompactEncrypt(new TextEncoder().encode(text))
  .setProtectedHeader({ alg, enc, cty: 'JWT' }).encrypt(key);
const tokens = {
  plain,
  'RSA-OAEP': await seal(plain, 'RSA-OAEP', 'A256GCM', await importX509(pem, 'RSA-OAEP')),
  'RSA-OAEP-256': await seal(plain, 'RSA-OAEP-256', 'A128CBC-HS256', await importX509(pem, 'RSA-OAEP-256')),
  dir: await seal(plain, 'dir', 'A256GCM', long),
  A128KW: await seal(plain, 'A128KW', 'A256CBC-HS512', short),
  A256KW: await seal(plain, 'A256KW', 'A192GCM', long),
  stranger: await seal(plain, 'dir', 'A256GCM', other),
  unsigned: await seal(make(UnsecuredJWT).encode(), 'dir', 'A256GCM', long),
  claims: await make(EncryptJWT).setProtectedHeader({ alg: 'dir', enc: 'A256GCM' }).encrypt(long),
};
const text = (bytes) => bytes.toString('base64');
console.log(JSON.stringify({ signing: text(signing), short: text(short), long: text(long), tokens }));

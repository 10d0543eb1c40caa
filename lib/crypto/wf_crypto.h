/* L1: cryptography. The only user of OpenSSL and libargon2. DESIGN.md section 6.
 * Nothing here logs or keeps a secret outside the buffers it says it fills. */
#ifndef WF_CRYPTO_H
#define WF_CRYPTO_H

#include "base/wf_base.h"

/* ---- hashes, constant time, wiping -------------------------------------------------------- */

#define WF_SHA256_LEN 32

void wf_sha256(unsigned char out[WF_SHA256_LEN], const void *data, size_t len);
/* Lower-case hex in `pool`. */
char *wf_sha256_hex(apr_pool_t *pool, const void *data, size_t len);
void wf_hmac_sha256(unsigned char out[WF_SHA256_LEN], const void *key, size_t key_len,
                    const void *data, size_t len);
/* SHA-256 of what comes piece by piece, or its HMAC; freed with the pool. */
typedef struct wf_hash_t wf_hash_t;
wf_hash_t *wf_hash_make(apr_pool_t *pool);
wf_hash_t *wf_hash_make_hmac(apr_pool_t *pool, const void *key, size_t key_len);
void wf_hash_add(wf_hash_t *hash, const void *data, size_t len);
/* Once, as the last call. */
void wf_hash_end(wf_hash_t *hash, unsigned char out[WF_SHA256_LEN]);
/* 1 if equal, in time that depends on len only. NULL equals nothing, not even NULL. */
int wf_ct_equal(const void *a, const void *b, size_t len);
/* OPENSSL_cleanse. */
void wf_wipe(void *data, size_t len);
/* Pool memory that is wiped when the pool goes. */
void *wf_secret_alloc(apr_pool_t *pool, size_t len);

/* A secret in pool memory that is wiped with the pool. NUL-terminated after `len`. */
typedef struct {
    unsigned char *data;
    size_t len;
} wf_secret_t;

/* X-Hub-Signature-256 (WHATSAPP.md 1.3): 1 if `header` is "sha256=" and 64 hex digits (either
 * case) of the HMAC of the body with the secret. NULL header or empty secret: 0. */
int wf_hub_signature_ok(const char *header, const void *body, size_t body_len, const void *secret,
                        size_t secret_len);

/* HS256 JWT (WHATSAPP.md 1.18): on success the decoded payload text in ctx->pool, NUL-terminated.
 * Expected failure: WF_EDENIED for any other alg, a bad MAC, bad form or an empty key. */
wf_status_t wf_jwt_hs256_open(wf_ctx_t *ctx, wf_slice_t *payload, const char *jwt, const void *key,
                              size_t key_len) WF_MUST_CHECK;

/* ---- JSON Web Tokens (RFC 7515, 7518, 7519) ------------------------------------------------- */

typedef enum { WF_JWT_HS256, WF_JWT_RS256, WF_JWT_ES256 } wf_jwt_alg_t;
#define WF_JWT_SECRET_MIN 32 /* bytes; RFC 7518 section 3.2 */

/* In ctx->pool, wiped or freed with it; immutable, for any thread. `kid` NULL: the key has no name. */
typedef struct wf_jwt_key_t wf_jwt_key_t;
/* Expected failure: WF_EINVALID (a secret that is too short; no usable public key). `kid` is put into the header as
 * it stands: letters, digits and _.- only. */
wf_status_t wf_jwt_key_hmac(wf_ctx_t *ctx, wf_jwt_key_t **out, const char *kid, const void *secret,
                            size_t len) WF_MUST_CHECK;
/* Of a JWK's decoded members: n and e; x and y of P-256. */
wf_status_t wf_jwt_key_rsa(wf_ctx_t *ctx, wf_jwt_key_t **out, const char *kid, wf_slice_t n,
                           wf_slice_t e) WF_MUST_CHECK;
wf_status_t wf_jwt_key_ec(wf_ctx_t *ctx, wf_jwt_key_t **out, const char *kid, wf_slice_t x,
                          wf_slice_t y) WF_MUST_CHECK;
/* The payload of a token that one of the keys signed, NUL-terminated in ctx->pool; its claims are the caller's to
 * check. A kid in the token picks the keys that are tried, and each key's own algorithm must be the one
 * that the token names: a token cannot choose how it is checked. Expected failure: WF_EDENIED. */
wf_status_t wf_jwt_open(wf_ctx_t *ctx, wf_slice_t *payload, const char *jwt,
                        const wf_jwt_key_t *const *keys, int count) WF_MUST_CHECK;
/* The kid that a token names, which nobody has verified, in `pool`; NULL: none, or no token. */
const char *wf_jwt_kid(apr_pool_t *pool, const char *jwt);
const char *wf_jwt_key_id(const wf_jwt_key_t *key); /* its kid; NULL: none */
/* With an HS256 key; NULL with any other. */
const char *wf_jwt_sign(apr_pool_t *pool, const wf_jwt_key_t *key, const char *payload, size_t len);

/* ---- master keys, data keys, sealed columns ----------------------------------------------- */

/* Immutable after it is made; any thread may use it. Lives in the pool it was made in, wiped with
 * it. The first key is the primary: new data keys are wrapped by it. */
typedef struct wf_keyring_t wf_keyring_t;

typedef struct {
    const char *id; /* [A-Za-z0-9_.-]{1,32} */
    unsigned char key[32];
} wf_master_key_t;

/* Expected failure: WF_EINVALID (no key, two with one id, bad id). */
wf_status_t wf_keyring_make(wf_ctx_t *ctx, wf_keyring_t **out, const wf_master_key_t *keys,
                            int count) WF_MUST_CHECK;
const char *wf_keyring_primary_id(const wf_keyring_t *ring);
/* A key of its own for `purpose`, out of the primary: another one after the primary has changed. */
void wf_keyring_derive(unsigned char out[WF_SHA256_LEN], const wf_keyring_t *ring,
                       const char *purpose);
/* Base64 text of 32 bytes (white space around it is trimmed) to a key. WF_EINVALID otherwise. */
wf_status_t wf_master_key_parse(wf_ctx_t *ctx, wf_master_key_t *out, const char *id,
                                const char *base64) WF_MUST_CHECK;
/* Base64 of 32 random bytes. */
wf_status_t wf_master_key_generate(wf_ctx_t *ctx, const char **base64) WF_MUST_CHECK;

/* "wfs1:<master id>:<base64url of data>:<base64url of its HMAC>": what this installation states and others keep,
 * under a key that is derived from the primary for this purpose alone. */
const char *wf_ring_sign(apr_pool_t *pool, const wf_keyring_t *ring, const char *purpose,
                         const void *data, size_t len);
/* What was signed, in ctx->pool with a NUL after it. Expected failures: WF_EINVALID (form), WF_ENOTFOUND (its
 * master key is not in the ring), WF_EDENIED (not signed so). */
wf_status_t wf_ring_check(wf_ctx_t *ctx, wf_slice_t *data, const wf_keyring_t *ring,
                          const char *purpose, const char *text) WF_MUST_CHECK;

/* A company's data key in clear, on the stack or in secret memory for the length of a request. */
typedef struct {
    char id[WF_UUID_LEN + 1];
    unsigned char key[32];
} wf_data_key_t;

/* Makes a data key for a company and its wrapped form "wk1:<master id>:<base64(nonce|ct|tag)>".
 * Additional data: "data_keys|<company_id>|<data key id>". */
wf_status_t wf_data_key_generate(wf_ctx_t *ctx, wf_data_key_t *out, const char **wrapped,
                                 const wf_keyring_t *ring, const char *company_id) WF_MUST_CHECK;
/* Expected failures: WF_EINVALID (not this form), WF_ENOTFOUND (its master key is not in the
 * ring; err says which id), WF_EDENIED (does not decrypt: another company's, or changed). */
wf_status_t wf_data_key_unwrap(wf_ctx_t *ctx, wf_data_key_t *out, const wf_keyring_t *ring,
                               const char *company_id, const char *data_key_id,
                               const char *wrapped) WF_MUST_CHECK;
/* The same key wrapped by the primary. */
wf_status_t wf_data_key_rewrap(wf_ctx_t *ctx, const char **rewrapped, const wf_keyring_t *ring,
                               const char *company_id, const char *data_key_id,
                               const char *wrapped) WF_MUST_CHECK;
/* The id of the master key that wrapped it, in ctx->pool; NULL if not of this form. */
const char *wf_data_key_master_id(apr_pool_t *pool, const char *wrapped);

/* Where a sealed value lives; it decrypts nowhere else. */
typedef struct {
    const char *table;
    const char *column;
    const char *company_id;
    const char *row_id;
} wf_seal_place_t;

/* "wf1:<data key id>:<base64(nonce|ct|tag)>", AES-256-GCM, 12-byte random nonce, additional data
 * "table|column|company_id|row id". */
wf_status_t wf_seal(wf_ctx_t *ctx, const char **sealed, const wf_data_key_t *key,
                    const wf_seal_place_t *place, const void *plain, size_t len) WF_MUST_CHECK;
/* Expected failures: WF_EINVALID (form), WF_EDENIED (does not decrypt here). */
wf_status_t wf_unseal(wf_ctx_t *ctx, wf_secret_t *out, const wf_data_key_t *key,
                      const wf_seal_place_t *place, const char *sealed) WF_MUST_CHECK;

/* ---- RSA (WHATSAPP.md 1.4, 1.5) ----------------------------------------------------------- */

/* A parsed private key; freed and wiped with the pool, unless a wf_rsa_cache_t or a request that
 * found it there still holds it. Decryption may be called from several threads at once. */
typedef struct wf_rsa_key_t wf_rsa_key_t;

/* PEM in any of the four forms of WHATSAPP.md 1.4, or DER (PKCS#1 or PKCS#8). A PEM with literal
 * "\n" or stray white space is mended first. `passphrase` may be NULL. Expected failures:
 * WF_EINVALID (not a key, not RSA, not 2048 to 4096 bits, numbers that do not belong together, an
 * encryption that is not offered), WF_EDENIED (wrong or missing passphrase); the public text says
 * which. Line ends after the passphrase are ignored unless they belong to it. Never asks on the
 * terminal. */
wf_status_t wf_rsa_parse(wf_ctx_t *ctx, wf_rsa_key_t **out, const void *data, size_t len,
                         const char *passphrase) WF_MUST_CHECK;
wf_status_t wf_rsa_generate(wf_ctx_t *ctx, wf_rsa_key_t **out) WF_MUST_CHECK; /* 2048 bits */
/* PKCS#8 DER in secret memory. */
wf_status_t wf_rsa_private_der(wf_ctx_t *ctx, wf_secret_t *out,
                               const wf_rsa_key_t *key) WF_MUST_CHECK;
/* SubjectPublicKeyInfo PEM, as Meta's API takes it. */
wf_status_t wf_rsa_public_pem(wf_ctx_t *ctx, const char **pem,
                              const wf_rsa_key_t *key) WF_MUST_CHECK;
size_t wf_rsa_size(const wf_rsa_key_t *key); /* modulus bytes */
/* 1 if two public PEMs are one key, however their lines are broken. NULL, or no key: 0. */
int wf_rsa_public_equal(const char *pem, const char *other);

/* OAEP, SHA-256 for both hashes, empty label. `out` holds wf_rsa_size bytes; *out_len is set.
 * Expected failure: WF_EDENIED. Every failure of padding looks and costs the same. */
wf_status_t wf_rsa_decrypt(wf_ctx_t *ctx, unsigned char *out, size_t *out_len,
                           const wf_rsa_key_t *key, const void *data, size_t len) WF_MUST_CHECK;
/* With a public key PEM (for wflowsctl send). Expected failure: WF_EINVALID. */
wf_status_t wf_rsa_encrypt(wf_ctx_t *ctx, unsigned char **out, size_t *out_len, const char *pem,
                           const void *data, size_t len) WF_MUST_CHECK;

/* DESIGN.md section 5: bounded table of parsed keys for one child process. A slot is used only if
 * its fingerprint (SHA-256 of what the record just read holds) is the asked one; a replaced slot's
 * key is freed and wiped when its last user is done. Thread-safe. `slots` is rounded up to a power
 * of two, at least 16: the fingerprint picks a set of 16 slots, in which the key that was used
 * longest ago makes room. Make it larger than the number of keys in daily use; a slot costs 50
 * bytes, a key in it 7 kB. */
typedef struct wf_rsa_cache_t wf_rsa_cache_t;
wf_status_t wf_rsa_cache_make(wf_ctx_t *ctx, wf_rsa_cache_t **out, apr_pool_t *pool,
                              int slots) WF_MUST_CHECK;
/* The key with this fingerprint, which stays valid until ctx->pool goes; NULL: not there, and then
 * the caller parses it and saves it. */
wf_rsa_key_t *wf_rsa_cache_find(wf_ctx_t *ctx, wf_rsa_cache_t *cache,
                                const unsigned char fingerprint[WF_SHA256_LEN]);
void wf_rsa_cache_save(wf_ctx_t *ctx, wf_rsa_cache_t *cache,
                       const unsigned char fingerprint[WF_SHA256_LEN], wf_rsa_key_t *key);

/* ---- AES-GCM with Meta's 16-byte IV (used by lib/flow/wf_envelope) -------------------------- */

#define WF_GCM_TAG_LEN 16

/* `key_len` 16, 24 or 32; `iv_len` 12 or 16. `out` holds len bytes (decrypt: len without the tag,
 * encrypt: len plus the tag); it may be `data` itself, and is wiped when decryption fails. Expected
 * failure of decrypt: WF_EDENIED. */
wf_status_t wf_gcm_decrypt(wf_ctx_t *ctx, unsigned char *out, const unsigned char *key,
                           size_t key_len, const unsigned char *iv, size_t iv_len,
                           const unsigned char *data, size_t len) WF_MUST_CHECK;
wf_status_t wf_gcm_encrypt(wf_ctx_t *ctx, unsigned char *out, const unsigned char *key,
                           size_t key_len, const unsigned char *iv, size_t iv_len,
                           const unsigned char *data, size_t len) WF_MUST_CHECK;

/* ---- files (WHATSAPP.md 3.3; our own form of them) ------------------------------------------ */

#define WF_MEDIA_KEY_LEN 32
#define WF_MEDIA_IV_LEN 16
#define WF_MEDIA_MAC_LEN 10

/* encryption_metadata, decoded. */
typedef struct {
    unsigned char encrypted_hash[WF_SHA256_LEN], plaintext_hash[WF_SHA256_LEN];
    unsigned char iv[WF_MEDIA_IV_LEN];
    unsigned char encryption_key[WF_MEDIA_KEY_LEN], hmac_key[WF_MEDIA_KEY_LEN];
} wf_media_keys_t;

/* First pass over a file as WhatsApp's CDN has it, in pieces of any length: its hash and its MAC.
 * Nothing may be decrypted before `end` has said WF_OK; else WF_EDENIED, whose public text names the
 * check that failed. `keys` must live as long; *cipher_len of `end` is the file without its MAC. */
typedef struct wf_media_check_t wf_media_check_t;
wf_media_check_t *wf_media_check_make(apr_pool_t *pool, const wf_media_keys_t *keys);
void wf_media_check_add(wf_media_check_t *check, const void *data, size_t len);
wf_status_t wf_media_check_end(wf_ctx_t *ctx, uint64_t *cipher_len,
                               wf_media_check_t *check) WF_MUST_CHECK;

/* Second pass, over the first `cipher_len` bytes: plaintext goes to `sink` in pieces. It may be used
 * once `end` has said WF_OK (padding and hash); until then it is to be kept apart. Expected failure
 * of `end`: WF_EDENIED, with a public text. */
typedef struct wf_media_decrypt_t wf_media_decrypt_t;
wf_status_t wf_media_decrypt_make(wf_ctx_t *ctx, wf_media_decrypt_t **out,
                                  const wf_media_keys_t *keys, wf_bytes_fn *sink,
                                  void *baton) WF_MUST_CHECK;
wf_status_t wf_media_decrypt_add(wf_ctx_t *ctx, wf_media_decrypt_t *decrypt, const void *data,
                                 size_t len) WF_MUST_CHECK;
wf_status_t wf_media_decrypt_end(wf_ctx_t *ctx, wf_media_decrypt_t *decrypt) WF_MUST_CHECK;

/* Our own form of a file: "wff1", then pieces of WF_VAULT_CHUNK bytes, each AES-256-GCM with the number
 * of the piece as nonce and number, place and whether it is the last one as additional data: a file
 * that is cut, put together anew or another's does not open. The key is made for one file and seals
 * nothing else, because the nonces are counted. */
#define WF_VAULT_CHUNK 65536
#define WF_VAULT_KEY_LEN 32

typedef struct wf_vault_t wf_vault_t;
/* `key` is copied and wiped with ctx->pool; the sealed file goes to `sink`. */
wf_status_t wf_vault_seal(wf_ctx_t *ctx, wf_vault_t **out, const unsigned char key[WF_VAULT_KEY_LEN],
                          const wf_seal_place_t *place, wf_bytes_fn *sink,
                          void *baton) WF_MUST_CHECK;
/* The other way: plaintext goes to `sink`, every piece of it proven; that the whole was there is
 * proven by `end`. Expected failure of `add` and `end`: WF_EDENIED. */
wf_status_t wf_vault_open(wf_ctx_t *ctx, wf_vault_t **out, const unsigned char key[WF_VAULT_KEY_LEN],
                          const wf_seal_place_t *place, wf_bytes_fn *sink,
                          void *baton) WF_MUST_CHECK;
wf_status_t wf_vault_add(wf_ctx_t *ctx, wf_vault_t *vault, const void *data,
                         size_t len) WF_MUST_CHECK;
wf_status_t wf_vault_end(wf_ctx_t *ctx, wf_vault_t *vault) WF_MUST_CHECK;

/* ---- passwords and API keys --------------------------------------------------------------- */

/* argon2id, encoded form. Takes tens of milliseconds and 19 MiB. Expected failure: WF_EINVALID
 * (over 1024 bytes). */
wf_status_t wf_password_hash(wf_ctx_t *ctx, const char **encoded,
                             const char *password) WF_MUST_CHECK;
/* Expected failure: WF_EDENIED. */
wf_status_t wf_password_verify(wf_ctx_t *ctx, const char *encoded,
                               const char *password) WF_MUST_CHECK;

#endif

/* Private to lib/crypto. */
#ifndef WF_CRYPTO_INT_H
#define WF_CRYPTO_INT_H

#include "crypto/wf_crypto.h"

#include <openssl/evp.h>

/* OpenSSL 3 looks an algorithm up by name on every use of EVP_sha256() and the like, which costs
 * more than hashing a short text. These are looked up once, at the first use in a process, and are
 * never changed or freed afterwards. They are the only statics of this library. A member is NULL
 * where OpenSSL's configuration does not offer the algorithm. */
typedef struct {
    EVP_MD *sha256;
    EVP_CIPHER *aes_128_gcm;
    EVP_CIPHER *aes_192_gcm;
    EVP_CIPHER *aes_256_gcm;
    EVP_CIPHER *aes_256_cbc;
} wf_algorithms_t;

const wf_algorithms_t *wf_algorithms(void);

/* Fails with WF_EINTERNAL, names what failed and OpenSSL's newest reason, empties its error queue.
 */
wf_status_t wf_openssl_fail(wf_ctx_t *ctx, const char *what);

/* ---- AES-GCM with additional data --------------------------------------------------------- */

typedef struct {
    const unsigned char *key;
    size_t key_len;
    const unsigned char *iv;
    size_t iv_len;
    const void *aad;
    size_t aad_len;
} wf_gcm_params_t;

/* As wf_gcm_decrypt and wf_gcm_encrypt. */
wf_status_t wf_gcm_open(wf_ctx_t *ctx, unsigned char *out, const wf_gcm_params_t *params,
                        const unsigned char *data, size_t len) WF_MUST_CHECK;
wf_status_t wf_gcm_seal(wf_ctx_t *ctx, unsigned char *out, const wf_gcm_params_t *params,
                        const unsigned char *data, size_t len) WF_MUST_CHECK;

/* ---- "<prefix>:<key id>:<base64(nonce|ct|tag)>" ------------------------------------------- */

#define WF_SEALED_NONCE_LEN 12

/* "table|column|company_id|row_id" */
const char *wf_seal_place_text(apr_pool_t *pool, const wf_seal_place_t *place);

/* The parts of such a text, borrowed from it. */
typedef struct {
    wf_slice_t key_id;
    wf_slice_t base64;
} wf_sealed_text_t;

/* 1 if `text` has this prefix and form; the base64 part is not looked at yet. NULL text: 0. */
int wf_sealed_split(wf_sealed_text_t *out, const char *prefix, const char *text);
/* AES-256-GCM with a new random nonce. */
wf_status_t wf_sealed_make(wf_ctx_t *ctx, const char **text, const char *prefix, const char *key_id,
                           const unsigned char key[32], const char *aad, const void *plain,
                           size_t len) WF_MUST_CHECK;
/* Expected failures: WF_EINVALID (not base64, or too short), WF_EDENIED (does not decrypt). */
wf_status_t wf_sealed_open(wf_ctx_t *ctx, wf_secret_t *out, const wf_sealed_text_t *text,
                           const unsigned char key[32], const char *aad) WF_MUST_CHECK;

#endif

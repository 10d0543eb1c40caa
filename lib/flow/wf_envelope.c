#include "flow/wf_flow.h"

#include <string.h>

#define RSA_LEN_MAX 512 /* 4096 bits */
#define DATA_LEN_MIN (WF_GCM_TAG_LEN + 1)
#define USUAL_KEY_LEN 16
#define ENVELOPE_DEPTH 8 /* unknown members may be nested a little */

/* ---- parsing -------------------------------------------------------------------------------- */

enum { PART_DATA, PART_RSA, PART_IV, PARTS };

/* Decodes a member's base64 into the pool; 0 if it is no base64 or its length is out of bounds. */
static int decode(apr_pool_t *pool, unsigned char **out, size_t *out_len, wf_slice_t text,
                  size_t min, size_t max)
{
    unsigned char *data;

    if (text.len / 4 * 3 > max + 2) {
        return 0;
    }
    data = apr_palloc(pool, WF_BASE64_MAX(text.len));
    if (!wf_base64_decode(data, out_len, text.data, text.len) || *out_len < min || *out_len > max) {
        return 0;
    }
    *out = data;
    return 1;
}

static wf_status_t decode_members(wf_ctx_t *ctx, wf_envelope_t *out, const wf_json_part_t *parts)
{
    wf_slice_t data = wf_json_part_str(ctx->pool, &parts[PART_DATA]);
    wf_slice_t rsa = wf_json_part_str(ctx->pool, &parts[PART_RSA]);
    wf_slice_t iv = wf_json_part_str(ctx->pool, &parts[PART_IV]);
    unsigned char *iv_bytes;

    if (!rsa.data || !iv.data || !data.data) {
        return wf_fail(ctx, WF_EINVALID,
                       WFLOGNO(0180) "not an encrypted flow request: encrypted_flow_data, "
                                     "encrypted_aes_key and initial_vector are needed");
    }
    if (!decode(ctx->pool, &out->rsa, &out->rsa_len, rsa, 1, RSA_LEN_MAX) ||
        !decode(ctx->pool, &iv_bytes, &out->iv_len, iv, 12, sizeof(out->iv)) ||
        (out->iv_len != 12 && out->iv_len != 16) ||
        !decode(ctx->pool, &out->data, &out->data_len, data, DATA_LEN_MIN, WF_ENVELOPE_BODY_MAX)) {
        return wf_fail(ctx, WF_EDENIED,
                       WFLOGNO(0181) "encrypted flow request: a member is no base64 or has an "
                                     "impossible length");
    }
    memcpy(out->iv, iv_bytes, out->iv_len);
    out->plain = apr_palloc(ctx->pool, out->data_len);
    return WF_OK;
}

wf_status_t wf_envelope_parse(wf_ctx_t *ctx, wf_envelope_t *out, const char *body, size_t len)
{
    wf_json_part_t parts[PARTS] = {[PART_DATA] = {.name = "encrypted_flow_data"},
                                   [PART_RSA] = {.name = "encrypted_aes_key"},
                                   [PART_IV] = {.name = "initial_vector"}};
    wf_envelope_t envelope = {0};
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    if (len > WF_ENVELOPE_BODY_MAX) {
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0182) "encrypted flow request: over %d bytes",
                       WF_ENVELOPE_BODY_MAX);
    }
    st = wf_json_split(ctx, parts, PARTS, body, len, ENVELOPE_DEPTH);
    if (st != WF_OK) {
        return st;
    }
    st = decode_members(ctx, &envelope, parts);
    if (st == WF_OK) {
        *out = envelope;
    }
    return st;
}

/* ---- opening -------------------------------------------------------------------------------- */

/* Finds the AES key. Where RSA gives none, or one of an impossible length, `exchange` gets a random
 * key: the caller then spends the same time on AES-GCM, and it is not to be seen from outside which
 * of the two failed. A message of another length than the modulus fails before any of this, because
 * its sender knows the length. */
static wf_status_t find_aes_key(wf_ctx_t *ctx, wf_exchange_key_t *exchange,
                                const wf_envelope_t *envelope, const wf_rsa_key_t *key)
{
    unsigned char *plain = wf_secret_alloc(ctx->pool, wf_rsa_size(key));
    wf_status_t st, random_st;
    size_t len;

    st = wf_rsa_decrypt(ctx, plain, &len, key, envelope->rsa, envelope->rsa_len);
    if (st == WF_OK && len != 16 && len != 24 && len != 32) {
        st = wf_fail(ctx, WF_EDENIED, WFLOGNO(0183) "the AES key has an impossible length");
    }
    if (st == WF_OK) {
        memcpy(exchange->key, plain, len);
        exchange->key_len = len;
        return WF_OK;
    }
    exchange->key_len = USUAL_KEY_LEN;
    random_st = wf_rand_bytes(ctx, exchange->key, exchange->key_len);
    return random_st == WF_OK ? st : random_st;
}

wf_status_t wf_envelope_open(wf_ctx_t *ctx, wf_exchange_key_t **exchange, wf_slice_t *plain,
                             const wf_envelope_t *envelope, const wf_rsa_key_t *key)
{
    wf_exchange_key_t *found = wf_secret_alloc(ctx->pool, sizeof(*found));
    wf_status_t rsa_st, gcm_st;
    wf_ctx_t *gcm_ctx = ctx;
    wf_ctx_t quiet = *ctx;
    size_t i;

    *exchange = NULL;
    *plain = (wf_slice_t){NULL, 0};
    if (envelope->rsa_len != wf_rsa_size(key)) {
        return wf_fail(ctx, WF_EDENIED,
                       WFLOGNO(0184) "the encrypted AES key is not as long as this account's RSA "
                                     "modulus");
    }
    rsa_st = find_aes_key(ctx, found, envelope, key);
    if (rsa_st != WF_OK) {
        quiet.log.fn = NULL; /* the reason is known and logged */
        gcm_ctx = &quiet;
    }
    gcm_st = wf_gcm_decrypt(gcm_ctx, envelope->plain, found->key, found->key_len, envelope->iv,
                            envelope->iv_len, envelope->data, envelope->data_len);
    if (rsa_st != WF_OK || gcm_st != WF_OK) {
        return rsa_st != WF_OK ? rsa_st : gcm_st;
    }
    if (found->key_len != USUAL_KEY_LEN) {
        wf_log(ctx, WF_LOG_WARNING,
               WFLOGNO(0185) "the AES key has %d bytes; WhatsApp uses 16: who sent this?",
               (int)found->key_len);
    }
    for (i = 0; i < envelope->iv_len; i++) {
        found->iv[i] = envelope->iv[i] ^ 0xff;
    }
    found->iv_len = envelope->iv_len;
    envelope->plain[envelope->data_len - WF_GCM_TAG_LEN] = '\0';
    *plain = (wf_slice_t){(const char *)envelope->plain, envelope->data_len - WF_GCM_TAG_LEN};
    *exchange = found;
    return WF_OK;
}

/* ---- sealing -------------------------------------------------------------------------------- */

wf_status_t wf_envelope_seal(wf_ctx_t *ctx, wf_slice_t *body, wf_exchange_key_t *exchange,
                             const char *plain, size_t len)
{
    unsigned char *sealed;
    wf_status_t st;

    *body = (wf_slice_t){NULL, 0};
    if (exchange->used) {
        return wf_fail(ctx, WF_EINTERNAL,
                       WFLOGNO(0186) "two replies to one request would reuse an AES-GCM nonce");
    }
    exchange->used = 1;
    sealed = apr_palloc(ctx->pool, len + WF_GCM_TAG_LEN);
    st = wf_gcm_encrypt(ctx, sealed, exchange->key, exchange->key_len, exchange->iv,
                        exchange->iv_len, (const unsigned char *)plain, len);
    if (st != WF_OK) {
        return st;
    }
    body->data = wf_base64(ctx->pool, sealed, len + WF_GCM_TAG_LEN);
    body->len = WF_BASE64_LEN(len + WF_GCM_TAG_LEN);
    return WF_OK;
}

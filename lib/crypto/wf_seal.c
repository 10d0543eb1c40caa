#include "crypto/wf_crypto_int.h"

#include <string.h>

#define SEAL_PREFIX "wf1"

int wf_sealed_split(wf_sealed_text_t *out, const char *prefix, const char *text)
{
    size_t prefix_len = strlen(prefix);
    const char *colon;

    memset(out, 0, sizeof(*out));
    if (!text || strncmp(text, prefix, prefix_len) != 0 || text[prefix_len] != ':') {
        return 0;
    }
    text += prefix_len + 1;
    colon = strchr(text, ':');
    if (!colon || colon == text) {
        return 0;
    }
    out->key_id.data = text;
    out->key_id.len = (size_t)(colon - text);
    out->base64.data = colon + 1;
    out->base64.len = strlen(colon + 1);
    return 1;
}

/* The nonce stands in front of what is sealed. */
static wf_gcm_params_t params_of(const unsigned char *sealed, const unsigned char key[32],
                                 const char *aad)
{
    return (wf_gcm_params_t){.key = key,
                             .key_len = 32,
                             .iv = sealed,
                             .iv_len = WF_SEALED_NONCE_LEN,
                             .aad = aad,
                             .aad_len = strlen(aad)};
}

wf_status_t wf_sealed_make(wf_ctx_t *ctx, const char **text, const char *prefix, const char *key_id,
                           const unsigned char key[32], const char *aad, const void *plain,
                           size_t len)
{
    size_t sealed_len = WF_SEALED_NONCE_LEN + len + WF_GCM_TAG_LEN;
    unsigned char *sealed = apr_palloc(ctx->pool, sealed_len);
    wf_gcm_params_t params = params_of(sealed, key, aad);
    wf_status_t st;

    *text = NULL;
    st = wf_rand_bytes(ctx, sealed, WF_SEALED_NONCE_LEN);
    if (st != WF_OK) {
        return st;
    }
    st = wf_gcm_seal(ctx, sealed + WF_SEALED_NONCE_LEN, &params, plain, len);
    if (st != WF_OK) {
        return st;
    }
    *text = apr_pstrcat(ctx->pool, prefix, ":", key_id, ":",
                        wf_base64(ctx->pool, sealed, sealed_len), NULL);
    return WF_OK;
}

wf_status_t wf_sealed_open(wf_ctx_t *ctx, wf_secret_t *out, const wf_sealed_text_t *text,
                           const unsigned char key[32], const char *aad)
{
    unsigned char *sealed = apr_palloc(ctx->pool, WF_BASE64_MAX(text->base64.len));
    wf_gcm_params_t params = params_of(sealed, key, aad);
    size_t sealed_len, len;
    unsigned char *plain;
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    if (!wf_base64_decode(sealed, &sealed_len, text->base64.data, text->base64.len) ||
        sealed_len < WF_SEALED_NONCE_LEN + WF_GCM_TAG_LEN) {
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0023) "sealed value: not base64, or too short");
    }
    len = sealed_len - WF_SEALED_NONCE_LEN - WF_GCM_TAG_LEN;
    plain = wf_secret_alloc(ctx->pool, len + 1);
    st = wf_gcm_open(ctx, plain, &params, sealed + WF_SEALED_NONCE_LEN, len + WF_GCM_TAG_LEN);
    if (st != WF_OK) {
        return st;
    }
    out->data = plain;
    out->len = len;
    return WF_OK;
}

/* The row id comes last because it is the only part that could hold a "|". */
const char *wf_seal_place_text(apr_pool_t *pool, const wf_seal_place_t *place)
{
    return apr_pstrcat(pool, place->table, "|", place->column, "|", place->company_id, "|",
                       place->row_id, NULL);
}

wf_status_t wf_seal(wf_ctx_t *ctx, const char **sealed, const wf_data_key_t *key,
                    const wf_seal_place_t *place, const void *plain, size_t len)
{
    return wf_sealed_make(ctx, sealed, SEAL_PREFIX, key->id, key->key,
                          wf_seal_place_text(ctx->pool, place), plain, len);
}

wf_status_t wf_unseal(wf_ctx_t *ctx, wf_secret_t *out, const wf_data_key_t *key,
                      const wf_seal_place_t *place, const char *sealed)
{
    wf_sealed_text_t text;

    memset(out, 0, sizeof(*out));
    if (!wf_sealed_split(&text, SEAL_PREFIX, sealed)) {
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0024) "%s.%s of row %s is no sealed value",
                       place->table, place->column, place->row_id);
    }
    if (text.key_id.len != strlen(key->id) ||
        strncmp(text.key_id.data, key->id, text.key_id.len) != 0) {
        return wf_fail(ctx, WF_EDENIED,
                       WFLOGNO(0025) "%s.%s of row %s is sealed with another data key",
                       place->table, place->column, place->row_id);
    }
    return wf_sealed_open(ctx, out, &text, key->key, wf_seal_place_text(ctx->pool, place));
}

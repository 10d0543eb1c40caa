#include "flow/wf_flow.h"

#include <string.h>

#define CLIENT_KEY_LEN 16
#define CLIENT_IV_LEN 16

static wf_status_t encrypt_request(wf_ctx_t *ctx, const char **base64,
                                   const wf_exchange_key_t *exchange,
                                   const unsigned char iv[CLIENT_IV_LEN], const char *request,
                                   size_t len)
{
    unsigned char *sealed = apr_palloc(ctx->pool, len + WF_GCM_TAG_LEN);
    wf_status_t st;

    *base64 = NULL;
    st = wf_gcm_encrypt(ctx, sealed, exchange->key, exchange->key_len, iv, CLIENT_IV_LEN,
                        (const unsigned char *)request, len);
    if (st == WF_OK) {
        *base64 = wf_base64(ctx->pool, sealed, len + WF_GCM_TAG_LEN);
    }
    return st;
}

wf_status_t wf_envelope_client_make(wf_ctx_t *ctx, wf_slice_t *body, wf_exchange_key_t **exchange,
                                    const char *public_pem, const char *request, size_t len)
{
    wf_exchange_key_t *made = wf_secret_alloc(ctx->pool, sizeof(*made));
    unsigned char iv[CLIENT_IV_LEN], *rsa;
    const char *data;
    wf_json_t *doc;
    size_t rsa_len, i;
    wf_status_t st;

    *body = (wf_slice_t){NULL, 0};
    *exchange = NULL;
    made->key_len = CLIENT_KEY_LEN;
    made->iv_len = CLIENT_IV_LEN;
    if ((st = wf_rand_bytes(ctx, made->key, made->key_len)) != WF_OK ||
        (st = wf_rand_bytes(ctx, iv, sizeof(iv))) != WF_OK ||
        (st = wf_rsa_encrypt(ctx, &rsa, &rsa_len, public_pem, made->key, made->key_len)) != WF_OK ||
        (st = encrypt_request(ctx, &data, made, iv, request, len)) != WF_OK) {
        return st;
    }
    for (i = 0; i < sizeof(iv); i++) {
        made->iv[i] = iv[i] ^ 0xff;
    }
    doc = wf_json_object_make(ctx->pool);
    wf_json_set_str(doc, "encrypted_flow_data", data);
    wf_json_set_str(doc, "encrypted_aes_key", wf_base64(ctx->pool, rsa, rsa_len));
    wf_json_set_str(doc, "initial_vector", wf_base64(ctx->pool, iv, sizeof(iv)));
    body->data = wf_json_text(ctx->pool, doc, &body->len);
    *exchange = made;
    return WF_OK;
}

wf_status_t wf_envelope_client_open(wf_ctx_t *ctx, wf_slice_t *plain,
                                    const wf_exchange_key_t *exchange, const char *body, size_t len)
{
    unsigned char *sealed = apr_palloc(ctx->pool, WF_BASE64_MAX(len) + 1);
    size_t sealed_len;
    wf_status_t st;

    *plain = (wf_slice_t){NULL, 0};
    if (!wf_base64_decode(sealed, &sealed_len, body, len) || sealed_len < WF_GCM_TAG_LEN) {
        return wf_fail_public(ctx, WF_EINVALID,
                              WFLOGNO(0187) "the reply is not base64 alone, or too short");
    }
    st = wf_gcm_decrypt(ctx, sealed, exchange->key, exchange->key_len, exchange->iv,
                        exchange->iv_len, sealed, sealed_len);
    if (st != WF_OK) {
        return st;
    }
    sealed[sealed_len - WF_GCM_TAG_LEN] = '\0';
    *plain = (wf_slice_t){(const char *)sealed, sealed_len - WF_GCM_TAG_LEN};
    return WF_OK;
}

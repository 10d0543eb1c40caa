#include "crypto/wf_crypto_int.h"

#include <limits.h>
#include <openssl/err.h>

static EVP_CIPHER *cipher_for(size_t key_len)
{
    switch (key_len) {
    case 16:
        return wf_algorithms()->aes_128_gcm;
    case 24:
        return wf_algorithms()->aes_192_gcm;
    case 32:
        return wf_algorithms()->aes_256_gcm;
    default:
        return NULL;
    }
}

/* The IV's length has to be known before the IV: OpenSSL before 3.0.12 ignores one that comes in
 * the same call (CVE-2023-5363). */
static int start(EVP_CIPHER_CTX *gcm, const wf_gcm_params_t *params, int encrypt)
{
    int n;

    return EVP_CipherInit_ex2(gcm, cipher_for(params->key_len), NULL, NULL, encrypt, NULL) &&
           EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_AEAD_SET_IVLEN, (int)params->iv_len, NULL) > 0 &&
           EVP_CipherInit_ex2(gcm, NULL, params->key, params->iv, encrypt, NULL) &&
           (params->aad_len == 0 ||
            EVP_CipherUpdate(gcm, NULL, &n, params->aad, (int)params->aad_len));
}

/* A wrong size here is a mistake of our code: callers check what comes from outside. */
static wf_status_t make_context(wf_ctx_t *ctx, EVP_CIPHER_CTX **gcm, const wf_gcm_params_t *params,
                                size_t len, int encrypt)
{
    *gcm = NULL;
    if (!cipher_for(params->key_len) || (params->iv_len != 12 && params->iv_len != 16) ||
        len > INT_MAX - WF_GCM_TAG_LEN || params->aad_len > INT_MAX) {
        return wf_fail(ctx, WF_EINTERNAL,
                       WFLOGNO(0021) "AES-GCM cannot take a key of %" APR_SIZE_T_FMT
                                     " bytes, an IV of %" APR_SIZE_T_FMT " and %" APR_SIZE_T_FMT
                                     " bytes of data",
                       params->key_len, params->iv_len, len);
    }
    *gcm = EVP_CIPHER_CTX_new();
    if (!*gcm || !start(*gcm, params, encrypt)) {
        EVP_CIPHER_CTX_free(*gcm);
        *gcm = NULL;
        return wf_openssl_fail(ctx, "setting up AES-GCM");
    }
    return WF_OK;
}

wf_status_t wf_gcm_open(wf_ctx_t *ctx, unsigned char *out, const wf_gcm_params_t *params,
                        const unsigned char *data, size_t len)
{
    size_t plain_len = len < WF_GCM_TAG_LEN ? 0 : len - WF_GCM_TAG_LEN;
    EVP_CIPHER_CTX *gcm;
    wf_status_t st;
    int n, ok;

    st = make_context(ctx, &gcm, params, len, 0);
    if (st != WF_OK) {
        return st;
    }
    ok = len >= WF_GCM_TAG_LEN &&
         EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_AEAD_SET_TAG, WF_GCM_TAG_LEN,
                             (void *)(uintptr_t)(data + plain_len)) > 0 &&
         EVP_DecryptUpdate(gcm, out, &n, data, (int)plain_len) &&
         EVP_DecryptFinal_ex(gcm, out + plain_len, &n);
    EVP_CIPHER_CTX_free(gcm); /* wipes the key schedule */
    if (!ok) {
        wf_wipe(out, plain_len);
        ERR_clear_error();
        return wf_fail(ctx, WF_EDENIED, WFLOGNO(0022) "AES-GCM: the tag does not fit");
    }
    return WF_OK;
}

wf_status_t wf_gcm_seal(wf_ctx_t *ctx, unsigned char *out, const wf_gcm_params_t *params,
                        const unsigned char *data, size_t len)
{
    EVP_CIPHER_CTX *gcm;
    wf_status_t st;
    int n, ok;

    st = make_context(ctx, &gcm, params, len, 1);
    if (st != WF_OK) {
        return st;
    }
    ok = EVP_EncryptUpdate(gcm, out, &n, data, (int)len) &&
         EVP_EncryptFinal_ex(gcm, out + len, &n) &&
         EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_AEAD_GET_TAG, WF_GCM_TAG_LEN, out + len) > 0;
    EVP_CIPHER_CTX_free(gcm);
    if (!ok) {
        wf_wipe(out, len);
        return wf_openssl_fail(ctx, "AES-GCM encryption");
    }
    return WF_OK;
}

wf_status_t wf_gcm_decrypt(wf_ctx_t *ctx, unsigned char *out, const unsigned char *key,
                           size_t key_len, const unsigned char *iv, size_t iv_len,
                           const unsigned char *data, size_t len)
{
    wf_gcm_params_t params = {.key = key, .key_len = key_len, .iv = iv, .iv_len = iv_len};

    return wf_gcm_open(ctx, out, &params, data, len);
}

wf_status_t wf_gcm_encrypt(wf_ctx_t *ctx, unsigned char *out, const unsigned char *key,
                           size_t key_len, const unsigned char *iv, size_t iv_len,
                           const unsigned char *data, size_t len)
{
    wf_gcm_params_t params = {.key = key, .key_len = key_len, .iv = iv, .iv_len = iv_len};

    return wf_gcm_seal(ctx, out, &params, data, len);
}

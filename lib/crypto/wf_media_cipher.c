/* Files of WhatsApp's CDN (WHATSAPP.md 3.3), as streams. */
#include "crypto/wf_crypto_int.h"

#include <openssl/err.h>
#include <string.h>

#define AES_BLOCK 16
/* What EVP_DecryptUpdate is given at once; it may put out a block more. */
#define PIECE 16384

/* ---- first pass: hash and MAC -------------------------------------------------------------- */

struct wf_media_check_t {
    const wf_media_keys_t *keys;
    wf_hash_t *file; /* everything */
    wf_hash_t *mac;  /* IV and everything but the last bytes */
    uint64_t len;
    unsigned char tail[WF_MEDIA_MAC_LEN]; /* the last bytes so far, which may be the MAC */
    size_t tail_len;
};

wf_media_check_t *wf_media_check_make(apr_pool_t *pool, const wf_media_keys_t *keys)
{
    wf_media_check_t *check = apr_pcalloc(pool, sizeof(*check));

    check->keys = keys;
    check->file = wf_hash_make(pool);
    check->mac = wf_hash_make_hmac(pool, keys->hmac_key, sizeof(keys->hmac_key));
    wf_hash_add(check->mac, keys->iv, sizeof(keys->iv));
    return check;
}

void wf_media_check_add(wf_media_check_t *check, const void *data, size_t len)
{
    const unsigned char *bytes = data;
    size_t over = check->tail_len + len, from_tail;

    wf_hash_add(check->file, data, len);
    check->len += len;
    over = over > WF_MEDIA_MAC_LEN ? over - WF_MEDIA_MAC_LEN : 0; /* bytes that are no MAC */
    from_tail = over < check->tail_len ? over : check->tail_len;
    wf_hash_add(check->mac, check->tail, from_tail);
    memmove(check->tail, check->tail + from_tail, check->tail_len - from_tail);
    check->tail_len -= from_tail;
    over -= from_tail;
    wf_hash_add(check->mac, bytes, over);
    if (len > over) {
        memcpy(check->tail + check->tail_len, bytes + over, len - over);
        check->tail_len += len - over;
    }
}

wf_status_t wf_media_check_end(wf_ctx_t *ctx, uint64_t *cipher_len, wf_media_check_t *check)
{
    unsigned char hash[WF_SHA256_LEN], mac[WF_SHA256_LEN];

    *cipher_len = 0;
    wf_hash_end(check->file, hash);
    wf_hash_end(check->mac, mac);
    if (!wf_ct_equal(hash, check->keys->encrypted_hash, sizeof(hash))) {
        return wf_fail_public(ctx, WF_EDENIED,
                              WFLOGNO(0520) "the file is not the one that was named: its hash "
                                            "does not match encrypted_hash");
    }
    if (check->len <= WF_MEDIA_MAC_LEN || (check->len - WF_MEDIA_MAC_LEN) % AES_BLOCK != 0) {
        return wf_fail_public(ctx, WF_EDENIED, WFLOGNO(0521) "the file has an impossible length");
    }
    if (!wf_ct_equal(mac, check->tail, WF_MEDIA_MAC_LEN)) {
        return wf_fail_public(ctx, WF_EDENIED, WFLOGNO(0522) "the file's MAC does not match");
    }
    *cipher_len = check->len - WF_MEDIA_MAC_LEN;
    return WF_OK;
}

/* ---- second pass: plaintext ---------------------------------------------------------------- */

struct wf_media_decrypt_t {
    EVP_CIPHER_CTX *cbc;
    wf_hash_t *hash;
    const wf_media_keys_t *keys;
    wf_bytes_fn *sink;
    void *baton;
    unsigned char *plain; /* PIECE + AES_BLOCK, secret memory */
};

static apr_status_t free_decrypt(void *data)
{
    wf_media_decrypt_t *decrypt = data;

    EVP_CIPHER_CTX_free(decrypt->cbc); /* wipes the key schedule */
    return APR_SUCCESS;
}

wf_status_t wf_media_decrypt_make(wf_ctx_t *ctx, wf_media_decrypt_t **out,
                                  const wf_media_keys_t *keys, wf_bytes_fn *sink, void *baton)
{
    wf_media_decrypt_t *decrypt = apr_pcalloc(ctx->pool, sizeof(*decrypt));

    *out = NULL;
    decrypt->keys = keys;
    decrypt->sink = sink;
    decrypt->baton = baton;
    decrypt->hash = wf_hash_make(ctx->pool);
    decrypt->plain = wf_secret_alloc(ctx->pool, PIECE + AES_BLOCK);
    decrypt->cbc = EVP_CIPHER_CTX_new();
    apr_pool_cleanup_register(ctx->pool, decrypt, free_decrypt, apr_pool_cleanup_null);
    if (!decrypt->cbc || !EVP_DecryptInit_ex2(decrypt->cbc, wf_algorithms()->aes_256_cbc,
                                              keys->encryption_key, keys->iv, NULL)) {
        return wf_openssl_fail(ctx, "setting up AES-CBC");
    }
    *out = decrypt;
    return WF_OK;
}

static wf_status_t hand_on(wf_ctx_t *ctx, wf_media_decrypt_t *decrypt, int len)
{
    if (len <= 0) {
        return WF_OK;
    }
    wf_hash_add(decrypt->hash, decrypt->plain, (size_t)len);
    return decrypt->sink(ctx, decrypt->plain, (size_t)len, decrypt->baton);
}

wf_status_t wf_media_decrypt_add(wf_ctx_t *ctx, wf_media_decrypt_t *decrypt, const void *data,
                                 size_t len)
{
    const unsigned char *bytes = data;
    wf_status_t st = WF_OK;
    int out_len;

    while (st == WF_OK && len > 0) {
        size_t take = len < PIECE ? len : PIECE;

        if (!EVP_DecryptUpdate(decrypt->cbc, decrypt->plain, &out_len, bytes, (int)take)) {
            return wf_openssl_fail(ctx, "AES-CBC decryption");
        }
        st = hand_on(ctx, decrypt, out_len);
        bytes += take;
        len -= take;
    }
    return st;
}

/* OpenSSL checks the padding as WHATSAPP.md 3.3 wants it. Who sees which check failed learns
 * nothing: the MAC has proven that the ciphertext is the sender's own. */
wf_status_t wf_media_decrypt_end(wf_ctx_t *ctx, wf_media_decrypt_t *decrypt)
{
    unsigned char hash[WF_SHA256_LEN];
    wf_status_t st;
    int out_len;

    if (!EVP_DecryptFinal_ex(decrypt->cbc, decrypt->plain, &out_len)) {
        ERR_clear_error();
        return wf_fail_public(ctx, WF_EDENIED, WFLOGNO(0523) "the file's padding is wrong");
    }
    if ((st = hand_on(ctx, decrypt, out_len)) != WF_OK) {
        return st;
    }
    wf_hash_end(decrypt->hash, hash);
    if (!wf_ct_equal(hash, decrypt->keys->plaintext_hash, sizeof(hash))) {
        return wf_fail_public(ctx, WF_EDENIED,
                              WFLOGNO(0524) "the decrypted file does not match plaintext_hash");
    }
    return WF_OK;
}

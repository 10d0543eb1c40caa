#include "crypto/wf_rsa_int.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

/* ---- life of a key ------------------------------------------------------------------------ */

void wf_rsa_key_hold(wf_rsa_key_t *key)
{
    __atomic_add_fetch(&key->users, 1, __ATOMIC_RELAXED);
}

void wf_rsa_key_release(wf_rsa_key_t *key)
{
    if (__atomic_sub_fetch(&key->users, 1, __ATOMIC_ACQ_REL) == 0) {
        EVP_PKEY_CTX_free(key->prepared);
        EVP_PKEY_free(key->pkey); /* wipes the private numbers */
        free(key);
    }
}

static apr_status_t release_key(void *baton)
{
    wf_rsa_key_release(baton);
    return APR_SUCCESS;
}

void wf_rsa_key_release_with(apr_pool_t *pool, wf_rsa_key_t *key)
{
    apr_pool_cleanup_register(pool, key, release_key, apr_pool_cleanup_null);
}

/* SHA-256 for both hashes; OpenSSL's default is SHA-1. */
static int use_oaep(EVP_PKEY_CTX *rsa)
{
    const EVP_MD *sha256 = wf_algorithms()->sha256;

    return EVP_PKEY_CTX_set_rsa_padding(rsa, RSA_PKCS1_OAEP_PADDING) > 0 &&
           EVP_PKEY_CTX_set_rsa_oaep_md(rsa, sha256) > 0 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(rsa, sha256) > 0;
}

wf_status_t wf_rsa_key_make(wf_ctx_t *ctx, wf_rsa_key_t **out, EVP_PKEY *pkey)
{
    EVP_PKEY_CTX *prepared = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    wf_rsa_key_t *key = calloc(1, sizeof(*key));

    *out = NULL;
    if (!key || !prepared || EVP_PKEY_decrypt_init(prepared) <= 0 || !use_oaep(prepared)) {
        free(key);
        EVP_PKEY_CTX_free(prepared);
        EVP_PKEY_free(pkey);
        return wf_openssl_fail(ctx, "preparing an RSA key");
    }
    key->pkey = pkey;
    key->prepared = prepared;
    key->size = (size_t)EVP_PKEY_get_size(pkey);
    key->users = 1;
    wf_rsa_key_release_with(ctx->pool, key);
    *out = key;
    return WF_OK;
}

size_t wf_rsa_size(const wf_rsa_key_t *key)
{
    return key->size;
}

/* ---- reading and writing keys --------------------------------------------------------------- */

static int is_der(const unsigned char *data, size_t len)
{
    return len > 2 && data[0] == 0x30 && (data[1] & 0x80) != 0;
}

wf_status_t wf_rsa_parse(wf_ctx_t *ctx, wf_rsa_key_t **out, const void *data, size_t len,
                         const char *passphrase)
{
    wf_secret_t der = {(unsigned char *)(uintptr_t)data, len};
    EVP_PKEY *pkey;
    wf_status_t st;
    wf_pem_t pem;

    *out = NULL;
    if (len > WF_RSA_TEXT_MAX) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0043) "the private key is over %d bytes",
                              WF_RSA_TEXT_MAX);
    }
    if (!is_der(data, len)) {
        st = wf_pem_parse(ctx, &pem, data, len);
        if (st != WF_OK) {
            return st;
        }
        der = pem.der;
        if (wf_pem_is_encrypted(&pem)) {
            st = wf_pem_decrypt(ctx, &der, &pem, passphrase);
            if (st != WF_OK) {
                return st;
            }
        }
    }
    st = wf_rsa_der_parse(ctx, &pkey, der.data, der.len);
    return st == WF_OK ? wf_rsa_key_make(ctx, out, pkey) : st;
}

wf_status_t wf_rsa_generate(wf_ctx_t *ctx, wf_rsa_key_t **out)
{
    EVP_PKEY *pkey = EVP_RSA_gen(WF_RSA_BITS_MIN);

    *out = NULL;
    return pkey ? wf_rsa_key_make(ctx, out, pkey) : wf_openssl_fail(ctx, "making an RSA key");
}

wf_status_t wf_rsa_private_der(wf_ctx_t *ctx, wf_secret_t *out, const wf_rsa_key_t *key)
{
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key->pkey);
    unsigned char *der = NULL;
    int len = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : 0;

    memset(out, 0, sizeof(*out));
    PKCS8_PRIV_KEY_INFO_free(info); /* wipes the key */
    if (len <= 0) {
        return wf_openssl_fail(ctx, "writing an RSA key");
    }
    out->data = wf_secret_alloc(ctx->pool, (size_t)len + 1);
    out->len = (size_t)len;
    memcpy(out->data, der, out->len);
    OPENSSL_clear_free(der, out->len);
    return WF_OK;
}

wf_status_t wf_rsa_public_pem(wf_ctx_t *ctx, const char **pem, const wf_rsa_key_t *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    wf_status_t st = WF_EINTERNAL;
    char *text;
    long len;

    *pem = NULL;
    if (!bio || !PEM_write_bio_PUBKEY(bio, key->pkey) ||
        (len = BIO_get_mem_data(bio, &text)) <= 0) {
        st = wf_openssl_fail(ctx, "writing a public key");
        goto out;
    }
    *pem = apr_pstrmemdup(ctx->pool, text, (size_t)len);
    st = WF_OK;
out:
    BIO_free(bio);
    return st;
}

/* ---- OAEP ----------------------------------------------------------------------------------- */

wf_status_t wf_rsa_decrypt(wf_ctx_t *ctx, unsigned char *out, size_t *out_len,
                           const wf_rsa_key_t *key, const void *data, size_t len)
{
    EVP_PKEY_CTX *rsa = EVP_PKEY_CTX_dup(key->prepared);
    size_t room = key->size;
    int ok;

    *out_len = 0;
    if (!rsa) {
        return wf_openssl_fail(ctx, "copying an RSA context");
    }
    ok = len == key->size && EVP_PKEY_decrypt(rsa, out, &room, data, len) > 0;
    EVP_PKEY_CTX_free(rsa);
    if (!ok) {
        wf_wipe(out, key->size);
        ERR_clear_error();
        return wf_fail(ctx, WF_EDENIED, WFLOGNO(0049) "RSA: does not decrypt with this key");
    }
    *out_len = room;
    return WF_OK;
}

/* A public key needs no passphrase; OpenSSL must not ask the terminal for one. */
static int no_passphrase(char *out, int size, int for_writing, void *baton)
{
    return -1;
}

static EVP_PKEY *read_public(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *pkey = bio ? PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL) : NULL;

    BIO_free(bio);
    return pkey;
}

int wf_rsa_public_equal(const char *pem, const char *other)
{
    EVP_PKEY *a = pem ? read_public(pem) : NULL, *b = other ? read_public(other) : NULL;
    int same = a && b && EVP_PKEY_eq(a, b) == 1;

    EVP_PKEY_free(a);
    EVP_PKEY_free(b);
    ERR_clear_error();
    return same;
}

static wf_status_t encrypt(wf_ctx_t *ctx, unsigned char **out, size_t *out_len, EVP_PKEY *pkey,
                           const void *data, size_t len)
{
    EVP_PKEY_CTX *rsa = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    size_t room = (size_t)EVP_PKEY_get_size(pkey);
    unsigned char *encrypted = apr_palloc(ctx->pool, room);
    wf_status_t st = WF_EINTERNAL;

    if (!rsa || EVP_PKEY_encrypt_init(rsa) <= 0 || !use_oaep(rsa) ||
        EVP_PKEY_encrypt(rsa, encrypted, &room, data, len) <= 0) {
        st = wf_openssl_fail(ctx, "RSA encryption");
        goto out;
    }
    *out = encrypted;
    *out_len = room;
    st = WF_OK;
out:
    EVP_PKEY_CTX_free(rsa);
    return st;
}

wf_status_t wf_rsa_encrypt(wf_ctx_t *ctx, unsigned char **out, size_t *out_len, const char *pem,
                           const void *data, size_t len)
{
    EVP_PKEY *pkey = read_public(pem);
    wf_status_t st;

    *out = NULL;
    *out_len = 0;
    if (!pkey || !EVP_PKEY_is_a(pkey, "RSA")) {
        EVP_PKEY_free(pkey);
        ERR_clear_error();
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0044) "not an RSA public key in PEM");
    }
    st = encrypt(ctx, out, out_len, pkey, data, len);
    EVP_PKEY_free(pkey);
    return st;
}

/* Private to lib/crypto: from bytes to an RSA key, and its life. */
#ifndef WF_RSA_INT_H
#define WF_RSA_INT_H

#include "crypto/wf_crypto_int.h"

#define WF_RSA_BITS_MIN 2048
#define WF_RSA_BITS_MAX 4096
/* Longer texts and DER are no RSA key of at most 4096 bits. */
#define WF_RSA_TEXT_MAX 32768

/* A private key that several contexts may hold: the pool it was parsed in, a cache slot, requests
 * that found it there. The last one that lets go frees and wipes it. */
struct wf_rsa_key_t {
    EVP_PKEY *pkey;
    /* Ready to decrypt OAEP with SHA-256; never used itself, only copied: a copy takes 0.1
     * microseconds, setting up a new one 6. Copying only reads, so threads may do it at once. */
    EVP_PKEY_CTX *prepared;
    size_t size; /* modulus bytes */
    int users;   /* atomic */
};

/* Takes over `pkey`, also when it fails. The pool holds the key until it goes. */
wf_status_t wf_rsa_key_make(wf_ctx_t *ctx, wf_rsa_key_t **out, EVP_PKEY *pkey) WF_MUST_CHECK;
void wf_rsa_key_hold(wf_rsa_key_t *key);
void wf_rsa_key_release(wf_rsa_key_t *key);
/* Released when the pool goes. */
void wf_rsa_key_release_with(apr_pool_t *pool, wf_rsa_key_t *key);

/* PKCS#8 or PKCS#1 DER without encryption. Expected failure: WF_EINVALID. */
wf_status_t wf_rsa_der_parse(wf_ctx_t *ctx, EVP_PKEY **out, const unsigned char *der,
                             size_t len) WF_MUST_CHECK;

/* A PEM block taken apart and mended. */
typedef struct {
    const char *label; /* "RSA PRIVATE KEY" */
    const char *header; /* "Proc-Type: …\nDEK-Info: …\n" of the traditional encryption, or NULL */
    wf_secret_t der;
} wf_pem_t;

/* Expected failure: WF_EINVALID. */
wf_status_t wf_pem_parse(wf_ctx_t *ctx, wf_pem_t *out, const char *text, size_t len) WF_MUST_CHECK;

/* Decrypts PKCS#8's EncryptedPrivateKeyInfo or the traditional PEM encryption; line ends after the
 * passphrase are ignored where they do not belong to it. Expected failures: WF_EDENIED (passphrase
 * missing or wrong), WF_EINVALID. */
wf_status_t wf_pem_decrypt(wf_ctx_t *ctx, wf_secret_t *der, const wf_pem_t *pem,
                           const char *passphrase) WF_MUST_CHECK;
/* 1 if the block is encrypted. */
int wf_pem_is_encrypted(const wf_pem_t *pem);

#endif

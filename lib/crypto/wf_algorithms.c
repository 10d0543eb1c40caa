#include "crypto/wf_crypto_int.h"

#include <openssl/err.h>
#include <pthread.h>

static pthread_once_t fetched = PTHREAD_ONCE_INIT;
static wf_algorithms_t algorithms;

static void fetch(void)
{
    algorithms.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    algorithms.aes_128_gcm = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
    algorithms.aes_192_gcm = EVP_CIPHER_fetch(NULL, "AES-192-GCM", NULL);
    algorithms.aes_256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    algorithms.aes_256_cbc = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
}

const wf_algorithms_t *wf_algorithms(void)
{
    pthread_once(&fetched, fetch);
    return &algorithms;
}

wf_status_t wf_openssl_fail(wf_ctx_t *ctx, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0020) "OpenSSL: %s: %s", what,
                   reason ? reason : "no reason given");
}

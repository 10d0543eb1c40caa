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
} wf_algorithms_t;

const wf_algorithms_t *wf_algorithms(void);

/* The newest reason in OpenSSL's error queue of this thread, which is emptied; never a secret. */
const char *wf_openssl_reason(void);

#endif

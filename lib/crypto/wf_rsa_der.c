#include "crypto/wf_rsa_int.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <string.h>

/* OpenSSL 3 reads a key by trying its decoders one after the other, which takes 200 to 600
 * microseconds (measured); that is too much for every miss of the key cache. Here the fields of
 * PKCS#1 are read and handed over as numbers: 25 microseconds. */

/* RFC 8017 A.1.2, after `version`. */
static const char *const field_names[] = {
    OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,           OSSL_PKEY_PARAM_RSA_D,
    OSSL_PKEY_PARAM_RSA_FACTOR1,   OSSL_PKEY_PARAM_RSA_FACTOR2,     OSSL_PKEY_PARAM_RSA_EXPONENT1,
    OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1};

enum { N, E, D, P, Q, DP, DQ, QINV, FIELDS };

static const unsigned char rsa_oid[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};

#define EXPONENT_BITS_MAX 64

typedef struct {
    const unsigned char *p;
    const unsigned char *end;
} der_t;

/* Steps over one element and gives its content; 0 if it is not there or of another type. */
static int take(der_t *content, der_t *from, int wanted_tag)
{
    const unsigned char *p = from->p;
    int tag, class, flags;
    long len;

    flags = ASN1_get_object(&p, &len, &tag, &class, from->end - p);
    if ((flags & 0x81) != 0 || class != V_ASN1_UNIVERSAL || tag != wanted_tag) {
        return 0; /* an error, or an indefinite length */
    }
    content->p = p;
    content->end = p + len;
    from->p = content->end;
    return 1;
}

/* A small INTEGER that is `wanted`: the version fields. */
static int take_version(der_t *from, int wanted)
{
    der_t number;

    return take(&number, from, V_ASN1_INTEGER) && number.end - number.p == 1 && *number.p == wanted;
}

/* A positive INTEGER. "Secure" makes OpenSSL wipe every copy that it makes on the way. */
static BIGNUM *take_number(der_t *from)
{
    der_t number;
    BIGNUM *n;

    if (!take(&number, from, V_ASN1_INTEGER) || number.p == number.end || (*number.p & 0x80)) {
        return NULL;
    }
    n = BN_secure_new();
    if (n && !BN_bin2bn(number.p, (int)(number.end - number.p), n)) {
        BN_clear_free(n);
        n = NULL;
    }
    return n;
}

typedef enum { KEY_OK, NOT_A_KEY, NOT_RSA, BAD_SIZE, BAD_NUMBERS } verdict_t;

/* The PKCS#1 fields of either form, without the version. */
static verdict_t find_fields(der_t *fields, const unsigned char *der, size_t len)
{
    der_t all = {der, der + len}, key, algorithm, oid, inner;

    if (!take(&key, &all, V_ASN1_SEQUENCE) || all.p != all.end) {
        return NOT_A_KEY;
    }
    *fields = key;
    if (!take_version(fields, 0)) {
        return NOT_A_KEY;
    }
    if (!take(&algorithm, fields, V_ASN1_SEQUENCE)) {
        return KEY_OK; /* PKCS#1: the numbers follow */
    }
    if (!take(&oid, &algorithm, V_ASN1_OBJECT)) {
        return NOT_A_KEY;
    }
    if ((size_t)(oid.end - oid.p) != sizeof(rsa_oid) ||
        memcmp(oid.p, rsa_oid, sizeof(rsa_oid)) != 0) {
        return NOT_RSA;
    }
    if (!take(&inner, fields, V_ASN1_OCTET_STRING) || !take(fields, &inner, V_ASN1_SEQUENCE) ||
        inner.p != inner.end || !take_version(fields, 0)) {
        return NOT_A_KEY;
    }
    return KEY_OK;
}

/* A key whose numbers do not belong together would answer wrongly, or hold a thread: OpenSSL does
 * not look, and its own check is a primality test. */
static verdict_t check_numbers(BIGNUM *const numbers[FIELDS])
{
    int bits = BN_num_bits(numbers[N]);
    BIGNUM *product = BN_secure_new();
    BN_CTX *bn = BN_CTX_secure_new();
    int ok;

    ok = product && bn && BN_is_odd(numbers[E]) && !BN_is_one(numbers[E]) &&
         BN_num_bits(numbers[E]) <= EXPONENT_BITS_MAX && BN_is_odd(numbers[P]) &&
         BN_is_odd(numbers[Q]) && BN_mul(product, numbers[P], numbers[Q], bn) &&
         BN_cmp(product, numbers[N]) == 0 && BN_cmp(numbers[D], numbers[N]) < 0 &&
         BN_cmp(numbers[DP], numbers[P]) < 0 && BN_cmp(numbers[DQ], numbers[Q]) < 0 &&
         BN_cmp(numbers[QINV], numbers[P]) < 0;
    BN_clear_free(product);
    BN_CTX_free(bn);
    if (bits < WF_RSA_BITS_MIN || bits > WF_RSA_BITS_MAX) {
        return BAD_SIZE;
    }
    return ok ? KEY_OK : BAD_NUMBERS;
}

static EVP_PKEY *assemble(BIGNUM *const numbers[FIELDS])
{
    EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    EVP_PKEY *pkey = NULL;
    int i, ok = maker && build;

    for (i = 0; ok && i < FIELDS; i++) {
        ok = OSSL_PARAM_BLD_push_BN(build, field_names[i], numbers[i]);
    }
    params = ok ? OSSL_PARAM_BLD_to_param(build) : NULL;
    if (params && EVP_PKEY_fromdata_init(maker) > 0) {
        EVP_PKEY_fromdata(maker, &pkey, EVP_PKEY_KEYPAIR, params);
    }
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(maker);
    return pkey;
}

static verdict_t read_key(EVP_PKEY **out, const unsigned char *der, size_t len)
{
    BIGNUM *numbers[FIELDS] = {0};
    der_t fields;
    verdict_t verdict = find_fields(&fields, der, len);
    int i;

    for (i = 0; verdict == KEY_OK && i < FIELDS; i++) {
        numbers[i] = take_number(&fields);
        verdict = numbers[i] ? KEY_OK : NOT_A_KEY;
    }
    if (verdict == KEY_OK) {
        verdict = check_numbers(numbers);
    }
    if (verdict == KEY_OK) {
        *out = assemble(numbers);
    }
    for (i = 0; i < FIELDS; i++) {
        BN_clear_free(numbers[i]);
    }
    return verdict;
}

wf_status_t wf_rsa_der_parse(wf_ctx_t *ctx, EVP_PKEY **out, const unsigned char *der, size_t len)
{
    verdict_t verdict;

    *out = NULL;
    verdict = read_key(out, der, len);
    if (verdict == KEY_OK) {
        return *out ? WF_OK : wf_openssl_fail(ctx, "taking over an RSA key");
    }
    ERR_clear_error();
    switch (verdict) {
    case NOT_RSA:
        return wf_fail_public(ctx, WF_EINVALID,
                              WFLOGNO(0040) "the private key is no RSA key: WhatsApp Flows needs "
                                            "RSA with 2048 bits");
    case BAD_SIZE:
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0041) "the RSA key has not %d to %d bits",
                              WF_RSA_BITS_MIN, WF_RSA_BITS_MAX);
    default:
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0042) "the private key is damaged: %s",
                              verdict == NOT_A_KEY ? "neither PKCS#8 nor PKCS#1"
                                                   : "its numbers do not belong together");
    }
}

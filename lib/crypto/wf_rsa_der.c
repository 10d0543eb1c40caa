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

    if (p == from->end) {
        return 0;
    }
    flags = ASN1_get_object(&p, &len, &tag, &class, from->end - p);
    /* 0x80: an error; 0x01: indefinite length; 0x20: made of elements, as only a SEQUENCE is */
    if ((flags & 0xa1) != (wanted_tag == V_ASN1_SEQUENCE ? V_ASN1_CONSTRUCTED : 0) ||
        class != V_ASN1_UNIVERSAL || tag != wanted_tag) {
        return 0;
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
    der_t all = {der, der + len}, key, algorithm, oid, parameters, inner;

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
    if ((take(&parameters, &algorithm, V_ASN1_NULL) && parameters.p != parameters.end) ||
        algorithm.p != algorithm.end) {
        return NOT_A_KEY;
    }
    if (!take(&inner, fields, V_ASN1_OCTET_STRING) || !take(fields, &inner, V_ASN1_SEQUENCE) ||
        inner.p != inner.end || !take_version(fields, 0)) {
        return NOT_A_KEY;
    }
    return KEY_OK;
}

/* 1 if a * b = 1 modulo m. */
static int are_inverse(BN_CTX *bn, const BIGNUM *a, const BIGNUM *b, const BIGNUM *m)
{
    BIGNUM *product = BN_CTX_get(bn);

    return product && BN_mod_mul(product, a, b, m, bn) && BN_is_one(product);
}

/* Everything RFC 8017 3.2 says of the numbers, but for p and q being prime. */
static int belong_together(BN_CTX *bn, BIGNUM *const n[FIELDS])
{
    BIGNUM *product = BN_CTX_get(bn), *p_1 = BN_CTX_get(bn), *q_1 = BN_CTX_get(bn);

    return q_1 && BN_is_odd(n[P]) && BN_is_odd(n[Q]) && BN_mul(product, n[P], n[Q], bn) &&
           BN_cmp(product, n[N]) == 0 && BN_sub(p_1, n[P], BN_value_one()) &&
           BN_sub(q_1, n[Q], BN_value_one()) && !BN_is_zero(p_1) && !BN_is_zero(q_1) &&
           BN_cmp(n[D], n[N]) < 0 && BN_cmp(n[DP], n[P]) < 0 && BN_cmp(n[DQ], n[Q]) < 0 &&
           BN_cmp(n[QINV], n[P]) < 0 && are_inverse(bn, n[E], n[D], p_1) &&
           are_inverse(bn, n[E], n[D], q_1) && are_inverse(bn, n[E], n[DP], p_1) &&
           are_inverse(bn, n[E], n[DQ], q_1) && are_inverse(bn, n[Q], n[QINV], n[P]);
}

/* OpenSSL takes any numbers, and its own check is a primality test of tens of milliseconds. A
 * damaged key is to be refused when it is imported, not to answer 421 to every request; a huge
 * exponent would hold a thread. This takes 10 microseconds. */
static verdict_t check_numbers(BIGNUM *const numbers[FIELDS])
{
    int bits = BN_num_bits(numbers[N]), ok;
    BN_CTX *bn;

    if (bits < WF_RSA_BITS_MIN || bits > WF_RSA_BITS_MAX) {
        return BAD_SIZE;
    }
    bn = BN_CTX_secure_new();
    if (!bn) {
        return BAD_NUMBERS;
    }
    BN_CTX_start(bn);
    ok = BN_is_odd(numbers[E]) && !BN_is_one(numbers[E]) &&
         BN_num_bits(numbers[E]) <= EXPONENT_BITS_MAX && belong_together(bn, numbers);
    BN_CTX_end(bn);
    BN_CTX_free(bn); /* wipes its numbers */
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
        verdict = fields.p == fields.end ? check_numbers(numbers) : NOT_A_KEY;
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

#include "crypto/wf_crypto_int.h"

#include <apr_lib.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <string.h>

#define JWT_MAX 16384
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define RSA_EXPONENT_MAX 8 /* bytes */
#define P256_LEN 32

struct wf_jwt_key_t {
    wf_jwt_alg_t alg;
    const char *kid; /* NULL: none */
    wf_secret_t secret;
    EVP_PKEY *pkey;
};

/* A token's three parts, as they stand in it. */
typedef struct {
    wf_slice_t header, payload, mac;
    wf_slice_t input; /* "header.payload", which is signed */
} jwt_parts_t;

static int split(jwt_parts_t *out, const char *jwt)
{
    size_t len = jwt ? strnlen(jwt, JWT_MAX + 1) : 0;
    const char *first = len ? memchr(jwt, '.', len) : NULL;
    const char *second = first ? strchr(first + 1, '.') : NULL;

    if (!second || len > JWT_MAX) {
        return 0;
    }
    out->header = (wf_slice_t){jwt, (size_t)(first - jwt)};
    out->payload = (wf_slice_t){first + 1, (size_t)(second - first - 1)};
    out->mac = (wf_slice_t){second + 1, len - (size_t)(second + 1 - jwt)};
    out->input = (wf_slice_t){jwt, (size_t)(second - jwt)};
    return 1;
}

static int decode(apr_pool_t *pool, wf_slice_t *out, wf_slice_t text)
{
    unsigned char *data = apr_palloc(pool, WF_BASE64_MAX(text.len) + 1);
    size_t len;

    *out = (wf_slice_t){NULL, 0};
    if (!wf_base64url_decode(data, &len, text.data, text.len)) {
        return 0;
    }
    data[len] = '\0';
    *out = (wf_slice_t){(const char *)data, len};
    return 1;
}

/* ---- the header: a flat JSON object --------------------------------------------------------- */

/* This layer has no JSON parser, and the header needs none: what is not a flat object of plain
 * strings, numbers and words is refused, so nothing can be read in two ways. */

static const char *skip_space(const char *p)
{
    while (*p && strchr(" \t\r\n", *p)) {
        p++;
    }
    return p;
}

/* A string without escapes; the place after it, or NULL. */
static const char *read_string(wf_slice_t *out, const char *p)
{
    const char *end;

    if (*p != '"') {
        return NULL;
    }
    end = p + 1 + strcspn(p + 1, "\"\\");
    if (*end != '"') {
        return NULL;
    }
    *out = (wf_slice_t){p + 1, (size_t)(end - p - 1)};
    return end + 1;
}

static const char *read_value(wf_slice_t *text, const char *p)
{
    const char *start = p;

    *text = (wf_slice_t){NULL, 0};
    if (*p == '"') {
        return read_string(text, p);
    }
    while (apr_isalnum(*p) || *p == '-' || *p == '+' || *p == '.') {
        p++;
    }
    return p > start ? p : NULL;
}

static int slice_is(wf_slice_t slice, const char *text)
{
    return slice.data && slice.len == strlen(text) && memcmp(slice.data, text, slice.len) == 0;
}

typedef struct {
    wf_slice_t alg, kid; /* kid.data NULL: none */
} jwt_header_t;

/* 1 if it names one algorithm and at most one key, and asks for no extension (RFC 7515 section 4.1.11). */
static int read_header(apr_pool_t *pool, jwt_header_t *out, wf_slice_t encoded)
{
    int algs = 0, kids = 0;
    wf_slice_t text;
    const char *p;

    memset(out, 0, sizeof(*out));
    if (!decode(pool, &text, encoded) || strlen(text.data) != text.len ||
        *(p = skip_space(text.data)) != '{') {
        return 0;
    }
    do {
        wf_slice_t key, value;

        p = read_string(&key, skip_space(p + 1));
        if (!p || *(p = skip_space(p)) != ':') {
            return 0;
        }
        p = read_value(&value, skip_space(p + 1));
        if (!p || slice_is(key, "crit")) {
            return 0;
        }
        if (slice_is(key, "alg")) {
            out->alg = value;
            algs++;
        } else if (slice_is(key, "kid")) {
            out->kid = value;
            kids++;
        }
        p = skip_space(p);
    } while (*p == ',');
    return *p == '}' && *skip_space(p + 1) == '\0' && algs == 1 && kids <= 1;
}

const char *wf_jwt_kid(apr_pool_t *pool, const char *jwt)
{
    jwt_header_t header;
    jwt_parts_t parts;

    if (!split(&parts, jwt) || !read_header(pool, &header, parts.header) || !header.kid.data) {
        return NULL;
    }
    return apr_pstrmemdup(pool, header.kid.data, header.kid.len);
}

/* ---- keys ------------------------------------------------------------------------------------- */

static const char *const alg_names[] = {
    [WF_JWT_HS256] = "HS256", [WF_JWT_RS256] = "RS256", [WF_JWT_ES256] = "ES256"};

static apr_status_t free_pkey(void *pkey)
{
    EVP_PKEY_free(pkey);
    return APR_SUCCESS;
}

static wf_jwt_key_t *make_key(wf_ctx_t *ctx, wf_jwt_alg_t alg, const char *kid)
{
    wf_jwt_key_t *key = apr_pcalloc(ctx->pool, sizeof(*key));

    key->alg = alg;
    key->kid = kid ? apr_pstrdup(ctx->pool, kid) : NULL;
    return key;
}

wf_status_t wf_jwt_key_hmac(wf_ctx_t *ctx, wf_jwt_key_t **out, const char *kid, const void *secret,
                            size_t len)
{
    wf_jwt_key_t *key;

    *out = NULL;
    if (len < WF_JWT_SECRET_MIN) {
        return wf_fail_public(ctx, WF_EINVALID,
                              WFLOGNO(0600) "the secret has %" APR_SIZE_T_FMT " bytes, HS256 needs "
                                            "at least %d (e.g. openssl rand -base64 32)",
                              len, WF_JWT_SECRET_MIN);
    }
    key = make_key(ctx, WF_JWT_HS256, kid);
    key->secret.data = wf_secret_alloc(ctx->pool, len);
    memcpy(key->secret.data, secret, len);
    key->secret.len = len;
    *out = key;
    return WF_OK;
}

/* The key that `builder` describes; checked, so that no point off the curve verifies anything. */
static wf_status_t make_public(wf_ctx_t *ctx, wf_jwt_key_t *key, const char *type,
                               OSSL_PARAM_BLD *builder)
{
    OSSL_PARAM *params = builder ? OSSL_PARAM_BLD_to_param(builder) : NULL;
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL), *check = NULL;
    int ok = params && pctx && EVP_PKEY_fromdata_init(pctx) > 0 &&
             EVP_PKEY_fromdata(pctx, &key->pkey, EVP_PKEY_PUBLIC_KEY, params) > 0 &&
             (check = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL)) != NULL &&
             EVP_PKEY_public_check(check) > 0;

    EVP_PKEY_CTX_free(check);
    EVP_PKEY_CTX_free(pctx);
    OSSL_PARAM_free(params);
    if (!ok) {
        EVP_PKEY_free(key->pkey);
        key->pkey = NULL;
        ERR_clear_error();
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0601) "JWK: no usable %s key", type);
    }
    apr_pool_cleanup_register(ctx->pool, key->pkey, free_pkey, apr_pool_cleanup_null);
    return WF_OK;
}

/* 1 if the numbers are those of an RSA key that is worth something and cheap to use. */
static int rsa_numbers_ok(const BIGNUM *n, const BIGNUM *e)
{
    return n && e && BN_num_bits(n) >= RSA_BITS_MIN && BN_num_bits(n) <= RSA_BITS_MAX &&
           BN_is_odd(e) && !BN_is_one(e);
}

wf_status_t wf_jwt_key_rsa(wf_ctx_t *ctx, wf_jwt_key_t **out, const char *kid, wf_slice_t n,
                           wf_slice_t e)
{
    wf_jwt_key_t *key = make_key(ctx, WF_JWT_RS256, kid);
    BIGNUM *modulus = NULL, *exponent = NULL;
    OSSL_PARAM_BLD *builder = NULL;
    wf_status_t st;

    *out = NULL;
    if (n.len <= RSA_BITS_MAX / 8 + 1 && e.len <= RSA_EXPONENT_MAX) {
        modulus = BN_bin2bn((const unsigned char *)n.data, (int)n.len, NULL);
        exponent = BN_bin2bn((const unsigned char *)e.data, (int)e.len, NULL);
    }
    if (!rsa_numbers_ok(modulus, exponent)) {
        st = wf_fail(ctx, WF_EINVALID,
                     WFLOGNO(0602) "JWK: an RSA key of %d to %d bits is needed", RSA_BITS_MIN,
                     RSA_BITS_MAX);
    } else if (!(builder = OSSL_PARAM_BLD_new()) ||
               !OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) ||
               !OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent)) {
        st = wf_openssl_fail(ctx, "RSA key");
    } else {
        st = make_public(ctx, key, "RSA", builder);
    }
    OSSL_PARAM_BLD_free(builder);
    BN_free(modulus);
    BN_free(exponent);
    if (st == WF_OK) {
        *out = key;
    }
    return st;
}

wf_status_t wf_jwt_key_ec(wf_ctx_t *ctx, wf_jwt_key_t **out, const char *kid, wf_slice_t x,
                          wf_slice_t y)
{
    unsigned char point[1 + 2 * P256_LEN] = {POINT_CONVERSION_UNCOMPRESSED};
    wf_jwt_key_t *key = make_key(ctx, WF_JWT_ES256, kid);
    OSSL_PARAM_BLD *builder;
    wf_status_t st;

    *out = NULL;
    if (x.len != P256_LEN || y.len != P256_LEN) {
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0603) "JWK: x and y of P-256 have 32 bytes each");
    }
    memcpy(point + 1, x.data, P256_LEN);
    memcpy(point + 1 + P256_LEN, y.data, P256_LEN);
    builder = OSSL_PARAM_BLD_new();
    if (!builder ||
        !OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) ||
        !OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point))) {
        st = wf_openssl_fail(ctx, "EC key");
    } else {
        st = make_public(ctx, key, "EC", builder);
    }
    OSSL_PARAM_BLD_free(builder);
    if (st == WF_OK) {
        *out = key;
    }
    return st;
}

const char *wf_jwt_key_id(const wf_jwt_key_t *key)
{
    return key->kid;
}

/* ---- verifying -------------------------------------------------------------------------------- */

static int hmac_fits(const void *key, size_t key_len, const jwt_parts_t *parts, wf_slice_t claimed)
{
    unsigned char expected[WF_SHA256_LEN];

    if (key_len == 0 || claimed.len != sizeof(expected)) {
        return 0;
    }
    wf_hmac_sha256(expected, key, key_len, parts->input.data, parts->input.len);
    return wf_ct_equal(expected, claimed.data, sizeof(expected));
}

/* RFC 7518 section 3.4: r and s side by side; OpenSSL wants them in DER. NULL: not 64 bytes. */
static unsigned char *ecdsa_der(int *der_len, wf_slice_t raw)
{
    const unsigned char *bytes = (const unsigned char *)raw.data;
    unsigned char *der = NULL;
    ECDSA_SIG *sig;
    BIGNUM *r, *s;

    if (raw.len != (size_t)2 * P256_LEN || !(sig = ECDSA_SIG_new())) {
        return NULL;
    }
    r = BN_bin2bn(bytes, P256_LEN, NULL);
    s = BN_bin2bn(bytes + P256_LEN, P256_LEN, NULL);
    if (r && s && ECDSA_SIG_set0(sig, r, s)) {
        *der_len = i2d_ECDSA_SIG(sig, &der);
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(sig);
    return der;
}

static int signature_fits(const wf_jwt_key_t *key, const jwt_parts_t *parts, wf_slice_t claimed)
{
    const unsigned char *sig = (const unsigned char *)claimed.data;
    unsigned char *der = NULL;
    int len = (int)claimed.len, ok;
    EVP_MD_CTX *md;

    if (key->alg == WF_JWT_ES256) {
        sig = der = ecdsa_der(&len, claimed);
        if (!der) {
            return 0;
        }
    }
    md = EVP_MD_CTX_new();
    ok = md && EVP_DigestVerifyInit(md, NULL, wf_algorithms()->sha256, NULL, key->pkey) > 0 &&
         EVP_DigestVerify(md, sig, (size_t)len, (const unsigned char *)parts->input.data,
                          parts->input.len) == 1;
    EVP_MD_CTX_free(md);
    OPENSSL_free(der);
    ERR_clear_error();
    return ok;
}

static int is_signed_by(const wf_jwt_key_t *key, const jwt_parts_t *parts, wf_slice_t claimed)
{
    return key->alg == WF_JWT_HS256 ? hmac_fits(key->secret.data, key->secret.len, parts, claimed)
                                    : signature_fits(key, parts, claimed);
}

/* The key decides which algorithm its tokens have; a token that says another one is not of that key. */
static int may_be_of(const wf_jwt_key_t *key, const jwt_header_t *header)
{
    return slice_is(header->alg, alg_names[key->alg]) &&
           (!header->kid.data || (key->kid && slice_is(header->kid, key->kid)));
}

wf_status_t wf_jwt_open(wf_ctx_t *ctx, wf_slice_t *payload, const char *jwt,
                        const wf_jwt_key_t *const *keys, int count)
{
    int i, candidates = 0;
    jwt_header_t header;
    wf_slice_t claimed;
    jwt_parts_t parts;

    *payload = (wf_slice_t){NULL, 0};
    if (!split(&parts, jwt) || !decode(ctx->pool, &claimed, parts.mac) ||
        !read_header(ctx->pool, &header, parts.header)) {
        return wf_fail(ctx, WF_EDENIED, WFLOGNO(0604) "JWT: not three parts with a plain header");
    }
    for (i = 0; i < count; i++) {
        if (!may_be_of(keys[i], &header)) {
            continue;
        }
        candidates++;
        if (is_signed_by(keys[i], &parts, claimed)) {
            return decode(ctx->pool, payload, parts.payload)
                       ? WF_OK
                       : wf_fail(ctx, WF_EDENIED, WFLOGNO(0605) "JWT: the payload is not base64url");
        }
    }
    if (candidates == 0) {
        return wf_fail(ctx, WF_EDENIED, WFLOGNO(0606) "JWT: no key of its kid and algorithm");
    }
    return wf_fail(ctx, WF_EDENIED, WFLOGNO(0607) "JWT: the signature does not fit");
}

/* The MAC first: nothing of an unsigned token is interpreted. */
wf_status_t wf_jwt_hs256_open(wf_ctx_t *ctx, wf_slice_t *payload, const char *jwt, const void *key,
                              size_t key_len)
{
    jwt_header_t header;
    wf_slice_t claimed;
    jwt_parts_t parts;

    *payload = (wf_slice_t){NULL, 0};
    if (!split(&parts, jwt) || !decode(ctx->pool, &claimed, parts.mac) ||
        claimed.len != WF_SHA256_LEN) {
        return wf_fail(ctx, WF_EDENIED, WFLOGNO(0032) "JWT: not three parts with a 32-byte MAC");
    }
    if (!hmac_fits(key, key_len, &parts, claimed)) {
        return wf_fail(ctx, WF_EDENIED, WFLOGNO(0033) "JWT: the MAC does not fit");
    }
    if (!read_header(ctx->pool, &header, parts.header) || !slice_is(header.alg, "HS256") ||
        !decode(ctx->pool, payload, parts.payload)) {
        return wf_fail(ctx, WF_EDENIED, WFLOGNO(0034) "JWT: not a plain HS256 token");
    }
    return WF_OK;
}

/* ---- signing ---------------------------------------------------------------------------------- */

const char *wf_jwt_sign(apr_pool_t *pool, const wf_jwt_key_t *key, const char *payload, size_t len)
{
    const char *header = key->kid ? apr_pstrcat(pool, "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"",
                                                key->kid, "\"}", NULL)
                                  : "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    const char *input = apr_pstrcat(pool, wf_base64url(pool, header, strlen(header)), ".",
                                    wf_base64url(pool, payload, len), NULL);
    unsigned char mac[WF_SHA256_LEN];

    if (key->alg != WF_JWT_HS256) {
        return NULL;
    }
    wf_hmac_sha256(mac, key->secret.data, key->secret.len, input, strlen(input));
    return apr_pstrcat(pool, input, ".", wf_base64url(pool, mac, sizeof(mac)), NULL);
}

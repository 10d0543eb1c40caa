#include "crypto/wf_crypto.h"

#include <apr_lib.h>
#include <string.h>

#define JWT_MAX 16384

/* A token's three parts, as they stand in it. */
typedef struct {
    wf_slice_t header, payload, mac;
    size_t signed_len; /* of "header.payload" */
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
    out->signed_len = (size_t)(second - jwt);
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

/* 1 if `header` names HS256, once, and asks for no extension (RFC 7515 section 4.1.11). */
static int header_ok(const char *header)
{
    const char *p = skip_space(header);
    int algorithms = 0;

    if (*p != '{') {
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
            algorithms += slice_is(value, "HS256") ? 1 : 2;
        }
        p = skip_space(p);
    } while (*p == ',');
    return *p == '}' && *skip_space(p + 1) == '\0' && algorithms == 1;
}

/* The MAC first: nothing of an unsigned token is interpreted. */
wf_status_t wf_jwt_hs256_open(wf_ctx_t *ctx, wf_slice_t *payload, const char *jwt, const void *key,
                              size_t key_len)
{
    unsigned char expected[WF_SHA256_LEN];
    wf_slice_t header, claimed;
    jwt_parts_t parts;

    *payload = (wf_slice_t){NULL, 0};
    if (!split(&parts, jwt) || !decode(ctx->pool, &claimed, parts.mac) ||
        claimed.len != sizeof(expected)) {
        return wf_fail(ctx, WF_EDENIED, WFLOGNO(0032) "JWT: not three parts with a 32-byte MAC");
    }
    wf_hmac_sha256(expected, key, key_len, jwt, parts.signed_len);
    if (key_len == 0 || !wf_ct_equal(expected, claimed.data, sizeof(expected))) {
        return wf_fail(ctx, WF_EDENIED, WFLOGNO(0033) "JWT: the MAC does not fit");
    }
    if (!decode(ctx->pool, &header, parts.header) || strlen(header.data) != header.len ||
        !header_ok(header.data) || !decode(ctx->pool, payload, parts.payload)) {
        return wf_fail(ctx, WF_EDENIED, WFLOGNO(0034) "JWT: not a plain HS256 token");
    }
    return WF_OK;
}

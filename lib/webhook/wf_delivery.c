#include "webhook/wf_delivery.h"

#include <string.h>

#define SECRET_PREFIX "whsec_"
#define SECRET_LEN 24
#define VERSION "v1,"
#define VERSION_LEN (sizeof(VERSION) - 1)
#define MAC_TEXT_LEN WF_BASE64_LEN(WF_SHA256_LEN)
#define ID_MAX 256

wf_status_t wf_delivery_secret_parse(wf_ctx_t *ctx, wf_secret_t *out, const char *text)
{
    size_t prefix_len = strlen(SECRET_PREFIX);
    size_t len = strlen(text), decoded_len;
    unsigned char *data = wf_secret_alloc(ctx->pool, len + 4); /* room for either form and a NUL */

    memset(out, 0, sizeof(*out));
    if (strncmp(text, SECRET_PREFIX, prefix_len) == 0) {
        if (!wf_base64_decode(data, &decoded_len, text + prefix_len, len - prefix_len)) {
            return wf_fail_public(ctx, WF_EINVALID,
                                  WFLOGNO(0160) "the webhook secret has no base64 after '%s'",
                                  SECRET_PREFIX);
        }
        len = decoded_len;
    } else {
        memcpy(data, text, len);
    }
    if (len == 0) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0161) "the webhook secret is empty");
    }
    data[len] = '\0';
    *out = (wf_secret_t){data, len};
    return WF_OK;
}

wf_status_t wf_delivery_secret_generate(wf_ctx_t *ctx, const char **text)
{
    char *secret = wf_secret_alloc(ctx->pool, sizeof(SECRET_PREFIX) + WF_BASE64_LEN(SECRET_LEN));
    unsigned char bytes[SECRET_LEN];
    wf_status_t st;

    *text = NULL;
    st = wf_rand_bytes(ctx, bytes, sizeof(bytes));
    if (st != WF_OK) {
        return st;
    }
    memcpy(secret, SECRET_PREFIX, strlen(SECRET_PREFIX));
    wf_base64_encode(secret + strlen(SECRET_PREFIX), bytes, sizeof(bytes));
    wf_wipe(bytes, sizeof(bytes));
    *text = secret;
    return WF_OK;
}

/* "id.timestamp.body" */
static wf_slice_t signed_content(apr_pool_t *pool, const char *id, const char *timestamp,
                                 const void *body, size_t len)
{
    size_t id_len = strlen(id), time_len = strlen(timestamp);
    char *content = apr_palloc(pool, id_len + 1 + time_len + 1 + len), *p = content;

    memcpy(p, id, id_len);
    p += id_len;
    *p++ = '.';
    memcpy(p, timestamp, time_len);
    p += time_len;
    *p++ = '.';
    if (len > 0) {
        memcpy(p, body, len);
    }
    return (wf_slice_t){content, (size_t)(p - content) + len};
}

/* A "." would let the id's end and the timestamp be moved against each other. */
static int is_id(const char *id)
{
    size_t len = strnlen(id, ID_MAX + 1);
    size_t i;

    for (i = 0; i < len; i++) {
        if (id[i] <= ' ' || id[i] > '~' || id[i] == '.') {
            return 0;
        }
    }
    return len > 0 && len <= ID_MAX;
}

static int are_secrets(const wf_secret_t *secrets, int count)
{
    int i;

    for (i = 0; i < count && i < WF_DELIVERY_SIGNATURES_MAX; i++) {
        if (secrets[i].len == 0) {
            return 0;
        }
    }
    return count >= 1 && count <= WF_DELIVERY_SIGNATURES_MAX;
}

wf_status_t wf_delivery_sign(wf_ctx_t *ctx, wf_delivery_headers_t *out, const wf_secret_t *secrets,
                             int secret_count, const char *id, const void *body, size_t len)
{
    unsigned char mac[WF_SHA256_LEN];
    const char *timestamp;
    wf_slice_t content;
    char *signature, *p;
    int i;

    memset(out, 0, sizeof(*out));
    if (!is_id(id) || !are_secrets(secrets, secret_count)) {
        return wf_fail(ctx, WF_EINVALID,
                       WFLOGNO(0162) "a delivery needs an id without dots and 1 to %d secrets",
                       WF_DELIVERY_SIGNATURES_MAX);
    }
    timestamp = apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, apr_time_sec(wf_now(ctx)));
    content = signed_content(ctx->pool, id, timestamp, body, len);
    signature = apr_palloc(ctx->pool, (size_t)secret_count * (VERSION_LEN + MAC_TEXT_LEN + 1));
    p = signature;
    for (i = 0; i < secret_count; i++) {
        wf_hmac_sha256(mac, secrets[i].data, secrets[i].len, content.data, content.len);
        memcpy(p, VERSION, VERSION_LEN);
        p += VERSION_LEN;
        p += wf_base64_encode(p, mac, sizeof(mac));
        *p++ = i + 1 < secret_count ? ' ' : '\0';
    }
    *out = (wf_delivery_headers_t){id, timestamp, signature};
    return WF_OK;
}

/* 1 if one of the header's "v1," signatures is this MAC; other versions are not ours to judge. */
static int has_signature(const char *header, const unsigned char mac[WF_SHA256_LEN])
{
    char expected[MAC_TEXT_LEN];
    int found = 0, seen;

    wf_base64_encode(expected, mac, WF_SHA256_LEN);
    for (seen = 0; *header && seen < WF_DELIVERY_SIGNATURES_MAX; seen++) {
        size_t len = strcspn(header, " ");
        if (len == VERSION_LEN + MAC_TEXT_LEN && strncmp(header, VERSION, VERSION_LEN) == 0) {
            found |= wf_ct_equal(header + VERSION_LEN, expected, MAC_TEXT_LEN);
        }
        header += len + strspn(header + len, " ");
    }
    return found;
}

wf_status_t wf_delivery_verify(wf_ctx_t *ctx, const wf_delivery_headers_t *headers,
                               const wf_secret_t *secrets, int secret_count, const void *body,
                               size_t len, apr_interval_time_t tolerance)
{
    unsigned char mac[WF_SHA256_LEN];
    apr_interval_time_t age;
    wf_slice_t content;
    int64_t seconds;
    int i, found = 0;

    if (!headers->id || !headers->timestamp || !headers->signature || !is_id(headers->id) ||
        !are_secrets(secrets, secret_count) ||
        !wf_parse_int(&seconds, headers->timestamp, 0, UINT32_MAX)) {
        return wf_fail(ctx, WF_EDENIED,
                       WFLOGNO(0163) "webhook signature: headers are missing or "
                                     "malformed");
    }
    age = wf_now(ctx) - apr_time_from_sec(seconds);
    if (age > tolerance || age < -tolerance) {
        return wf_fail(ctx, WF_EDENIED,
                       WFLOGNO(0164) "webhook signature: too old, or of the future");
    }
    content = signed_content(ctx->pool, headers->id, headers->timestamp, body, len);
    for (i = 0; i < secret_count; i++) {
        wf_hmac_sha256(mac, secrets[i].data, secrets[i].len, content.data, content.len);
        found |= has_signature(headers->signature, mac);
    }
    if (!found) {
        return wf_fail(ctx, WF_EDENIED, WFLOGNO(0165) "webhook signature: none fits");
    }
    return WF_OK;
}

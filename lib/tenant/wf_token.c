#include "tenant/wf_token.h"

#include "json/wf_json.h"

#include <string.h>

#define PREFIX "wfb1."
#define PREFIX_LEN (sizeof(PREFIX) - 1)
#define MAC_PURPOSE "wflows flow token v1"
#define RANDOM_LEN 16
#define MAC_LEN 16
#define UUID_BYTES 16
#define EXPIRY_AT (3 * UUID_BYTES)
#define RANDOM_AT (EXPIRY_AT + 4)
#define BODY_LEN (RANDOM_AT + RANDOM_LEN)
#define BODY_TEXT_LEN 91 /* of 68 bytes in base64url */
#define MAC_TEXT_LEN 22
#define JWT_PAYLOAD_DEPTH 16

static void make_mac(unsigned char mac[WF_SHA256_LEN], const wf_data_key_t *data_key,
                     const unsigned char body[BODY_LEN])
{
    unsigned char key[WF_SHA256_LEN];

    wf_hmac_sha256(key, data_key->key, sizeof(data_key->key), MAC_PURPOSE, strlen(MAC_PURPOSE));
    wf_hmac_sha256(mac, key, sizeof(key), body, BODY_LEN);
    wf_wipe(key, sizeof(key));
}

static const char *format(apr_pool_t *pool, const unsigned char body[BODY_LEN],
                          const unsigned char *mac)
{
    return apr_pstrcat(pool, PREFIX, wf_base64url(pool, body, BODY_LEN), ".",
                       wf_base64url(pool, mac, MAC_LEN), NULL);
}

wf_status_t wf_token_issue(wf_ctx_t *ctx, const char **text, const wf_data_key_t *data_key,
                           const char *company_id, const char *account_id, const char *flow_id,
                           apr_time_t expires_at)
{
    unsigned char body[BODY_LEN], mac[WF_SHA256_LEN];
    apr_time_t seconds = apr_time_sec(expires_at);
    wf_status_t st;
    int i;

    *text = NULL;
    if (!wf_uuid_decode(body, company_id) || !wf_uuid_decode(body + UUID_BYTES, account_id) ||
        !wf_uuid_decode(body + 2 * UUID_BYTES, flow_id) || seconds < 1 || seconds > UINT32_MAX) {
        return wf_fail(ctx, WF_EINVALID,
                       WFLOGNO(0188) "flow token: company, account and flow must be UUIDs and the "
                                     "expiry before 2106");
    }
    for (i = 0; i < 4; i++) {
        body[EXPIRY_AT + i] = (unsigned char)(seconds >> (24 - 8 * i));
    }
    st = wf_rand_bytes(ctx, body + RANDOM_AT, RANDOM_LEN);
    if (st != WF_OK) {
        return st;
    }
    make_mac(mac, data_key, body);
    *text = format(ctx->pool, body, mac);
    return WF_OK;
}

/* The two decoded parts; 0 if the text is not of this form. */
static int take_apart(unsigned char body[BODY_LEN], unsigned char mac[MAC_LEN], const char *text)
{
    unsigned char decoded[WF_BASE64_MAX(BODY_TEXT_LEN)];
    size_t len;

    if (!text || strncmp(text, PREFIX, PREFIX_LEN) != 0 ||
        strnlen(text, WF_TOKEN_BOUND_LEN + 1) != WF_TOKEN_BOUND_LEN ||
        text[PREFIX_LEN + BODY_TEXT_LEN] != '.') {
        return 0;
    }
    if (!wf_base64url_decode(decoded, &len, text + PREFIX_LEN, BODY_TEXT_LEN) || len != BODY_LEN) {
        return 0;
    }
    memcpy(body, decoded, BODY_LEN);
    if (!wf_base64url_decode(decoded, &len, text + PREFIX_LEN + BODY_TEXT_LEN + 1, MAC_TEXT_LEN) ||
        len != MAC_LEN) {
        return 0;
    }
    memcpy(mac, decoded, MAC_LEN);
    return 1;
}

int wf_token_is_bound(const char *text)
{
    unsigned char body[BODY_LEN], mac[MAC_LEN];

    return take_apart(body, mac, text);
}

/* base64 leaves bits of the last character unused: without this, one token could be spelt in many
 * ways, and each spelling would start a session of its own. */
static int is_the_one_spelling(wf_ctx_t *ctx, const char *text, const unsigned char body[BODY_LEN],
                               const unsigned char mac[MAC_LEN])
{
    return wf_ct_equal(text, format(ctx->pool, body, mac), WF_TOKEN_BOUND_LEN);
}

static void read_claims(const wf_ctx_t *ctx, wf_token_claims_t *claims,
                        const unsigned char body[BODY_LEN])
{
    uint32_t seconds = 0;
    int i;

    for (i = 0; i < 4; i++) {
        seconds = seconds << 8 | body[EXPIRY_AT + i];
    }
    wf_uuid_encode(claims->company_id, body);
    wf_uuid_encode(claims->account_id, body + UUID_BYTES);
    wf_uuid_encode(claims->flow_id, body + 2 * UUID_BYTES);
    claims->expires_at = apr_time_from_sec((apr_time_t)seconds);
    claims->expired = wf_now(ctx) >= claims->expires_at;
}

wf_status_t wf_token_check(wf_ctx_t *ctx, wf_token_claims_t *claims, const wf_data_key_t *data_key,
                           const char *company_id, const char *text)
{
    unsigned char body[BODY_LEN], mac[MAC_LEN], expected[WF_SHA256_LEN], company[UUID_BYTES];

    memset(claims, 0, sizeof(*claims));
    if (!take_apart(body, mac, text) || !is_the_one_spelling(ctx, text, body, mac)) {
        return wf_fail(ctx, WF_EDENIED, WFLOGNO(0189) "flow token: not a bound token");
    }
    make_mac(expected, data_key, body);
    if (!wf_ct_equal(mac, expected, MAC_LEN)) {
        return wf_fail(ctx, WF_EDENIED,
                       WFLOGNO(0190) "flow token: the MAC does not fit, so this company did not "
                                     "issue it");
    }
    if (!wf_uuid_decode(company, company_id) || memcmp(company, body, UUID_BYTES) != 0) {
        return wf_fail(ctx, WF_EDENIED, WFLOGNO(0191) "flow token: issued for another company");
    }
    read_claims(ctx, claims, body);
    return WF_OK;
}

int wf_token_signature_ok(wf_ctx_t *ctx, const char *jwt, const char *flow_token,
                          const void *secret, size_t secret_len)
{
    wf_ctx_t own = *ctx; /* an error slot of its own */
    const wf_json_t *signed_token;
    wf_slice_t payload;
    wf_json_t *doc;
    size_t len;

    wf_ctx_clear(&own);
    if (!jwt || !flow_token || !secret ||
        wf_jwt_hs256_open(&own, &payload, jwt, secret, secret_len) != WF_OK ||
        wf_json_parse(&own, &doc, payload.data, payload.len, JWT_PAYLOAD_DEPTH) != WF_OK) {
        return 0;
    }
    len = strlen(flow_token);
    signed_token = wf_json_get(doc, "flow_token");
    return wf_json_str(signed_token) && wf_json_str_len(signed_token) == len &&
           wf_ct_equal(wf_json_str(signed_token), flow_token, len);
}

#include "crypto/wf_crypto_int.h"

#include <apr_lib.h>
#include <string.h>

#define WRAP_PREFIX "wk1"
#define MASTER_ID_MAX 32

struct wf_keyring_t {
    wf_master_key_t *keys; /* secret memory; the first one is the primary */
    int count;
};

static int is_master_id(const char *id, size_t len)
{
    size_t i;

    if (len == 0 || len > MASTER_ID_MAX) {
        return 0;
    }
    for (i = 0; i < len; i++) {
        if (!apr_isalnum(id[i]) && !strchr("_.-", id[i])) {
            return 0;
        }
    }
    return 1;
}

static const wf_master_key_t *find_key(const wf_keyring_t *ring, const char *id, size_t id_len)
{
    int i;

    for (i = 0; i < ring->count; i++) {
        if (strlen(ring->keys[i].id) == id_len && memcmp(ring->keys[i].id, id, id_len) == 0) {
            return &ring->keys[i];
        }
    }
    return NULL;
}

wf_status_t wf_keyring_make(wf_ctx_t *ctx, wf_keyring_t **out, const wf_master_key_t *keys,
                            int count)
{
    wf_keyring_t *ring = apr_pcalloc(ctx->pool, sizeof(*ring));
    int i;

    *out = NULL;
    if (count < 1) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0026) "no master key is configured");
    }
    ring->keys = wf_secret_alloc(ctx->pool, (size_t)count * sizeof(*ring->keys));
    for (i = 0; i < count; i++) {
        const char *id = keys[i].id ? keys[i].id : "";
        if (!is_master_id(id, strlen(id))) {
            return wf_fail_public(ctx, WF_EINVALID,
                                  WFLOGNO(0027) "master key id '%s': 1 to %d letters, digits, "
                                                "'_', '.' or '-' are allowed",
                                  id, MASTER_ID_MAX);
        }
        if (find_key(ring, id, strlen(id))) {
            return wf_fail_public(ctx, WF_EINVALID,
                                  WFLOGNO(0028) "two master keys have the id '%s'", id);
        }
        ring->keys[i] = keys[i];
        ring->keys[i].id = apr_pstrdup(ctx->pool, id);
        ring->count = i + 1;
    }
    *out = ring;
    return WF_OK;
}

const char *wf_keyring_primary_id(const wf_keyring_t *ring)
{
    return ring->keys[0].id;
}

void wf_keyring_derive(unsigned char out[WF_SHA256_LEN], const wf_keyring_t *ring,
                       const char *purpose)
{
    wf_hmac_sha256(out, ring->keys[0].key, sizeof(ring->keys[0].key), purpose, strlen(purpose));
}

wf_status_t wf_master_key_parse(wf_ctx_t *ctx, wf_master_key_t *out, const char *id,
                                const char *base64)
{
    unsigned char key[WF_BASE64_MAX(WF_BASE64_LEN(sizeof(out->key)))];
    size_t len, key_len = 0;
    int ok;

    memset(out, 0, sizeof(*out));
    while (apr_isspace(*base64)) {
        base64++;
    }
    len = strlen(base64);
    while (len > 0 && apr_isspace(base64[len - 1])) {
        len--;
    }
    ok = len <= WF_BASE64_LEN(sizeof(out->key)) && wf_base64_decode(key, &key_len, base64, len) &&
         key_len == sizeof(out->key);
    if (ok) {
        memcpy(out->key, key, sizeof(out->key));
        out->id = apr_pstrdup(ctx->pool, id);
    }
    wf_wipe(key, sizeof(key));
    if (!ok) {
        return wf_fail_public(ctx, WF_EINVALID,
                              WFLOGNO(0029) "master key '%s' is not 32 bytes in base64 "
                                            "(wflowsctl master-key new makes one)",
                              id);
    }
    return WF_OK;
}

wf_status_t wf_master_key_generate(wf_ctx_t *ctx, const char **base64)
{
    const size_t text_len = WF_BASE64_LEN(WF_SHA256_LEN);
    unsigned char key[32];
    wf_status_t st;
    char *text;

    *base64 = NULL;
    st = wf_rand_bytes(ctx, key, sizeof(key));
    if (st != WF_OK) {
        return st;
    }
    text = wf_secret_alloc(ctx->pool, text_len + 1);
    wf_base64_encode(text, key, sizeof(key));
    wf_wipe(key, sizeof(key));
    *base64 = text;
    return WF_OK;
}

/* ---- data keys ---------------------------------------------------------------------------- */

static const char *wrap_place(apr_pool_t *pool, const char *company_id, const char *data_key_id)
{
    return apr_pstrcat(pool, "data_keys|", company_id, "|", data_key_id, NULL);
}

static wf_status_t wrap(wf_ctx_t *ctx, const char **wrapped, const wf_keyring_t *ring,
                        const char *company_id, const wf_data_key_t *key)
{
    const wf_master_key_t *primary = &ring->keys[0];

    return wf_sealed_make(ctx, wrapped, WRAP_PREFIX, primary->id, primary->key,
                          wrap_place(ctx->pool, company_id, key->id), key->key, sizeof(key->key));
}

wf_status_t wf_data_key_generate(wf_ctx_t *ctx, wf_data_key_t *out, const char **wrapped,
                                 const wf_keyring_t *ring, const char *company_id)
{
    wf_status_t st;

    *wrapped = NULL;
    memset(out, 0, sizeof(*out));
    st = wf_uuid_v7(ctx, out->id);
    if (st != WF_OK) {
        return st;
    }
    st = wf_rand_bytes(ctx, out->key, sizeof(out->key));
    if (st != WF_OK) {
        return st;
    }
    return wrap(ctx, wrapped, ring, company_id, out);
}

static wf_status_t no_data_key(wf_ctx_t *ctx, const char *data_key_id)
{
    return wf_fail(ctx, WF_EINVALID, WFLOGNO(0030) "data key %s is no wrapped key of 32 bytes",
                   data_key_id);
}

wf_status_t wf_data_key_unwrap(wf_ctx_t *ctx, wf_data_key_t *out, const wf_keyring_t *ring,
                               const char *company_id, const char *data_key_id, const char *wrapped)
{
    const wf_master_key_t *master;
    wf_sealed_text_t text;
    wf_secret_t plain;
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    if (!wf_sealed_split(&text, WRAP_PREFIX, wrapped) || strlen(data_key_id) != WF_UUID_LEN ||
        !is_master_id(text.key_id.data, text.key_id.len)) {
        return no_data_key(ctx, data_key_id);
    }
    master = find_key(ring, text.key_id.data, text.key_id.len);
    if (!master) {
        return wf_fail(ctx, WF_ENOTFOUND,
                       WFLOGNO(0031) "data key %s is wrapped by the master key '%.*s', which is "
                                     "not configured",
                       data_key_id, (int)text.key_id.len, text.key_id.data);
    }
    st = wf_sealed_open(ctx, &plain, &text, master->key,
                        wrap_place(ctx->pool, company_id, data_key_id));
    if (st != WF_OK) {
        return st;
    }
    if (plain.len != sizeof(out->key)) {
        return no_data_key(ctx, data_key_id);
    }
    memcpy(out->id, data_key_id, WF_UUID_LEN);
    memcpy(out->key, plain.data, sizeof(out->key));
    return WF_OK;
}

wf_status_t wf_data_key_rewrap(wf_ctx_t *ctx, const char **rewrapped, const wf_keyring_t *ring,
                               const char *company_id, const char *data_key_id, const char *wrapped)
{
    wf_data_key_t key;
    wf_status_t st;

    *rewrapped = NULL;
    st = wf_data_key_unwrap(ctx, &key, ring, company_id, data_key_id, wrapped);
    if (st == WF_OK) {
        st = wrap(ctx, rewrapped, ring, company_id, &key);
    }
    wf_wipe(&key, sizeof(key));
    return st;
}

const char *wf_data_key_master_id(apr_pool_t *pool, const char *wrapped)
{
    wf_sealed_text_t text;

    if (!wf_sealed_split(&text, WRAP_PREFIX, wrapped) ||
        !is_master_id(text.key_id.data, text.key_id.len)) {
        return NULL;
    }
    return apr_pstrmemdup(pool, text.key_id.data, text.key_id.len);
}

/* ---- statements --------------------------------------------------------------------------- */

#define SIGN_PREFIX "wfs1:"

/* Over all that stands before it, under a key that serves nothing else. */
static void sign(unsigned char mac[WF_SHA256_LEN], const wf_master_key_t *master,
                 const char *purpose, const char *text, size_t len)
{
    unsigned char key[WF_SHA256_LEN];

    wf_hmac_sha256(key, master->key, sizeof(master->key), purpose, strlen(purpose));
    wf_hmac_sha256(mac, key, sizeof(key), text, len);
    wf_wipe(key, sizeof(key));
}

const char *wf_ring_sign(apr_pool_t *pool, const wf_keyring_t *ring, const char *purpose,
                         const void *data, size_t len)
{
    unsigned char mac[WF_SHA256_LEN];
    const char *text = apr_pstrcat(pool, SIGN_PREFIX, ring->keys[0].id, ":",
                                   wf_base64url(pool, data, len), NULL);

    sign(mac, &ring->keys[0], purpose, text, strlen(text));
    return apr_pstrcat(pool, text, ":", wf_base64url(pool, mac, sizeof(mac)), NULL);
}

wf_status_t wf_ring_check(wf_ctx_t *ctx, wf_slice_t *data, const wf_keyring_t *ring,
                          const char *purpose, const char *text)
{
    const size_t skip = sizeof(SIGN_PREFIX) - 1;
    const char *id = strncmp(text, SIGN_PREFIX, skip) == 0 ? text + skip : NULL;
    const char *body = id ? strchr(id, ':') : NULL, *tail = body ? strchr(body + 1, ':') : NULL;
    unsigned char mac[WF_SHA256_LEN], claimed[WF_BASE64_MAX(64)], *out;
    const wf_master_key_t *master;
    size_t len, claimed_len;

    *data = (wf_slice_t){NULL, 0};
    if (!tail || !is_master_id(id, (size_t)(body - id)) || strlen(tail + 1) > 64 ||
        !wf_base64url_decode(claimed, &claimed_len, tail + 1, strlen(tail + 1))) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0721) "this is no signed statement of wflows");
    }
    if (!(master = find_key(ring, id, (size_t)(body - id)))) {
        return wf_fail_public(ctx, WF_ENOTFOUND,
                              WFLOGNO(0722) "signed with the master key '%.*s', which is not configured",
                              (int)(body - id), id);
    }
    sign(mac, master, purpose, text, (size_t)(tail - text));
    out = apr_palloc(ctx->pool, WF_BASE64_MAX((size_t)(tail - body)) + 1);
    if (claimed_len != sizeof(mac) || !wf_ct_equal(mac, claimed, sizeof(mac)) ||
        !wf_base64url_decode(out, &len, body + 1, (size_t)(tail - body - 1))) {
        return wf_fail_public(ctx, WF_EDENIED, WFLOGNO(0723) "the signature does not fit: it was changed");
    }
    out[len] = '\0';
    *data = (wf_slice_t){(const char *)out, len};
    return WF_OK;
}

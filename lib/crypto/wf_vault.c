/* Our own form of a file at rest: pieces of AES-256-GCM. */
#include "crypto/wf_crypto_int.h"

#include <string.h>

#define MAGIC "wff1"
#define MAGIC_LEN (sizeof(MAGIC) - 1)
#define NONCE_LEN 12

struct wf_vault_t {
    unsigned char key[WF_VAULT_KEY_LEN];
    const char *place;
    int is_opening;
    wf_bytes_fn *sink;
    void *baton;
    uint64_t number;      /* of the piece that is gathered */
    size_t magic_seen;    /* bytes of MAGIC that came (opening) */
    unsigned char *piece; /* gathered input */
    size_t len, size;
    unsigned char *out;
};

static wf_status_t make(wf_ctx_t *ctx, wf_vault_t **out, const unsigned char key[WF_VAULT_KEY_LEN],
                        const wf_seal_place_t *place, wf_bytes_fn *sink, void *baton,
                        int is_opening)
{
    wf_vault_t *vault = wf_secret_alloc(ctx->pool, sizeof(*vault));

    memcpy(vault->key, key, sizeof(vault->key));
    vault->place = wf_seal_place_text(ctx->pool, place);
    vault->is_opening = is_opening;
    vault->sink = sink;
    vault->baton = baton;
    vault->size = WF_VAULT_CHUNK + (is_opening ? WF_GCM_TAG_LEN : 0);
    vault->piece = wf_secret_alloc(ctx->pool, vault->size);
    vault->out = wf_secret_alloc(ctx->pool, WF_VAULT_CHUNK + WF_GCM_TAG_LEN);
    *out = vault;
    return WF_OK;
}

wf_status_t wf_vault_seal(wf_ctx_t *ctx, wf_vault_t **out,
                          const unsigned char key[WF_VAULT_KEY_LEN], const wf_seal_place_t *place,
                          wf_bytes_fn *sink, void *baton)
{
    wf_status_t st = sink(ctx, MAGIC, MAGIC_LEN, baton);

    *out = NULL;
    return st == WF_OK ? make(ctx, out, key, place, sink, baton, 0) : st;
}

wf_status_t wf_vault_open(wf_ctx_t *ctx, wf_vault_t **out,
                          const unsigned char key[WF_VAULT_KEY_LEN], const wf_seal_place_t *place,
                          wf_bytes_fn *sink, void *baton)
{
    return make(ctx, out, key, place, sink, baton, 1);
}

/* The gathered piece, sealed or opened, goes on. */
static wf_status_t turn(wf_ctx_t *ctx, wf_vault_t *vault, int is_last)
{
    unsigned char nonce[NONCE_LEN] = {0};
    char aad[512];
    wf_gcm_params_t params = {
        .key = vault->key, .key_len = sizeof(vault->key), .iv = nonce, .iv_len = sizeof(nonce)};
    size_t out_len;
    wf_status_t st;
    int i;

    for (i = 0; i < 8; i++) {
        nonce[NONCE_LEN - 1 - i] = (unsigned char)(vault->number >> (8 * i));
    }
    params.aad = aad;
    params.aad_len = (size_t)apr_snprintf(aad, sizeof(aad), "%" APR_UINT64_T_FMT "|%d|%s",
                                          (apr_uint64_t)vault->number, is_last, vault->place);
    if (vault->is_opening) {
        st = wf_gcm_open(ctx, vault->out, &params, vault->piece, vault->len);
        out_len = vault->len - WF_GCM_TAG_LEN;
    } else {
        st = wf_gcm_seal(ctx, vault->out, &params, vault->piece, vault->len);
        out_len = vault->len + WF_GCM_TAG_LEN;
    }
    vault->number++;
    vault->len = 0;
    if (st != WF_OK || out_len == 0) {
        return st;
    }
    return vault->sink(ctx, vault->out, out_len, vault->baton);
}

/* Takes the magic off; 0: this is no file of ours. */
static int skip_magic(wf_vault_t *vault, const unsigned char **bytes, size_t *len)
{
    while (vault->is_opening && vault->magic_seen<MAGIC_LEN && * len> 0) {
        if (**bytes != (unsigned char)MAGIC[vault->magic_seen]) {
            return 0;
        }
        vault->magic_seen++;
        (*bytes)++;
        (*len)--;
    }
    return 1;
}

wf_status_t wf_vault_add(wf_ctx_t *ctx, wf_vault_t *vault, const void *data, size_t len)
{
    const unsigned char *bytes = data;
    wf_status_t st = WF_OK;

    if (!skip_magic(vault, &bytes, &len)) {
        return wf_fail(ctx, WF_EDENIED, WFLOGNO(0525) "not a sealed file");
    }
    while (st == WF_OK && len > 0) {
        size_t take = vault->size - vault->len;

        /* Full, and more comes: so it is not the last one. */
        if (take == 0) {
            st = turn(ctx, vault, 0);
            continue;
        }
        take = len < take ? len : take;
        memcpy(vault->piece + vault->len, bytes, take);
        vault->len += take;
        bytes += take;
        len -= take;
    }
    return st;
}

wf_status_t wf_vault_end(wf_ctx_t *ctx, wf_vault_t *vault)
{
    if (vault->is_opening && vault->len < WF_GCM_TAG_LEN) {
        return wf_fail(ctx, WF_EDENIED, WFLOGNO(0526) "a sealed file is cut off");
    }
    return turn(ctx, vault, 1);
}

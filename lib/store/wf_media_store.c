#include "store/wf_media_store.h"
#include "store/wf_store_int.h"

#include <string.h>

static const char *const sources[] = {"cdn", "graph"};

static wf_seal_place_t place_of(const char *column, const char *company_id, const char *id)
{
    return (wf_seal_place_t){"media", column, company_id, id};
}

static int has_secret(const apr_array_header_t *refs)
{
    int i;

    for (i = 0; i < refs->nelts; i++) {
        if (APR_ARRAY_IDX(refs, i, const wf_media_ref_t *)->source == WF_MEDIA_FROM_CDN) {
            return 1;
        }
    }
    return 0;
}

static wf_status_t add_file(wf_ctx_t *ctx, wf_json_t *all, const wf_data_key_t *key,
                            const char *company_id, const wf_media_ref_t *ref)
{
    wf_seal_place_t place = place_of("reference", company_id, ref->id);
    wf_json_t *file = wf_json_object_make(ctx->pool);
    const char *sealed = NULL, *secret;
    wf_status_t st = WF_OK;
    size_t len;

    secret = wf_media_ref_secret(ctx->pool, ref, &len);
    if (secret) {
        st = wf_seal(ctx, &sealed, key, &place, secret, len);
    }
    wf_json_set_str(file, "id", ref->id);
    wf_json_set_str(file, "source", sources[ref->source]);
    wf_json_set_str(file, "media_id", ref->media_id);
    wf_json_set_str(file, "file_name", ref->file_name);
    wf_json_set_str(file, "mime_type", ref->mime_type);
    wf_json_set_str(file, "sha256", ref->sha256);
    wf_json_set_str(file, "reference", sealed);
    wf_json_push(all, file);
    return st;
}

wf_status_t wf_media_files_seal(wf_ctx_t *ctx, const char **files, const wf_store_t *store,
                                const wf_keyring_t *ring, const char *company_id,
                                const apr_array_header_t *refs)
{
    wf_json_t *all = wf_json_array_make(ctx->pool);
    wf_status_t st = WF_OK;
    wf_data_key_t key;
    int i;

    *files = NULL;
    memset(&key, 0, sizeof(key));
    if (has_secret(refs)) {
        st = wf_data_key_load(ctx, &key, store, ring, company_id);
    }
    for (i = 0; st == WF_OK && i < refs->nelts; i++) {
        st = add_file(ctx, all, &key, company_id, APR_ARRAY_IDX(refs, i, const wf_media_ref_t *));
    }
    wf_wipe(&key, sizeof(key));
    if (st == WF_OK) {
        *files = wf_json_text(ctx->pool, all, NULL);
    }
    return st;
}

/* ---- reading
 * ------------------------------------------------------------------------------------- */

enum {
    COMPANY,
    ID,
    ACCOUNT,
    SOURCE,
    MEDIA_ID,
    STATUS,
    SHA256,
    MIME_TYPE,
    FILE_NAME,
    SIZE,
    REASON,
    REFERENCE,
    FILE_KEY,
    ACCESS_TOKEN,
    DATA_KEYS
};

typedef struct {
    const wf_keyring_t *ring;
    const char *company_id;
    const wf_json_t *data_keys; /* {id: wrapped} */
} keys_t;

/* With whichever of the company's data keys it was sealed. NULL text: an empty secret. */
static wf_status_t unseal(wf_ctx_t *ctx, wf_secret_t *out, const keys_t *keys,
                          const wf_seal_place_t *place, const char *sealed)
{
    const char *id = sealed ? strchr(sealed, ':') : NULL;
    const char *wrapped;
    wf_data_key_t key;
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    if (!sealed) {
        return WF_OK;
    }
    id = id ? apr_pstrndup(ctx->pool, id + 1, strcspn(id + 1, ":")) : "";
    wrapped = wf_json_get_str(keys->data_keys, id, NULL);
    if (!wrapped) {
        return wf_fail(ctx, WF_EDENIED, WFLOGNO(0536) "%s.%s of row %s: its data key is gone",
                       place->table, place->column, place->row_id);
    }
    st = wf_data_key_unwrap(ctx, &key, keys->ring, keys->company_id, id, wrapped);
    if (st == WF_OK) {
        st = wf_unseal(ctx, out, &key, place, sealed);
    }
    wf_wipe(&key, sizeof(key));
    return st;
}

static wf_status_t read_secrets(wf_ctx_t *ctx, wf_media_t *media, const keys_t *keys,
                                const wf_pg_result_t *res)
{
    wf_seal_place_t reference = place_of("reference", media->company_id, media->id);
    wf_seal_place_t file_key = place_of("file_key", media->company_id, media->id);
    wf_seal_place_t token = {"whatsapp_accounts", "access_token", media->company_id,
                             media->account_id ? media->account_id : ""};
    wf_secret_t secret;
    wf_status_t st;

    if ((st = unseal(ctx, &secret, keys, &reference, wf_pg_cell(res, 0, REFERENCE))) == WF_OK &&
        secret.len > 0) {
        st = wf_media_ref_secret_parse(ctx, &media->ref, (const char *)secret.data, secret.len);
    }
    if (st == WF_OK) {
        st = unseal(ctx, &secret, keys, &file_key, wf_pg_cell(res, 0, FILE_KEY));
    }
    if (st == WF_OK && secret.len == sizeof(media->file_key)) {
        memcpy(media->file_key, secret.data, secret.len);
    }
    if (st == WF_OK && media->ref.source == WF_MEDIA_FROM_GRAPH) {
        st = unseal(ctx, &media->access_token, keys, &token, wf_pg_cell(res, 0, ACCESS_TOKEN));
    }
    return st;
}

wf_status_t wf_media_load(wf_ctx_t *ctx, wf_media_t **out, const wf_store_t *store,
                          const wf_keyring_t *ring, const char *company_id, const char *which)
{
    const wf_pg_param_t params[] = {company_id, wf_store_uuid(which), which};
    wf_media_t *media = wf_secret_alloc(ctx->pool, sizeof(*media));
    keys_t keys = {ring, company_id, NULL};
    wf_json_t *data_keys;
    wf_pg_result_t *res;
    wf_status_t st;

    *out = NULL;
    st = wf_store_query(ctx, &res, store, company_id, WF_SQL_MEDIA_LOAD, params);
    if (st != WF_OK || wf_pg_rows(res) == 0) {
        return st == WF_OK ? WF_ENOTFOUND : st;
    }
    media->company_id = keys.company_id = wf_pg_cell(res, 0, COMPANY);
    media->id = wf_pg_cell(res, 0, ID);
    media->account_id = wf_pg_cell(res, 0, ACCOUNT);
    media->status = wf_pg_cell(res, 0, STATUS);
    media->sha256 = wf_pg_cell(res, 0, SHA256);
    media->mime_type = wf_pg_cell(res, 0, MIME_TYPE);
    media->file_name = wf_pg_cell(res, 0, FILE_NAME);
    media->size = wf_store_int(res, 0, SIZE);
    media->reason = wf_pg_cell(res, 0, REASON);
    media->ref.media_id = wf_pg_cell(res, 0, MEDIA_ID);
    media->ref.source = strcmp(wf_pg_cell(res, 0, SOURCE), sources[WF_MEDIA_FROM_GRAPH]) == 0
                            ? WF_MEDIA_FROM_GRAPH
                            : WF_MEDIA_FROM_CDN;
    if ((st = wf_store_json(ctx, &data_keys, res, 0, DATA_KEYS)) != WF_OK) {
        return st;
    }
    keys.data_keys = data_keys;
    if ((st = read_secrets(ctx, media, &keys, res)) == WF_OK) {
        *out = media;
    }
    return st;
}

wf_status_t wf_media_list(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store,
                          const char *company_id, const wf_media_filter_t *filter)
{
    const wf_pg_param_t params[] = {company_id, filter->session_id, filter->response_id,
                                    filter->status, apr_itoa(ctx->pool, filter->limit)};

    return wf_store_document(ctx, array, store, company_id, WF_SQL_MEDIA_LIST, params);
}

/* ---- somebody reads it
 * ------------------------------------------------------------------------- */

static wf_status_t audit_read(wf_ctx_t *ctx, const wf_store_t *store, const wf_media_t *media,
                              const wf_actor_t *actor)
{
    const wf_audit_t row = {.company_id = media->company_id,
                            .action = "media.read",
                            .resource_type = "media",
                            .resource_id = media->id};

    return wf_audit_write(ctx, store, &row, actor);
}

wf_status_t wf_media_open(wf_ctx_t *ctx, wf_media_t **out, const wf_store_t *store,
                          const wf_keyring_t *ring, const char *company_id, const char *which,
                          const wf_actor_t *actor)
{
    wf_media_t *media;
    wf_status_t st = wf_media_load(ctx, &media, store, ring, company_id, which);

    *out = NULL;
    if (st == WF_ENOTFOUND) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0561) "there is no such file");
    }
    if (st == WF_OK && strcmp(media->status, WF_MEDIA_STORED) != 0) {
        return wf_fail_public(ctx, WF_ECONFLICT, WFLOGNO(0562) "the file is not here: %s%s%s",
                              media->status, media->reason ? ", " : "",
                              media->reason ? media->reason : "");
    }
    if (st == WF_OK && (st = audit_read(ctx, store, media, actor)) == WF_OK) {
        *out = media;
    }
    return st;
}

/* ---- changing
 * ------------------------------------------------------------------------------------ */

static wf_status_t seal_file_key(wf_ctx_t *ctx, const char **sealed, const wf_store_t *store,
                                 const wf_keyring_t *ring, const wf_media_t *media,
                                 const wf_media_done_t *done)
{
    wf_seal_place_t place = place_of("file_key", media->company_id, media->id);
    wf_data_key_t key;
    wf_status_t st = wf_data_key_load(ctx, &key, store, ring, media->company_id);

    if (st == WF_OK) {
        st = wf_seal(ctx, sealed, &key, &place, done->file_key, sizeof(done->file_key));
    }
    wf_wipe(&key, sizeof(key));
    return st;
}

wf_status_t wf_media_done(wf_ctx_t *ctx, const wf_store_t *store, const wf_keyring_t *ring,
                          const wf_media_t *media, const wf_media_done_t *done)
{
    int is_stored = strcmp(done->status, WF_MEDIA_STORED) == 0;
    const char *file_key = NULL;
    wf_pg_result_t *res;
    wf_status_t st = WF_OK;

    if (is_stored) {
        st = seal_file_key(ctx, &file_key, store, ring, media, done);
    }
    if (st == WF_OK) {
        const wf_pg_param_t params[] = {
            media->company_id,
            media->id,
            done->status,
            done->reason,
            is_stored ? apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, done->size) : NULL,
            done->mime_type,
            file_key};

        st = wf_store_query(ctx, &res, store, media->company_id, WF_SQL_MEDIA_DONE, params);
    }
    return st == WF_OK && !wf_pg_cell(res, 0, 0) ? WF_ENOTFOUND : st;
}

/* The files first: a row without its file is found again, a file without its row never. */
static wf_status_t expire_rows(wf_ctx_t *ctx, int *removed, wf_pg_conn_t *conn, const char *dir,
                               const char *company_id, apr_time_t before, int max)
{
    const wf_pg_param_t params[] = {
        company_id, apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, (apr_int64_t)before),
        apr_itoa(ctx->pool, max), dir ? "true" : "false"};
    wf_pg_result_t *res;
    wf_status_t st = wf_pg_begin(ctx, conn, company_id);
    int i;

    if (st == WF_OK) {
        st = wf_pg_exec(ctx, &res, conn, wf_sql(WF_SQL_MEDIA_EXPIRE), params);
    }
    for (i = 0; st == WF_OK && i < wf_pg_rows(res); i++) {
        if (dir && !wf_media_file_remove(ctx->pool, dir, company_id, wf_pg_cell(res, i, 0))) {
            st = wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0537) "cannot remove file %s of company %s",
                         wf_pg_cell(res, i, 0), company_id);
        }
    }
    if (st == WF_OK && (st = wf_pg_commit(ctx, conn)) == WF_OK) {
        *removed = i;
    }
    return st;
}

wf_status_t wf_media_expire(wf_ctx_t *ctx, int *removed, const wf_store_t *store, const char *dir,
                            const char *company_id, apr_time_t before, int max)
{
    wf_pg_conn_t *conn = NULL;
    wf_status_t st;

    *removed = 0;
    if (!wf_store_uuid(company_id)) {
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0538) "expiring files: no company id");
    }
    if ((st = wf_pg_acquire(ctx, &conn, store->pg)) != WF_OK) {
        return st;
    }
    st = expire_rows(ctx, removed, conn, dir, company_id, before, max);
    wf_pg_release(store->pg, conn);
    return st;
}

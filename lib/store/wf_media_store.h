/* L4: files that users sent in a flow: their rows, and their bytes in WflowsFlowMediaDir. */
#ifndef WF_MEDIA_STORE_H
#define WF_MEDIA_STORE_H

#include "store/wf_store.h"
#include "webhook/wf_media_ref.h"

/* ---- rows (wf_media_store.c) -------------------------------------------------------------------
 */

/* What wflows.media_add (a session step, an intake row) takes: the references as JSON text, their
 * secret part sealed with the company's data key, which is loaded only where one has any. */
wf_status_t wf_media_files_seal(wf_ctx_t *ctx, const char **files, const wf_store_t *store,
                                const wf_keyring_t *ring, const char *company_id,
                                const apr_array_header_t *refs) WF_MUST_CHECK;

typedef struct {
    const char *company_id, *id;
    const char *account_id; /* NULL: none */
    const char *status, *sha256;
    const char *mime_type;    /* NULL: not told */
    const char *file_name;    /* as the user's phone says; NULL: not told. Never a path */
    const char *reason;       /* why it is not here; NULL: it is, or may be yet */
    int64_t size;             /* with status "stored" */
    wf_media_ref_t ref;       /* source, media_id; link and keys where they are still kept */
    wf_secret_t access_token; /* of the account; empty: none */
    unsigned char file_key[WF_VAULT_KEY_LEN]; /* with status "stored" */
} wf_media_t;

/* `which`: our id, or Meta's media_id (the newest of that name). In secret memory. WF_ENOTFOUND. */
wf_status_t wf_media_load(wf_ctx_t *ctx, wf_media_t **out, const wf_store_t *store,
                          const wf_keyring_t *ring, const char *company_id,
                          const char *which) WF_MUST_CHECK;

typedef struct {
    const char *status;                       /* WF_MEDIA_STORED, _FAILED or _EXPIRED */
    const char *reason;                       /* of the latter two */
    int64_t size;                             /* STORED */
    const char *mime_type;                    /* STORED */
    unsigned char file_key[WF_VAULT_KEY_LEN]; /* STORED */
} wf_media_done_t;

/* Writes what became of it, with the event that tells so (flow_media_stored, flow_media_failed), once. A
 * file that is stored already stays so. Needs only company_id and id of `media`. WF_ENOTFOUND: its time
 * ran out meanwhile, it has no row any more. */
wf_status_t wf_media_done(wf_ctx_t *ctx, const wf_store_t *store, const wf_keyring_t *ring,
                          const wf_media_t *media, const wf_media_done_t *done) WF_MUST_CHECK;

/* Which files; NULL: any. */
typedef struct {
    const char *session_id, *response_id; /* UUIDs */
    const char *status;
    int limit;
} wf_media_filter_t;

/* The company's files as callbacks name them, newest first. */
wf_status_t wf_media_list(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store,
                          const char *company_id, const wf_media_filter_t *filter) WF_MUST_CHECK;
/* For somebody who reads a file (its bytes: wf_media_file_open): loads it as wf_media_load does, and
 * writes the audit row media.read. WF_ENOTFOUND; WF_ECONFLICT: it is not stored, the public text says what
 * became of it. */
wf_status_t wf_media_open(wf_ctx_t *ctx, wf_media_t **out, const wf_store_t *store,
                          const wf_keyring_t *ring, const char *company_id, const char *which,
                          const wf_actor_t *actor) WF_MUST_CHECK;

/* Deletes at most `max` files that came before `before`, with their rows, and what was still to be
 * fetched; *removed says how many. `dir` NULL: this server has no files, the rows of stored ones stay. If
 * the process dies in between, the rows are there still and it is done again. */
wf_status_t wf_media_expire(wf_ctx_t *ctx, int *removed, const wf_store_t *store, const char *dir,
                            const char *company_id, apr_time_t before, int max) WF_MUST_CHECK;

/* ---- bytes (wf_media_file.c) --------------------------------------------------------------------
 */

/* A file that is being written, in <dir>/<company>/, 0600; removed with ctx->pool unless it was
 * kept. */
typedef struct wf_media_file_t wf_media_file_t;
/* `suffix`: what is written now; an older one of that name is replaced. */
#define WF_MEDIA_CIPHER_SUFFIX "part"
#define WF_MEDIA_NEW_SUFFIX "new"
wf_status_t wf_media_file_make(wf_ctx_t *ctx, wf_media_file_t **out, const char *dir,
                               const wf_media_t *media, const char *suffix) WF_MUST_CHECK;
/* A wf_bytes_fn whose baton is the file. */
wf_status_t wf_media_file_write(wf_ctx_t *ctx, const void *data, size_t len,
                                void *file) WF_MUST_CHECK;
/* The first `len` bytes of what was written, in pieces. */
wf_status_t wf_media_file_read(wf_ctx_t *ctx, wf_media_file_t *file, uint64_t len,
                               wf_bytes_fn *sink, void *baton) WF_MUST_CHECK;
/* It is on the disk under its own name. */
wf_status_t wf_media_file_keep(wf_ctx_t *ctx, wf_media_file_t *file) WF_MUST_CHECK;

/* Opens a stored file: its plaintext goes to `sink`, in pieces of at most 64 KiB. WF_ENOTFOUND: no such file; WF_EDENIED: it is
 * not as it was written, found out before or after some pieces went to the sink. */
wf_status_t wf_media_file_open(wf_ctx_t *ctx, const char *dir, const wf_media_t *media,
                               wf_bytes_fn *sink, void *baton) WF_MUST_CHECK;
/* Also what a killed worker left of it. 1 if there is no such stored file any more. */
int wf_media_file_remove(apr_pool_t *pool, const char *dir, const char *company_id, const char *id);

/* All files of a company, and its folder; *count: how many there were. May be called again where it broke off. */
wf_status_t wf_media_files_erase(wf_ctx_t *ctx, int64_t *count, const char *dir,
                                 const char *company_id) WF_MUST_CHECK;

#endif
